// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/rails.hpp>

#include <chrono>
#include <cstdint>
#include <limits>

#include <catch2/catch_test_macros.hpp>

using namespace std::chrono_literals;
using oomx::rails;

TEST_CASE("The default rails enforce without an interval, and look at 10000 cgroups") {
    const auto raw = rails{}.raw();
    REQUIRE(raw);
    CHECK(raw->min_interval_ns == 0);
    CHECK(raw->max_processes == 1024);
    CHECK(raw->max_candidates == 10'000);
    CHECK(raw->max_tasks == 100'000);
    CHECK(raw->min_relief == 0);
    CHECK(raw->mode == OOMX_ENFORCE);
}

TEST_CASE("Rails reach the policy in nanoseconds") {
    const auto raw = rails{.min_interval = 2s,
                           .max_processes = 3,
                           .max_candidates = 4,
                           .max_tasks = 5,
                           .min_relief = 6,
                           .mode = oomx::mode::shadow}
                         .raw();
    REQUIRE(raw);
    CHECK(raw->min_interval_ns == 2'000'000'000);
    CHECK(raw->max_processes == 3);
    CHECK(raw->max_candidates == 4);
    CHECK(raw->max_tasks == 5);
    CHECK(raw->min_relief == 6);
    CHECK(raw->mode == OOMX_SHADOW);
}

TEST_CASE("A negative interval between kills is refused") {
    const auto raw = rails{.min_interval = -1ns}.raw();
    REQUIRE(!raw);
    CHECK(raw.error().code() == oomx::errc::invalid_argument);
    CHECK(raw.error().message() == "rails.min_interval is negative; give zero or more");
}

TEST_CASE("The longest interval between kills is accepted") {
    const auto raw = rails{.min_interval = std::chrono::nanoseconds::max()}.raw();
    REQUIRE(raw);
    CHECK(raw->min_interval_ns == std::numeric_limits<std::int64_t>::max());
}

TEST_CASE("Rails under which nobody could be killed are refused") {
    const auto raw = rails{.max_processes = 0}.raw();
    REQUIRE(!raw);
    CHECK(raw.error().code() == oomx::errc::invalid_argument);
    CHECK(raw.error().message() ==
          "rails.max_processes is 0: nobody could be killed; give one or more, or use shadow mode");
}

TEST_CASE("A kill cannot be asked to free more than there is") {
    CHECK(rails{.min_relief = 1000}.raw());
    const auto raw = rails{.min_relief = 1001}.raw();
    REQUIRE(!raw);
    CHECK(raw.error().code() == oomx::errc::invalid_argument);
    CHECK(raw.error().message() == "rails.min_relief is 1001 thousandths; give 1000 or less");
}

TEST_CASE("Rails under which nobody could be looked at are refused") {
    const auto raw = rails{.max_candidates = 0}.raw();
    REQUIRE(!raw);
    CHECK(raw.error().code() == oomx::errc::invalid_argument);
    CHECK(raw.error().message() ==
          "rails.max_candidates is 0: nobody could be looked at; give one or more");
}

TEST_CASE("A mode that is none is refused") {
    const auto raw = rails{.mode = oomx::mode{2}}.raw();
    REQUIRE(!raw);
    CHECK(raw.error().code() == oomx::errc::invalid_argument);
    CHECK(raw.error().message() == "rails.mode is neither enforce nor shadow; give one of the two");
}
