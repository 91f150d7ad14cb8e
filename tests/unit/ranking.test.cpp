// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/ranking.hpp>

#include <catch2/catch_test_macros.hpp>

using oomx::granularity;
using oomx::ranking;

TEST_CASE(
    "Leaves are candidates, and what dies is what is usual, unless a program says otherwise") {
    const auto raw = ranking{}.raw(granularity::process);
    REQUIRE(raw);
    CHECK(raw->level == 0);
    CHECK(raw->granularity == OOMX_PROCESS);
}

TEST_CASE("A ranking reaches the policy as it is, down to the deepest level") {
    const auto raw = ranking{.level = OOMX_MAX_DEPTH, .granularity = granularity::process}.raw(
        granularity::cgroup);
    REQUIRE(raw);
    CHECK(raw->level == 64);
    CHECK(raw->granularity == OOMX_PROCESS);
}

TEST_CASE("A level so deep that nobody is looked for is refused") {
    const auto raw = ranking{.level = 65}.raw(granularity::cgroup);
    REQUIRE(!raw);
    CHECK(raw.error().code() == oomx::errc::invalid_argument);
    CHECK(raw.error().message() ==
          "ranking.level is 65: so deep nobody is looked for; give 1 to 64, or 0 for leaves");
}

TEST_CASE("A granularity that is none is refused") {
    const auto raw = ranking{.granularity = granularity{2}}.raw(granularity::cgroup);
    REQUIRE(!raw);
    CHECK(raw.error().code() == oomx::errc::invalid_argument);
    CHECK(raw.error().message() ==
          "ranking.granularity is neither cgroup nor process; give one of the two");
}
