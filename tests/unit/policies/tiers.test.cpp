// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/policies/tiers.hpp>

#include <chrono>
#include <cstdint>

#include <catch2/catch_test_macros.hpp>

using namespace std::chrono_literals;
using namespace oomx::literals;
using oomx::policies::tiers;

TEST_CASE("tiers spares nobody for being little over its protection unless it is told to") {
    const auto config = tiers::configure({});
    REQUIRE(config);
    CHECK(config->min_over == 0);
    CHECK(config->ranking.level == 0);
    CHECK(config->ranking.granularity == OOMX_CGROUP);
}

TEST_CASE("tiers hands its options to the BPF side") {
    const auto config = tiers::configure(
        {.min_over = 64_MiB, .ranking = {.level = 2}, .rails = {.min_interval = 5ms}});
    REQUIRE(config);
    CHECK(config->min_over == std::uint64_t{64} << 20);
    CHECK(config->ranking.level == 2);
    CHECK(config->ranking.granularity == OOMX_CGROUP);
    CHECK(config->rails.min_interval_ns == 5'000'000);
}

TEST_CASE("tiers refuses rails and a ranking that are out of range") {
    const auto rails = tiers::configure({.rails = {.max_candidates = 0}});
    REQUIRE(!rails);
    CHECK(rails.error().code() == oomx::errc::invalid_argument);
    const auto ranking = tiers::configure({.ranking = {.level = 65}});
    REQUIRE(!ranking);
    CHECK(ranking.error().code() == oomx::errc::invalid_argument);
}
