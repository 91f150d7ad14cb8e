// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include "../declarer.hpp"
#include "scene.hpp"

using namespace oomx::test;
using namespace oomx::literals;

// Without memory.max a cgroup may hold 2^51 pages as far as the kernel says: one thousandth of that
// is more than anybody holds.
TEST_CASE("In a declared OOM without memory.max oom_score_adj 1 does not outweigh memory") {
    scene scene{killer::badness, "a declared OOM without memory.max"};
    declarer kernel;
    while (scene.next_round()) {
        auto large = scene.add("large", 60_MiB);
        auto small = scene.add("small", 4_MiB, {.oom_score_adj = 1});

        kernel.declare(scene.scope().id());

        CHECK(scene.was_killed(large));
        CHECK(scene.survived(small));
    }
}
