// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/policies/badness.hpp>

#include <cstdint>

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>

#include <oomx/native/scenario.hpp>

using namespace oomx::native;
using namespace oomx::literals;
using oomx::bytes;

TEST_CASE("badness heeds oom_score_adj on the largest machine that can be counted") {
    constexpr auto eib = [](std::uint64_t count) { return bytes{count << 60}; };
    auto policy = oomx::native::policy<oomx::policies::badness>::make();
    REQUIRE(policy);
    const scenario full{
        .machine = {.ram = eib(7)},
        .tree = {{"filler", {.processes = {{.anon = eib(6), .oom_score_adj = -1000}}}},
                 {"good", {.processes = {{.anon = 2_MiB, .oom_score_adj = -900}}}},
                 {"bad", {.processes = {{.anon = 1_MiB}}}}},
        .steps = {allocate{.cgroup = "filler", .amount = eib(1)}}};

    const auto after = simulate(full, {{"/", *policy}});

    REQUIRE(after);
    INFO(fmt::format("{}", *after));
    REQUIRE_FALSE(after->fates().empty());
    CHECK(after->killer_of("bad") == "badness");
    CHECK(after->decisions().front().victim() == model::id_of("bad"));
}
