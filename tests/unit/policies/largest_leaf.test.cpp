// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/policies/largest_leaf.hpp>

#include <chrono>
#include <cstdint>

#include <catch2/catch_test_macros.hpp>

using namespace std::chrono_literals;
using namespace oomx::literals;
using oomx::policies::largest_leaf;

TEST_CASE("largest_leaf spares nobody for being small unless it is told to") {
    const auto config = largest_leaf::configure({});
    REQUIRE(config);
    CHECK(config->min_usage == 0);
}

TEST_CASE("largest_leaf hands its options to the BPF side") {
    const auto config = largest_leaf::configure(
        {.min_usage = 64_MiB,
         .rails = {.min_interval = 5ms, .max_processes = 9, .mode = oomx::mode::shadow}});
    REQUIRE(config);
    CHECK(config->min_usage == std::uint64_t{64} << 20);
    CHECK(config->rails.min_interval_ns == 5'000'000);
    CHECK(config->rails.max_processes == 9);
    CHECK(config->rails.mode == OOMX_SHADOW);
}

TEST_CASE("largest_leaf refuses rails that are out of range") {
    const auto config = largest_leaf::configure({.rails = {.max_processes = 0}});
    REQUIRE(!config);
    CHECK(config.error().code() == oomx::errc::invalid_argument);
}
