// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/policies/badness.hpp>

#include <chrono>

#include <catch2/catch_test_macros.hpp>

using namespace std::chrono_literals;
using oomx::policies::badness;

TEST_CASE("badness chooses one process, as the kernel does, also where a level is given") {
    const auto config = badness::configure({.ranking = {.level = 1}});
    REQUIRE(config);
    CHECK(config->ranking.level == 1);
    CHECK(config->ranking.granularity == OOMX_PROCESS);
}

TEST_CASE("badness hands its options to the BPF side") {
    const auto config =
        badness::configure({.ranking = {.level = 3, .granularity = oomx::granularity::cgroup},
                            .rails = {.min_interval = 5ms}});
    REQUIRE(config);
    CHECK(config->ranking.level == 3);
    CHECK(config->ranking.granularity == OOMX_CGROUP);
    CHECK(config->rails.min_interval_ns == 5'000'000);
}

TEST_CASE("badness refuses rails and a ranking that are out of range") {
    const auto rails = badness::configure({.rails = {.max_candidates = 0}});
    REQUIRE(!rails);
    CHECK(rails.error().code() == oomx::errc::invalid_argument);
    const auto ranking = badness::configure({.ranking = {.level = 65}});
    REQUIRE(!ranking);
    CHECK(ranking.error().code() == oomx::errc::invalid_argument);
}
