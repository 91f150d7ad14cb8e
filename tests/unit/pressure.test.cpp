// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/pressure.hpp>

#include <chrono>

#include <catch2/catch_test_macros.hpp>

using namespace std::chrono_literals;
using oomx::cgroup_id;
using oomx::errc;
using oomx::pressure;
using oomx::resource;
using oomx::share;
using oomx::watch;

TEST_CASE("Pressure reaches the policy in microseconds") {
    const auto raw =
        pressure{.resource = resource::io, .share = share::some, .stall = 150ms, .window = 1s}
            .raw();
    REQUIRE(raw);
    CHECK(raw->resource == OOMX_IO);
    CHECK(raw->share == OOMX_SOME);
    CHECK(raw->stall_us == 150'000);
    CHECK(raw->window_us == 1'000'000);
}

TEST_CASE("The default pressure takes no privilege: its window is a multiple of two seconds") {
    REQUIRE(pressure{}.raw());
    CHECK(pressure{}.window % 2s == 0s);
    CHECK(pressure{}.resource == resource::memory);
    CHECK(pressure{}.share == share::full);
}

TEST_CASE("Windows up to ten seconds are accepted, as the kernel does, others refused") {
    CHECK(pressure{.stall = 1us, .window = 1us}.raw());
    CHECK(pressure{.stall = 1us, .window = 499ms}.raw());
    CHECK(pressure{.stall = 10s, .window = 10s}.raw());
    CHECK_FALSE(pressure{.stall = 1us, .window = 0us}.raw());
    CHECK_FALSE(pressure{.stall = 1us, .window = -1s}.raw());
    const auto raw = pressure{.stall = 1s, .window = 10s + 1us}.raw();
    REQUIRE(!raw);
    CHECK(raw.error().code() == errc::invalid_argument);
    CHECK(raw.error().message() ==
          "pressure.window is not from 1 us to 10 s; the kernel takes no other");
}

TEST_CASE("A stall that no window can hold is refused, and so is none") {
    CHECK(pressure{.stall = 1s, .window = 1s}.raw());
    CHECK_FALSE(pressure{.stall = 1s + 1us, .window = 1s}.raw());
    CHECK_FALSE(pressure{.stall = -1us, .window = 1s}.raw());
    const auto raw = pressure{.stall = 0us, .window = 1s}.raw();
    REQUIRE(!raw);
    CHECK(raw.error().code() == errc::invalid_argument);
    CHECK(raw.error().message() ==
          "pressure.stall is not from 1 us to the window; give a part of pressure.window");
}

TEST_CASE("A watch names its cgroup by id, and the root as the whole system") {
    CHECK(watch{.where = cgroup_id{42}}.raw()->cgroup_id == 42);
    CHECK(watch{.where = oomx::root_cgroup}.raw()->cgroup_id == 0);
    CHECK(watch{}.raw()->cgroup_id == 0);
}

TEST_CASE("A watch that would never fire is refused: full CPU pressure of the whole system") {
    const pressure full{.resource = resource::cpu, .share = share::full};
    CHECK(watch{.where = cgroup_id{42}, .pressure = full}.raw());
    CHECK(watch{.pressure = {.resource = resource::cpu, .share = share::some}}.raw());
    const auto raw = watch{.pressure = full}.raw();
    REQUIRE(!raw);
    CHECK(raw.error().code() == errc::invalid_argument);
    CHECK(raw.error().message() ==
          "the whole system never waits for a processor with all its tasks; watch a cgroup, or "
          "share::some");
}
