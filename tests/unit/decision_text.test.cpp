// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/decision_text.hpp>

#include <algorithm>
#include <cerrno>
#include <string_view>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <fmt/format.h>

#include <oomx/cgroup_gone.hpp>
#include <oomx/declaration_text.hpp>

#include "../support/document.hpp"
#include "support/decision_record.hpp"

// The words a person reads, whole: a change of them is meant to be seen here.

using oomx::decision;
using oomx::describe;
using oomx::test::decision_record;
using oomx::test::nobody_record;
using oomx::test::process_record;

namespace {

/// The record of a decision that chose, and killed nobody.
oomx_decision without_a_kill(oomx_result result) {
    auto record = decision_record();
    record.result = result;
    record.killed = 0;
    return record;
}

std::string first_line(const oomx_decision& record) {
    const auto text = fmt::format("{}", decision{record});
    return text.substr(0, text.find('\n'));
}

} // namespace

TEST_CASE("A kill is told with its victim, why, where, who else there was and by which rules") {
    CHECK(fmt::format("{}", decision{decision_record()}) ==
          "largest_leaf killed cgroup 42 (31.0 MiB), the highest score of 3 eligible; cgroup 40 is "
          "out of memory with 100.0 MiB of 100.0 MiB used\n"
          "    31.0 MiB  cgroup 42, 2 processes, score 31457280: chosen\n"
          "    20.0 MiB  cgroup 43, 1 process, score 20971520: eligible\n"
          "    10.0 MiB  cgroup 44, 1 process, score 10485760: eligible\n"
          "    40.0 MiB  cgroup 41, 1 process: spared for a process with oom_score_adj -1000\n"
          "  of 4 cgroups 3 eligible, 1 spared for a process with oom_score_adj -1000\n"
          "  decided in 100 us, 2 processes killed in 23 us\n"
          "  config 1: up to 1024 processes a kill, 10000 candidates and 100000 tasks, 2000 ms "
          "between kills");
}

TEST_CASE("The texts in docs/record.md are what comes out") {
    const auto examples = oomx::test::document{"record.md"}.examples("text");
    REQUIRE(examples.size() == 2);
    CHECK(examples[0] == fmt::format("{}", decision{process_record()}));
    CHECK(examples[1] == fmt::format("{}\n{}", oomx::declaration{oomx::test::declaration_record()},
                                     oomx::cgroup_gone{oomx::test::gone_record()}));
}

TEST_CASE("A decision without a victim tells who was spared, and how many for what") {
    CHECK(fmt::format("{}", decision{nobody_record()}) ==
          "largest_leaf declined, of 8 cgroups nobody is eligible; cgroup 40 is out of memory with "
          "100.0 MiB of 100.0 MiB used\n"
          "    40.0 MiB  cgroup 41, 1 process: spared for a process with oom_score_adj -1000\n"
          "    30.0 MiB  cgroup 42, 1 process, tier 3, preference -100: spared by never_kill\n"
          "    20.0 MiB  cgroup 43, 1 process: spared for more processes than max_processes\n"
          "    10.0 MiB  cgroup 44, 1 process: spared by the policy\n"
          "  of 8 cgroups 0 eligible, 2 spared for a process with oom_score_adj -1000, 2 spared "
          "for more processes than max_processes, 2 spared by the policy, 2 spared by never_kill\n"
          "  decided in 100 us\n"
          "  config 1: up to 1024 processes a kill, 10000 candidates and 100000 tasks, 2000 ms "
          "between kills");
}

TEST_CASE("The kill of one process names it") {
    CHECK(first_line(process_record()) ==
          "largest_leaf killed process 4711 \"java\" of cgroup 42 (31.0 MiB), the highest score of "
          "3 eligible; cgroup 40 is out of memory with 100.0 MiB of 100.0 MiB used");
}

TEST_CASE("What a process calls itself cannot write to the terminal") {
    auto record = process_record();
    std::ranges::copy(std::string_view{"\x1b[2J\n\xff"}, record.victim_comm);
    CHECK(describe(decision{record}) ==
          "largest_leaf killed process 4711 \"\\x1b[2J\\n\\xff\" of cgroup 42 (31.0 MiB), the "
          "highest score of 3 eligible");
}

TEST_CASE("A system-wide OOM names the system instead of a cgroup") {
    auto record = decision_record();
    record.scope = 0;
    record.scope_usage = 0;
    record.scope_max = 0;
    CHECK(first_line(record) == "largest_leaf killed cgroup 42 (31.0 MiB), the highest score of 3 "
                                "eligible; the system is out of memory");
}

TEST_CASE("A cgroup that was declared out of memory may have no limit") {
    auto record = decision_record();
    record.scope_max = ~0ULL;
    CHECK(first_line(record) ==
          "largest_leaf killed cgroup 42 (31.0 MiB), the highest score of 3 eligible; cgroup 40 is "
          "out of memory with 100.0 MiB used, no limit");
}

TEST_CASE("A victim is not said to have the highest score where it has not") {
    auto record = decision_record();
    record.victim = 43;
    CHECK(describe(decision{record}) ==
          "largest_leaf killed cgroup 43 (31.0 MiB), chosen of 3 eligible");
    record.eligible = 1;
    CHECK(describe(decision{record}) ==
          "largest_leaf killed cgroup 43 (31.0 MiB), the only one eligible");
}

TEST_CASE("A kill for which nobody was left is told") {
    CHECK(describe(decision{without_a_kill(OOMX_RESULT_KILL_FAILED)}) ==
          "largest_leaf declined, nobody was left to kill of cgroup 42 (31.0 MiB), the highest "
          "score of 3 eligible");
}

TEST_CASE("A kill the kernel refused is told with the count and the cause") {
    auto record = without_a_kill(OOMX_RESULT_KILL_FAILED);
    record.refused = 2;
    record.error = -EPERM;
    record.top_count = 0;
    record.spared_count = 0;
    CHECK(fmt::format("{}", decision{record}) ==
          "largest_leaf declined, the kernel refused to kill cgroup 42 (31.0 MiB), chosen of 3 "
          "eligible; cgroup 40 is out of memory with 100.0 MiB of 100.0 MiB used\n"
          "  2 processes refused: it is process 1, a kernel thread, or outside the OOM's scope "
          "(EPERM); choose inside the scope the policy was called for\n"
          "  of 4 cgroups 3 eligible, 1 spared for a process with oom_score_adj -1000\n"
          "  decided in 100 us\n"
          "  config 1: up to 1024 processes a kill, 10000 candidates and 100000 tasks, 2000 ms "
          "between kills");
}

TEST_CASE("Waiting for an earlier victim is told as no second kill, in one line") {
    CHECK(fmt::format("{}", decision{without_a_kill(OOMX_RESULT_WAITING)}) ==
          "largest_leaf waits for cgroup 42 (31.0 MiB) to die; cgroup 40 is out of memory with "
          "100.0 MiB of 100.0 MiB used");
}

TEST_CASE("A policy that chose not to act declined") {
    CHECK(describe(decision{without_a_kill(OOMX_RESULT_DECLINED)}) == "largest_leaf declined");
}

TEST_CASE("A decision in shadow mode names whom it would have killed") {
    auto record = without_a_kill(OOMX_RESULT_SHADOW);
    record.mode = OOMX_SHADOW;
    const auto text = fmt::format("{}", decision{record});
    CHECK(text.starts_with("largest_leaf declined in shadow mode, it would have killed cgroup 42 "
                           "(31.0 MiB), the highest score of 3 eligible; "));
    CHECK(text.ends_with("\n  config 1: shadow mode, up to 1024 processes a kill, 10000 "
                         "candidates and 100000 tasks, 2000 ms between kills"));
}

TEST_CASE("A kill that came too soon names whom it spared") {
    CHECK(describe(decision{without_a_kill(OOMX_RESULT_COOLING)}) ==
          "largest_leaf declined so soon after its last kill, it would have killed cgroup 42 "
          "(31.0 MiB), the highest score of 3 eligible");
}

TEST_CASE("A kill that was no longer needed names whom it spared") {
    CHECK(describe(decision{without_a_kill(OOMX_RESULT_RELIEVED)}) ==
          "largest_leaf killed nobody, as memory came back; it would have killed cgroup 42 (31.0 "
          "MiB), the highest score of 3 eligible");
}

TEST_CASE("The end of an earlier victim during a decision names nobody") {
    auto record = without_a_kill(OOMX_RESULT_RELIEVED);
    record.victim = 0;
    CHECK(describe(decision{record}) == "largest_leaf killed nobody, as memory came back");
}

TEST_CASE("A kill that would have freed too little names whom it spared, and the rule") {
    auto record = without_a_kill(OOMX_RESULT_TOO_LITTLE);
    record.min_relief = 20;
    CHECK(describe(decision{record}) ==
          "largest_leaf declined, as a kill would free less than min_relief; it would have killed "
          "cgroup 42 (31.0 MiB), the highest score of 3 eligible");
    CHECK_THAT(fmt::format("{}", decision{record}),
               Catch::Matchers::EndsWith("2000 ms between kills, none for less than 20 "
                                         "thousandths"));
}

TEST_CASE("An OOM of some nodes only is told as the reason not to act") {
    auto record = without_a_kill(OOMX_RESULT_CONSTRAINED);
    record.victim = 0;
    CHECK(describe(decision{record}) ==
          "largest_leaf declined, as only some nodes of the machine are out of memory");
}

TEST_CASE("A cgroup that may lose one process only is told with the reason") {
    auto record = process_record();
    record.top[0].only_process = OOMX_VERDICT_SPARED_NEVER;
    CHECK_THAT(fmt::format("{}", decision{record}),
               Catch::Matchers::ContainsSubstring(
                   "\n    31.0 MiB  cgroup 42, 2 processes, score 31457280: chosen, one process "
                   "only: spared by never_kill\n    20.0 MiB  cgroup 43, 1 process, score "
                   "20971520: eligible\n"));
}

TEST_CASE("A victim that the rails spared is told with what they said of it") {
    auto record = without_a_kill(OOMX_RESULT_SPARED);
    record.top[0].verdict = OOMX_VERDICT_SPARED_NEVER;
    CHECK(describe(decision{record}) ==
          "largest_leaf declined, the rails spare cgroup 42 (31.0 MiB) that it chose: spared by "
          "never_kill");
    record.victim = 50;
    CHECK(describe(decision{record}) ==
          "largest_leaf declined, the rails spare cgroup 50 (31.0 MiB) that it chose");
}

TEST_CASE("Every verdict has words of its own that say why") {
    using oomx::verdict;
    CHECK(describe(verdict::candidate) == "eligible");
    CHECK(describe(verdict::chosen) == "chosen");
    CHECK(describe(verdict::spared_oom_score_adj) ==
          "spared for a process with oom_score_adj -1000");
    CHECK(describe(verdict::spared_init) == "spared for process 1");
    CHECK(describe(verdict::spared_many_processes) ==
          "spared for more processes than max_processes");
    CHECK(describe(verdict::spared_by_policy) == "spared by the policy");
    CHECK(describe(verdict::spared_never_kill) == "spared by never_kill");
    CHECK(describe(verdict::unreadable) == "spared for processes that could not be listed");
    CHECK(describe(verdict::empty) == "without a process");
    CHECK(describe(verdict::dying) == "with an earlier victim that is still dying");
    CHECK(describe(verdict::out_of_scope) == "outside the OOM's scope");
    CHECK(describe(verdict::over_bound) == "behind max_candidates or max_tasks, not looked at");
    CHECK(describe(verdict::spared_shared_memory) ==
          "spared for memory that a process elsewhere shares");
}

TEST_CASE("A verdict or outcome of a later library is told as unknown") {
    CHECK(describe(oomx::verdict{99}) == "of a verdict this library does not know");
    auto record = decision_record();
    record.result = 99;
    CHECK(describe(decision{record}) == "largest_leaf did what this library does not know");
}
