// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/policies/largest_leaf.hpp>

#include <chrono>
#include <cstdint>

#include <catch2/catch_test_macros.hpp>

using namespace std::chrono_literals;
using namespace oomx::literals;
using oomx::policies::largest_leaf;

TEST_CASE("largest_leaf chooses of all leaves one that dies whole, unless it is told otherwise") {
    const auto config = largest_leaf::configure({});
    REQUIRE(config);
    CHECK(config->min_usage == 0);
    CHECK(config->ranking.level == 0);
    CHECK(config->ranking.granularity == OOMX_CGROUP);
}

TEST_CASE("largest_leaf hands its options to the BPF side") {
    const auto config = largest_leaf::configure(
        {.min_usage = 64_MiB,
         .ranking = {.level = 2, .granularity = oomx::granularity::process},
         .rails = {.min_interval = 5ms, .max_processes = 9, .mode = oomx::mode::shadow}});
    REQUIRE(config);
    CHECK(config->min_usage == std::uint64_t{64} << 20);
    CHECK(config->ranking.level == 2);
    CHECK(config->ranking.granularity == OOMX_PROCESS);
    CHECK(config->rails.min_interval_ns == 5'000'000);
    CHECK(config->rails.max_processes == 9);
    CHECK(config->rails.mode == OOMX_SHADOW);
}

TEST_CASE("largest_leaf refuses rails and a ranking that are out of range") {
    const auto rails = largest_leaf::configure({.rails = {.max_processes = 0}});
    REQUIRE(!rails);
    CHECK(rails.error().code() == oomx::errc::invalid_argument);
    const auto ranking = largest_leaf::configure({.ranking = {.level = 65}});
    REQUIRE(!ranking);
    CHECK(ranking.error().code() == oomx::errc::invalid_argument);
}
