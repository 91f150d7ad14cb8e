// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The kernel kills everybody who has the victim's memory, wherever those processes are. Whoever
// chooses the victim has to look who that is.
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include "scene.hpp"

using namespace oomx::test;
using namespace oomx::literals;

TEST_CASE("A child between vfork and exec is no candidate: its parent elsewhere lives") {
    const auto who = GENERATE(from_range(killers({killer::largest_leaf, killer::badness})));
    scene scene{who, "a vfork child in a leaf of its own"};
    while (scene.next_round()) {
        auto elsewhere = control_group::make("elsewhere");
        auto spawning = scene.scope().child("spawning");
        auto parent = hog::start(elsewhere, {.vfork_child = &spawning});
        parent.grow(120_MiB);
        auto large = scene.add("large", 60_MiB);
        auto neighbour = scene.add("neighbour", 20_MiB);

        scene.run_out_of_memory(10_MiB);

        CHECK(scene.was_killed(large));
        CHECK(scene.survived(parent));
        CHECK(scene.survived(parent.sharer()));
        CHECK(scene.survived(neighbour));
    }
}

TEST_CASE("A child between vfork and exec does not die with its cgroup: its parent lives") {
    const auto who = GENERATE(from_range(killers({killer::largest_leaf, killer::badness})));
    scene scene{who, "a vfork child in the victim's cgroup"};
    while (scene.next_round()) {
        auto elsewhere = control_group::make("elsewhere");
        auto large = scene.add("large", 60_MiB);
        auto parent = hog::start(elsewhere, {.vfork_child = &large.group});
        parent.grow(120_MiB);
        auto neighbour = scene.add("neighbour", 20_MiB);

        scene.run_out_of_memory(10_MiB);

        CHECK(scene.was_killed(large));
        CHECK(scene.survived(parent));
        CHECK(scene.survived(parent.sharer()));
        CHECK(scene.survived(neighbour));
    }
}

TEST_CASE("A parent in vfork is killed like any other process") {
    const auto who = GENERATE(from_range(killers({killer::largest_leaf, killer::badness})));
    scene scene{who, "a vfork child beside its parent, the victim"};
    while (scene.next_round()) {
        auto place = scene.scope().child("large");
        auto parent = hog::start(place, {.vfork_child = &place});
        parent.grow(60_MiB);
        auto neighbour = scene.add("neighbour", 20_MiB);

        scene.run_out_of_memory(10_MiB);

        CHECK(scene.was_killed(parent));
        CHECK(scene.survived(neighbour));
    }
}

TEST_CASE("Memory shared with a process outside the scope is spared") {
    const auto who = GENERATE(from_range(killers({killer::largest_leaf, killer::badness})));
    scene scene{who, "CLONE_VM with a process outside the scope"};
    while (scene.next_round()) {
        auto elsewhere = control_group::make("elsewhere");
        auto shared = scene.add("shared", 80_MiB, {.sharer = &elsewhere});
        auto large = scene.add("large", 60_MiB);
        auto neighbour = scene.add("neighbour", 20_MiB);

        scene.run_out_of_memory(10_MiB);

        CHECK(scene.survived(shared));
        CHECK(scene.survived(shared.process.sharer()));
        CHECK(scene.was_killed(large));
        CHECK(scene.survived(neighbour));
    }
}

TEST_CASE("Memory shared with a process of another candidate is spared") {
    const auto who = GENERATE(from_range(killers({killer::largest_leaf, killer::badness})));
    scene scene{who, "CLONE_VM with a process of another leaf"};
    while (scene.next_round()) {
        auto other = scene.add("other", 10_MiB);
        auto shared = scene.add("shared", 80_MiB, {.sharer = &other.group});
        auto large = scene.add("large", 60_MiB);

        scene.run_out_of_memory(10_MiB);

        CHECK(scene.survived(shared));
        CHECK(scene.survived(shared.process.sharer()));
        CHECK(scene.survived(other));
        CHECK(scene.was_killed(large));
    }
}

TEST_CASE("Processes that share their memory in one cgroup die like one process") {
    const auto who = GENERATE(from_range(killers({killer::largest_leaf, killer::badness})));
    scene scene{who, "CLONE_VM inside the victim's cgroup"};
    while (scene.next_round()) {
        auto place = scene.scope().child("shared");
        auto shared = hog::start(place, {.sharer = &place});
        shared.grow(80_MiB);
        auto large = scene.add("large", 60_MiB);
        auto neighbour = scene.add("neighbour", 20_MiB);

        scene.run_out_of_memory(10_MiB);

        CHECK(scene.was_killed(shared));
        CHECK(shared.sharer().ended_within(std::chrono::seconds{30}));
        CHECK(scene.survived(large));
        CHECK(scene.survived(neighbour));
    }
}
