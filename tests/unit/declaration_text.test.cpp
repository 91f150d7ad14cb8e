// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/declaration_text.hpp>

#include <cerrno>
#include <cstdint>

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>

#include "support/decision_record.hpp"

// The words a person reads, whole: a change of them is meant to be seen here.

using oomx::declaration;
using oomx::describe;
using oomx::test::declaration_record;

TEST_CASE("A declaration is told with its cgroup, what it held and the pressure") {
    CHECK(fmt::format("{}", declaration{declaration_record()}) ==
          "pressure_kill declared cgroup 40 out of memory; 200 ms of full memory stall within 1000 "
          "ms, 45.0 MiB used");
}

TEST_CASE("A system-wide declaration names the system, and what the kernel would do") {
    auto record = declaration_record();
    record.cgroup_id = 0;
    record.usage = 0;
    record.pressure = {OOMX_CPU, OOMX_SOME, 1'500, 500'000};
    record.result = OOMX_DECLARATION_FAILED;
    record.error = -EOPNOTSUPP;
    CHECK(fmt::format("{}", declaration{record}) ==
          "pressure_kill could not declare the system out of memory; 1.5 ms of some cpu stall "
          "within 500 ms\n"
          "  this kernel would say that it had declared a system-wide OOM, and do nothing "
          "(EOPNOTSUPP); watch cgroups instead");
}

TEST_CASE("A watch that is over is told with the reason") {
    auto record = declaration_record();
    record.result = OOMX_DECLARATION_SHADOW;
    record.usage = 0;
    record.deaf = -ENOSPC;
    CHECK(fmt::format("{}", declaration{record}) ==
          "pressure_kill declined in shadow mode, it would have declared cgroup 40 out of memory; "
          "200 ms of full memory stall within 1000 ms\n"
          "  this watch will not fire again: the kernel's triggers fire once, and max_renewed have "
          "been made anew (ENOSPC); load the policy anew and put it in the place of this one: "
          "attachment::replace()");
}

TEST_CASE("Every answer to pressure has words") {
    const auto told = [](std::uint32_t result) {
        auto record = declaration_record();
        record.result = result;
        return describe(declaration{record});
    };
    CHECK(told(OOMX_DECLARATION_DECLINED) == "pressure_kill declined");
    CHECK(told(OOMX_DECLARATION_NO_PROGRESS) ==
          "pressure_kill declared cgroup 40 out of memory, nobody could be killed");
    CHECK(told(OOMX_DECLARATION_COOLING) ==
          "pressure_kill declined so soon after the last OOM it declared, it would have declared "
          "cgroup 40 out of memory");
    CHECK(told(99) == "pressure_kill did what this library does not know");
    CHECK(describe(oomx::resource::io) == "io");
    CHECK(describe(oomx::resource{99}) == "unknown");
}
