// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/cgroup.hpp>

#include <catch2/catch_test_macros.hpp>

#include "at_once.hpp"
#include "support/mounts.hpp"

TEST_CASE("Threads read the files of one cgroup") {
    const auto mount = oomx::test::mount_of("cgroup2");
    if (!mount) {
        SKIP("cgroup v2 is not mounted");
    }
    const auto top = oomx::cgroup::open(*mount);
    REQUIRE(top);
    CHECK(oomx::test::at_once([&](int) {
        const auto controllers = top->read("cgroup.controllers");
        return controllers && top->has_memory_controller() && top->path() == *mount;
    }));
}
