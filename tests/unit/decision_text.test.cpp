// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/decision_text.hpp>

#include <cerrno>
#include <cstdint>

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>

#include "support/decision_record.hpp"

// The words a person reads, whole: a change of them is meant to be seen here.

using oomx::decision;
using oomx::declaration;
using oomx::describe;
using oomx::test::decision_record;
using oomx::test::declaration_record;

namespace {

/// The record of a decision that killed nobody and names no cgroup but its victim.
oomx_decision without_a_kill(oomx_result result) {
    auto record = decision_record();
    record.result = result;
    record.killed = 0;
    record.top_count = 0;
    return record;
}

} // namespace

TEST_CASE("A kill is told with its victim, its scope, its cost and who was looked at") {
    CHECK(
        fmt::format("{}", decision{decision_record()}) ==
        "largest_leaf killed cgroup 42 (30.0 MiB); cgroup 40 is out of memory with 80.0 MiB used\n"
        "  3 of 4 leaves eligible, decided in 100 us, 2 processes killed in 23 us\n"
        "    40.0 MiB  cgroup 41, 1 process: spared, holds a process with oom_score_adj -1000\n"
        "    30.0 MiB  cgroup 42, 2 processes: chosen");
}

TEST_CASE("A system-wide OOM names the system instead of a cgroup") {
    auto record = decision_record();
    record.scope = 0;
    record.attached_to = 0;
    record.killed = 1;
    record.top_count = 0;
    CHECK(fmt::format("{}", decision{record}) ==
          "largest_leaf killed cgroup 42 (30.0 MiB); the system is out of memory\n"
          "  3 of 4 leaves eligible, decided in 100 us, 1 process killed in 23 us");
}

TEST_CASE("A decision without a victim tells no kill and who was spared") {
    auto record = without_a_kill(OOMX_RESULT_NO_VICTIM);
    record.victim = 0;
    record.eligible = 0;
    record.top_count = 1;
    CHECK(
        fmt::format("{}", decision{record}) ==
        "largest_leaf declined, nobody is eligible; cgroup 40 is out of memory with 80.0 MiB used\n"
        "  0 of 4 leaves eligible, decided in 100 us\n"
        "    40.0 MiB  cgroup 41, 1 process: spared, holds a process with oom_score_adj -1000");
}

TEST_CASE("A kill the kernel refused is told with the count and the cause") {
    auto record = without_a_kill(OOMX_RESULT_KILL_FAILED);
    record.refused = 2;
    record.error = -EPERM;
    CHECK(
        fmt::format("{}", decision{record}) ==
        "largest_leaf declined, the kernel refused to kill cgroup 42 (30.0 MiB); cgroup 40 is out "
        "of memory with 80.0 MiB used\n"
        "  3 of 4 leaves eligible, decided in 100 us, 2 processes refused: it is "
        "process 1, a kernel thread, or outside the OOM's scope (EPERM); choose inside the scope "
        "the policy was called for");
}

TEST_CASE("Waiting for an earlier victim is told as no second kill") {
    CHECK(describe(decision{without_a_kill(OOMX_RESULT_WAITING)}) ==
          "largest_leaf waits for cgroup 42 (30.0 MiB) to die");
}

TEST_CASE("A policy that chose not to act declined") {
    CHECK(describe(decision{without_a_kill(OOMX_RESULT_DECLINED)}) == "largest_leaf declined");
}

TEST_CASE("A decision in shadow mode names whom it would have killed") {
    CHECK(describe(decision{without_a_kill(OOMX_RESULT_SHADOW)}) ==
          "largest_leaf declined in shadow mode, it would have killed cgroup 42 (30.0 MiB)");
}

TEST_CASE("A kill that came too soon names whom it spared") {
    CHECK(describe(decision{without_a_kill(OOMX_RESULT_COOLING)}) ==
          "largest_leaf declined so soon after its last kill, it would have killed cgroup 42 "
          "(30.0 MiB)");
}

TEST_CASE("A kill that was no longer needed names whom it spared") {
    CHECK(describe(decision{without_a_kill(OOMX_RESULT_RELIEVED)}) ==
          "largest_leaf declined as memory came back, it would have killed cgroup 42 (30.0 MiB)");
}

TEST_CASE("Every verdict has words that say why") {
    using oomx::verdict;
    CHECK(describe(verdict::candidate) == "eligible");
    CHECK(describe(verdict::chosen) == "chosen");
    CHECK(describe(verdict::spared_oom_score_adj) ==
          "spared, holds a process with oom_score_adj -1000");
    CHECK(describe(verdict::spared_init) == "spared, holds process 1");
    CHECK(describe(verdict::spared_many_processes) ==
          "spared, holds more processes than max_processes");
    CHECK(describe(verdict::spared_by_policy) == "spared by the policy");
    CHECK(describe(verdict::unreadable) == "spared, its processes could not be listed");
    CHECK(describe(verdict::empty) == "holds no process");
    CHECK(describe(verdict::dying) == "holds an earlier victim that is still dying");
}

TEST_CASE("A verdict or outcome of a later library is told as unknown") {
    CHECK(describe(oomx::verdict{99}) == "of a verdict this library does not know");
    auto record = decision_record();
    record.result = 99;
    CHECK(describe(decision{record}) == "largest_leaf did what this library does not know");
}

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
          "been made anew (ENOSPC); put the policy in the place of itself: attachment::replace()");
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
