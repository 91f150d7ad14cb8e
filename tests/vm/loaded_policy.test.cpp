// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// A config that changes while the policy is in force.
#include <atomic>
#include <chrono>
#include <thread>
#include <tuple>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <oomx/oomx.hpp>
#include <oomx/policies/largest_leaf.hpp>

#include "support.hpp"

using namespace oomx::test;
using namespace oomx::literals;
using oomx::errc;
using oomx::policies::largest_leaf;

namespace {

/// largest_leaf, if only its rails were live.
struct fixed_leaf : largest_leaf {
    static constexpr std::tuple live{&config::rails};
};

} // namespace

TEST_CASE("A new config holds for the next decision, which carries its generation") {
    auto parent = control_group::make("parent");
    auto leaf = parent.child("leaf");
    auto victim = hog::start(leaf);
    victim.grow(10_MiB);
    auto policy = must(oomx::load<largest_leaf>({.rails = {.mode = oomx::mode::shadow}}));
    auto events = must(policy.events());
    const auto attachment = must(policy.attach(parent.open()));

    must(policy.reconfigure({.min_usage = 1_MiB}));

    CHECK(policy.generation() == 2);
    CHECK(policy.config().min_usage == (1_MiB).count());
    parent.set("memory.max", 5_MiB);
    CHECK(victim.was_killed());
    std::vector<oomx::decision> decisions;
    must(events.drain([&](const oomx::decision& one) { decisions.push_back(one); }));
    REQUIRE_FALSE(decisions.empty());
    CHECK(decisions.front().outcome() == oomx::outcome::killed);
    CHECK(decisions.front().generation() == 2);
}

TEST_CASE("A config that is refused leaves the one before in force") {
    auto policy = must(oomx::load<largest_leaf>({.min_usage = 1_MiB}));

    auto refused = policy.reconfigure({.rails = {.max_processes = 0}});

    CHECK(refusal(refused) ==
          "reconfigure policy 'largest_leaf': rails.max_processes is 0: nobody could be killed; "
          "give one or more, or use shadow mode");
    CHECK(policy.generation() == 1);
    CHECK(policy.config().min_usage == (1_MiB).count());
}

TEST_CASE("A field that the policy does not call live cannot change") {
    auto policy = must(oomx::load<fixed_leaf>({.min_usage = 1_MiB}));

    must(policy.reconfigure({.min_usage = 1_MiB, .rails = {.max_processes = 3}}));
    auto refused = policy.reconfigure({.min_usage = 2_MiB});

    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == errc::invalid_argument);
    CHECK(policy.generation() == 2);
    CHECK(policy.config().min_usage == (1_MiB).count());
}

TEST_CASE("A policy decides by one config or the other while they change all the time") {
    auto parent = control_group::make("parent");
    auto leaf = parent.child("leaf");
    auto policy = must(oomx::load<largest_leaf>());
    auto events = must(policy.events());
    const auto attachment = must(policy.attach(parent.open()));
    // Both kill. A mixture of them would spare everybody: no process, or none large enough.
    const largest_leaf::options a{.min_usage = 1_MiB, .rails = {.max_processes = 1000}};
    const largest_leaf::options b{.min_usage = 2_MiB, .rails = {.max_processes = 2000}};
    std::atomic<bool> done = false;
    std::thread writer{[&] {
        while (!done) {
            must(policy.reconfigure(a));
            must(policy.reconfigure(b));
        }
    }};

    parent.set("memory.max", 5_MiB);
    for (int i = 0; i < 10; ++i) {
        auto victim = hog::start(leaf);
        victim.order(10_MiB);
        CHECK(victim.was_killed());
    }
    done = true;
    writer.join();

    std::uint64_t last = 0;
    int kills = 0;
    must(events.drain([&](const oomx::decision& one) {
        CHECK(one.generation() >= last);
        last = one.generation();
        kills += one.outcome() == oomx::outcome::killed ? 1 : 0;
        CHECK(one.outcome() != oomx::outcome::no_victim);
        CHECK(one.outcome() != oomx::outcome::spared);
    }));
    CHECK(last > 1);
    CHECK(kills == 10);
}
