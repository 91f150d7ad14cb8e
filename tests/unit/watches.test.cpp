// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/watches.hpp>

#include <chrono>
#include <cstdint>

#include <catch2/catch_test_macros.hpp>

using namespace std::chrono_literals;
using oomx::cgroup_id;
using oomx::errc;
using oomx::watch;
using oomx::watches;

TEST_CASE("Watches reach the policy in their order, with the limits it acts within") {
    const auto raw = watches{.watched = {{cgroup_id{42}, {.stall = 1s}}, {cgroup_id{7}, {}}},
                             .min_interval = 3ns,
                             .mode = oomx::mode::shadow,
                             .max_renewed = 9}
                         .raw();
    REQUIRE(raw);
    CHECK(raw->count == 2);
    CHECK(raw->watch[0].cgroup_id == 42);
    CHECK(raw->watch[0].pressure.stall_us == 1'000'000);
    CHECK(raw->watch[1].cgroup_id == 7);
    CHECK(raw->min_interval_ns == 3);
    CHECK(raw->mode == OOMX_SHADOW);
    CHECK(raw->max_renewed == 9);
}

TEST_CASE("To watch nothing is refused") {
    const auto raw = watches{}.raw();
    REQUIRE(!raw);
    CHECK(raw.error().code() == errc::invalid_argument);
    CHECK(raw.error().message() == "0 cgroups are to be watched; name one to 64");
}

TEST_CASE("64 watches are accepted and one more is refused") {
    watches many;
    many.watched.assign(OOMX_WATCHES, watch{cgroup_id{42}, {}});
    CHECK(many.raw()->count == OOMX_WATCHES);
    many.watched.emplace_back();
    const auto raw = many.raw();
    REQUIRE(!raw);
    CHECK(raw.error().message() == "65 cgroups are to be watched; name one to 64");
}

TEST_CASE("The watch that is out of range is named") {
    const auto raw =
        watches{.watched = {{cgroup_id{42}, {}}, {cgroup_id{7}, {.window = 11s}}}}.raw();
    REQUIRE(!raw);
    CHECK(raw.error().message() == "watch 1, cgroup 7: pressure.window is not from 1 us to 10 s; "
                                   "the kernel takes no other");
    const auto system = watches{.watched = {{oomx::root_cgroup, {.window = 11s}}}}.raw();
    REQUIRE(!system);
    CHECK(system.error().message().starts_with("watch 0, the whole system: "));
}

TEST_CASE("A negative interval between declarations is refused") {
    const auto raw = watches{.watched = {{cgroup_id{42}, {}}}, .min_interval = -1ns}.raw();
    REQUIRE(!raw);
    CHECK(raw.error().code() == errc::invalid_argument);
    CHECK(raw.error().message() == "min_interval is negative; give zero or more");
}
