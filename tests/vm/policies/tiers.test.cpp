// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <catch2/catch_test_macros.hpp>

#include <oomx/oomx.hpp>
#include <oomx/policies/tiers.hpp>

#include "../support.hpp"

using namespace oomx::test;
using namespace oomx::literals;
using oomx::outcome;
using oomx::verdict;
using oomx::policies::tiers;

namespace {

/// Services, the larger the more important.
struct service_tree {
    control_group parent = control_group::make("parent");
    control_group database = parent.child("database");
    control_group web = parent.child("web");
    control_group batch = parent.child("batch");
    hog in_database = hog::start(database);
    hog in_web = hog::start(web);
    hog in_batch = hog::start(batch);

    service_tree() {
        in_database.grow(20_MiB);
        in_web.grow(10_MiB);
        in_batch.grow(5_MiB);
    }

    void run_out_of_memory() const { parent.set("memory.max", 33_MiB); }

    [[nodiscard]] deciding<tiers> policy(const tiers::options& options = {}) const {
        auto loaded = must(oomx::load<tiers>(options));
        must(loaded.prefer(database.open(), {.tier = 0}));
        must(loaded.prefer(web.open(), {.tier = 1}));
        must(loaded.prefer(batch.open(), {.tier = 2}));
        return {std::move(loaded), parent.open()};
    }
};

} // namespace

TEST_CASE("tiers kills the least important, however small") {
    service_tree tree;
    auto policy = tree.policy();

    tree.run_out_of_memory();

    CHECK(tree.in_batch.was_killed());
    CHECK(tree.in_web.lives());
    CHECK(tree.in_database.lives());
    const auto kill = policy.decisions().front();
    CHECK(kill.victim() == tree.batch.id());
    CHECK(kill.top(0).tier == 2);
    CHECK(kill.top(1).tier == 1);
    CHECK(kill.spared(0).id == tree.database.id());
    CHECK(kill.spared(0).verdict == verdict::spared_by_policy);
}

TEST_CASE("Within a tier the one dies that is furthest over its protection") {
    auto parent = control_group::make("parent");
    auto promised = parent.child("promised");
    auto plain = parent.child("plain");
    auto in_promised = hog::start(promised);
    auto in_plain = hog::start(plain);
    in_promised.grow(20_MiB);
    in_plain.grow(10_MiB);
    promised.set("memory.low", 16_MiB);
    auto loaded = must(oomx::load<tiers>({}));
    must(loaded.prefer(parent.open(), {.tier = 1}));
    deciding<tiers> policy{std::move(loaded), parent.open()};

    parent.set("memory.max", 28_MiB);

    CHECK(in_plain.was_killed());
    CHECK(in_promised.lives());
}

TEST_CASE("Who keeps to its protection is spared, and then the kernel decides") {
    service_tree tree;
    tree.batch.set("memory.min", 30_MiB);
    tree.web.set("memory.low", 30_MiB);
    auto policy = tree.policy();

    tree.run_out_of_memory();

    const auto decisions = policy.decisions();
    REQUIRE_FALSE(decisions.empty());
    CHECK(decisions.front().outcome() == outcome::no_victim);
    CHECK(decisions.front().spared_count() == 3);
    CHECK(tree.in_database.was_killed()); // by the kernel: it holds most
}

TEST_CASE("Who is over by less than min_over is spared") {
    service_tree tree;
    auto policy = tree.policy({.min_over = 8_MiB});

    tree.run_out_of_memory();

    CHECK(tree.in_web.was_killed());
    CHECK(tree.in_batch.lives());
    CHECK(tree.in_database.lives());
}
