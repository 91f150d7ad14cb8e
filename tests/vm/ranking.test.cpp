// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <catch2/catch_test_macros.hpp>

#include <oomx/oomx.hpp>
#include <oomx/policies/largest_leaf.hpp>

#include "support.hpp"

using namespace oomx::test;
using namespace oomx::literals;
using oomx::granularity;
using oomx::outcome;
using oomx::policies::largest_leaf;

namespace {

/// Two services of two leaves each: the largest leaf is not in the larger service.
struct services {
    control_group parent = control_group::make("parent");
    control_group uneven = parent.child("uneven");
    control_group even = parent.child("even");
    control_group large = uneven.child("large");
    control_group small = uneven.child("small");
    control_group left = even.child("left");
    control_group right = even.child("right");
    hog in_large = hog::start(large);
    hog in_small = hog::start(small);
    hog in_left = hog::start(left);
    hog in_right = hog::start(right);

    services() {
        in_large.grow(14_MiB);
        in_small.grow(1_MiB);
        in_left.grow(10_MiB);
        in_right.grow(10_MiB);
    }

    void run_out_of_memory() const { parent.set("memory.max", 30_MiB); }
};

} // namespace

TEST_CASE("Candidates are leaves") {
    services tree;
    deciding<largest_leaf> policy{tree.parent.open()};

    tree.run_out_of_memory();

    CHECK(tree.in_large.was_killed());
    CHECK(tree.in_small.lives());
    CHECK(tree.in_left.lives());
    CHECK(tree.in_right.lives());
}

TEST_CASE("At a level that the config says, what is below dies whole") {
    services tree;
    deciding<largest_leaf> policy{tree.parent.open(), {.ranking = {.level = 1}}};

    tree.run_out_of_memory();

    CHECK(tree.in_left.was_killed());
    CHECK(tree.in_right.was_killed());
    CHECK(tree.in_large.lives());
    CHECK(tree.in_small.lives());
    const auto kill = policy.decisions().front();
    CHECK(kill.victim() == tree.even.id());
    CHECK(kill.considered() == 2);
    CHECK(kill.killed() == 2);
    CHECK(kill.top(0).processes == 2);
}

TEST_CASE("A cgroup with memory.oom.group is one candidate, and dies whole") {
    services tree;
    tree.even.set("memory.oom.group", "1");
    deciding<largest_leaf> policy{tree.parent.open()};

    tree.run_out_of_memory();

    CHECK(tree.in_left.was_killed());
    CHECK(tree.in_right.was_killed());
    CHECK(tree.in_large.lives());
    const auto kill = policy.decisions().front();
    CHECK(kill.victim() == tree.even.id());
    CHECK(kill.considered() == 3); // with the leaves of the other
}

TEST_CASE("With granularity process one process of the chosen cgroup dies: who holds most") {
    services tree;
    auto second = hog::start(tree.large);
    second.grow(5_MiB);
    deciding<largest_leaf> policy{tree.parent.open(),
                                  {.ranking = {.granularity = granularity::process}}};

    tree.run_out_of_memory();

    CHECK(tree.in_large.was_killed());
    CHECK(second.lives());
    CHECK(tree.in_left.lives());
    const auto kill = policy.decisions().front();
    CHECK(kill.victim() == tree.large.id());
    CHECK(kill.victim_pid() == tree.in_large.pid());
    CHECK(kill.victim_comm() == "vm_tests");
    CHECK(kill.killed() == 1);
}

TEST_CASE("With granularity process who has oom_score_adj -1000 does not save its neighbours") {
    services tree;
    auto protected_one = hog::start(tree.large, -1000);
    deciding<largest_leaf> policy{tree.parent.open(),
                                  {.ranking = {.granularity = granularity::process}}};

    tree.run_out_of_memory();

    CHECK(tree.in_large.was_killed());
    CHECK(protected_one.lives());
}
