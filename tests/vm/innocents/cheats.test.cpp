// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// A tenant that makes itself look unfit to be killed, so that its neighbours die. It holds most of
// the memory, so its largest process is the one to go; whether the policy or the kernel kills that
// one, no neighbour may.
#include <optional>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include "../../support/crowd.hpp"
#include "scene.hpp"

using namespace oomx::test;
using namespace oomx::literals;

namespace {

/// Two that never do harm.
struct neighbours {
    tenant one;
    tenant other;

    explicit neighbours(scene& scene)
        : one{scene.add("one", 20_MiB)}, other{scene.add("other", 10_MiB)} {}
};

} // namespace

TEST_CASE("A tenant with more idle processes than max_processes does not have neighbours die") {
    const auto who = GENERATE(from_range(killers({killer::largest_leaf, killer::badness})));
    scene scene{who, "1,100 idle processes"};
    auto cheat = scene.scope().child("cheat");
    std::optional<crowd> idle;
    while (scene.next_round()) {
        if (cheat.processes() < 1100) {
            idle.emplace(crowd::start(cheat, 1100));
        }
        auto large = hog::start(cheat);
        large.grow(60_MiB);
        neighbours innocent{scene};

        scene.run_out_of_memory(20_MiB);

        CHECK(scene.was_killed(large));
        CHECK(scene.survived(innocent.one));
        CHECK(scene.survived(innocent.other));
    }
}

TEST_CASE("A tenant with one small process at oom_score_adj -1000 does not have neighbours die") {
    const auto who = GENERATE(from_range(killers({killer::largest_leaf, killer::badness})));
    scene scene{who, "one process of 1 MiB at -1000"};
    while (scene.next_round()) {
        auto cheat = scene.add("cheat", 60_MiB);
        auto shield = hog::start(cheat.group, {.oom_score_adj = -1000});
        shield.grow(1_MiB);
        neighbours innocent{scene};

        scene.run_out_of_memory(20_MiB);

        CHECK(scene.was_killed(cheat));
        CHECK(scene.survived(shield));
        CHECK(scene.survived(innocent.one));
        CHECK(scene.survived(innocent.other));
    }
}

TEST_CASE("A tenant more than 64 levels below the scope does not have neighbours die") {
    const auto who = GENERATE(from_range(killers({killer::largest_leaf, killer::badness})));
    scene scene{who, "70 levels deep"};
    while (scene.next_round()) {
        std::vector<control_group> levels;
        levels.push_back(scene.scope().child("cheat"));
        while (levels.size() < 70) {
            levels.push_back(levels.back().child("deeper"));
        }
        auto large = hog::start(levels.back());
        large.grow(60_MiB);
        neighbours innocent{scene};

        scene.run_out_of_memory(20_MiB);

        CHECK(scene.was_killed(large));
        CHECK(scene.survived(innocent.one));
        CHECK(scene.survived(innocent.other));
    }
}

TEST_CASE("A tenant of 1,025 populated cgroups does not have neighbours die") {
    const auto who = GENERATE(from_range(killers({killer::largest_leaf, killer::badness})));
    scene scene{who, "1,025 populated cgroups", {}, {.level = 1}};
    auto cheat = scene.scope().child("cheat");
    std::vector<control_group> parts;
    parts.reserve(1025);
    for (int n = 0; n < 1025; ++n) {
        parts.push_back(cheat.child(std::to_string(n)));
    }
    auto place = cheat.child("large");
    std::optional<crowd> idle;
    while (scene.next_round()) {
        if (parts.front().processes() == 0) {
            idle.emplace(crowd::start_in_each(parts));
        }
        auto large = hog::start(place);
        large.grow(60_MiB);
        neighbours innocent{scene};

        scene.run_out_of_memory(20_MiB);

        CHECK(scene.was_killed(large));
        CHECK(scene.survived(innocent.one));
        CHECK(scene.survived(innocent.other));
    }
}

TEST_CASE("A tenant behind max_candidates older cgroups does not have neighbours die") {
    const auto who = GENERATE(from_range(killers({killer::largest_leaf, killer::badness})));
    scene scene{who, "behind max_candidates older cgroups", {.max_candidates = 2}};
    while (scene.next_round()) {
        neighbours innocent{scene};
        auto cheat = scene.add("cheat", 60_MiB);

        scene.run_out_of_memory(20_MiB);

        CHECK(scene.was_killed(cheat));
        CHECK(scene.survived(innocent.one));
        CHECK(scene.survived(innocent.other));
    }
}

TEST_CASE("A tenant cannot protect itself with more memory.low than its parents give it") {
    const auto who = GENERATE(from_range(killers({killer::tiers})));
    scene scene{who, "memory.low=max in a delegated cgroup"};
    while (scene.next_round()) {
        auto delegated = scene.scope().child("delegated");
        auto liar = scene::add_below(delegated, "liar", 60_MiB);
        liar.group.set("memory.low", "max");
        auto honest = scene.add("honest", 20_MiB);
        honest.group.set("memory.low", 5_MiB);

        scene.run_out_of_memory(10_MiB);

        CHECK(scene.was_killed(liar));
        CHECK(scene.survived(honest));
    }
}

TEST_CASE("Protection that all parents give holds") {
    const auto who = GENERATE(from_range(killers({killer::tiers})));
    scene scene{who, "memory.low that all parents give"};
    while (scene.next_round()) {
        auto outer = scene.scope().child("outer");
        outer.set("memory.low", 100_MiB);
        auto honest = scene::add_below(outer, "honest", 60_MiB);
        honest.group.set("memory.low", 100_MiB);
        auto large = scene.add("large", 40_MiB);

        scene.run_out_of_memory(10_MiB);

        CHECK(scene.was_killed(large));
        CHECK(scene.survived(honest));
    }
}
