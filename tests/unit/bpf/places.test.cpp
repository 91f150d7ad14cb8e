// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/bpf/places.hpp>

#include <cstdint>

#include <catch2/catch_test_macros.hpp>

using oomx::cgroup_id;
using oomx::bpf::places;

TEST_CASE("A policy that was attached nowhere remembers nothing") {
    oomx_control memory{};
    const places known{memory};
    CHECK(known.none());
    CHECK(!known.find(7));
    CHECK(!known.find(0)); // what a free place has
}

TEST_CASE("A policy remembers of each link where it is") {
    oomx_control memory{};
    const places known{memory};
    known.remember(7, cgroup_id{70});
    known.remember(8, oomx::root_cgroup);
    CHECK(!known.none());
    CHECK(known.find(7) == cgroup_id{70});
    CHECK(known.find(8) == oomx::root_cgroup);
    CHECK(!known.find(9));
    // Another process sees the same.
    CHECK(places{memory}.find(7) == cgroup_id{70});
}

TEST_CASE("Attached to a cgroup again, the policy remembers the new link only") {
    oomx_control memory{};
    const places known{memory};
    known.remember(7, cgroup_id{70});
    known.remember(8, cgroup_id{80});
    known.remember(9, cgroup_id{70});
    CHECK(!known.find(7));
    CHECK(known.find(8) == cgroup_id{80});
    CHECK(known.find(9) == cgroup_id{70});
}

TEST_CASE("Of more cgroups than there is room for the oldest is forgotten") {
    oomx_control memory{};
    const places known{memory};
    for (std::uint32_t i = 1; i <= OOMX_PLACES + 1; ++i) {
        known.remember(i, cgroup_id{1000 + i});
    }
    CHECK(!known.find(1));
    CHECK(known.find(2) == cgroup_id{1002});
    CHECK(known.find(OOMX_PLACES + 1) == cgroup_id{1000 + OOMX_PLACES + 1});
}
