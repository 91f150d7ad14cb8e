// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/bpf/preferences_map.hpp>

#include <catch2/catch_test_macros.hpp>

#include <oomx/unique_fd.hpp>

using oomx::cgroup_id;
using oomx::errc;
using oomx::bpf::preferences_map;

// What the kernel does is tested in the VM: a map needs privilege.

TEST_CASE("A preference out of range is refused before the kernel is asked") {
    const preferences_map map{oomx::unique_fd{}};
    const auto put = map.put(cgroup_id{42}, {.tier = 65536});
    REQUIRE(!put);
    CHECK(put.error().code() == errc::invalid_argument);
}

TEST_CASE("What is no map is refused") {
    const preferences_map map{oomx::unique_fd{}};
    CHECK_FALSE(map.put(cgroup_id{42}, {}));
    CHECK_FALSE(map.remove(cgroup_id{42}));
    CHECK_FALSE(map.entries());
}
