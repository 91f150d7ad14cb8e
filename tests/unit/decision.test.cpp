// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/decision.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <limits>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>

#include "support/decision_record.hpp"

using namespace std::chrono_literals;
using oomx::bytes;
using oomx::cgroup_id;
using oomx::decision;
using oomx::flaw_of;
using oomx::limit;
using oomx::verdict;
using oomx::test::decision_record;
using oomx::test::nobody_record;
using oomx::test::process_record;

namespace {

/// What is wrong with the usual record once `change` was at it.
template <typename Change>
std::string flaw_after(Change change) {
    auto record = decision_record();
    change(record);
    return flaw_of(record);
}

} // namespace

TEST_CASE("A decision tells what happened, where and to whom") {
    const decision what{decision_record()};
    CHECK(what.policy() == "largest_leaf");
    CHECK(what.outcome() == oomx::outcome::killed);
    CHECK(what.killed() == 2);
    CHECK(what.scope() == cgroup_id{40});
    CHECK(what.scope_usage() == bytes{100 << 20});
    CHECK(what.scope_max() == limit{bytes{100 << 20}});
    CHECK(what.attached_to() == cgroup_id{39});
    CHECK(what.victim() == cgroup_id{42});
    CHECK(what.victim_score() == 30 << 20);
    CHECK(what.victim_usage() == bytes{31 << 20});
}

TEST_CASE("A decision tells by which rules it was made, and how fast") {
    const decision what{decision_record()};
    CHECK(what.rails() == oomx::rails{.min_interval = 2s,
                                      .max_processes = 1024,
                                      .max_candidates = 10'000,
                                      .max_tasks = 100'000,
                                      .mode = oomx::mode::enforce});
    CHECK(what.granularity() == oomx::granularity::cgroup);
    CHECK(what.generation() == 1);
    CHECK(what.when() == 5s);
    CHECK(what.decided_in() == 100us);
    CHECK(what.took() == 123'456ns);
}

TEST_CASE("A decision tells how much a kill had to free") {
    auto record = decision_record();
    record.min_relief = 7;
    CHECK(decision{record}.rails().min_relief == 7);
}

TEST_CASE("A decision names the cgroups that were eligible in the order of the record") {
    const decision what{decision_record()};
    CHECK(what.tasks() == 5);
    CHECK(what.considered() == 4);
    CHECK(what.eligible() == 3);
    REQUIRE(what.top_count() == 3);
    CHECK(what.top(0) == decision::entry{.id = cgroup_id{42},
                                         .score = 30 << 20,
                                         .usage = bytes{31 << 20},
                                         .processes = 2,
                                         .verdict = verdict::chosen});
    CHECK(what.top(1).id == cgroup_id{43});
    CHECK(what.top(1).verdict == verdict::candidate);
    CHECK(what.top(2).id == cgroup_id{44});
}

TEST_CASE("A decision names those that were spared, with their preference") {
    const decision what{nobody_record()};
    REQUIRE(what.spared_count() == 4);
    CHECK(what.spared(0).verdict == verdict::spared_oom_score_adj);
    CHECK(what.spared(1) == decision::entry{.id = cgroup_id{42},
                                            .usage = bytes{30 << 20},
                                            .processes = 1,
                                            .verdict = verdict::spared_never_kill,
                                            .tier = 3,
                                            .preference = -100});
}

TEST_CASE("A decision tells why a cgroup may lose one process only") {
    auto record = decision_record();
    CHECK(!decision{record}.top(0).only_process);
    record.top[0].only_process = OOMX_VERDICT_SPARED_SHARED;
    CHECK(decision{record}.top(0).only_process == verdict::spared_shared_memory);
}

TEST_CASE("A decision counts every verdict, also of cgroups that it does not name") {
    const decision what{nobody_record()};
    CHECK(what.count(verdict::spared_never_kill) == 2);
    CHECK(what.count(verdict::candidate) == 0);
    CHECK(what.count(verdict{OOMX_VERDICTS}) == 0);
}

TEST_CASE("A decision names the process that was chosen, and none where a cgroup was") {
    const decision process{process_record()};
    CHECK(process.granularity() == oomx::granularity::process);
    CHECK(process.victim_pid() == 4711);
    CHECK(process.victim_comm() == "java");
    const decision cgroup{decision_record()};
    CHECK(!cgroup.victim_pid());
    CHECK(cgroup.victim_comm().empty());
}

TEST_CASE("What was said of the victim is found wherever it is named") {
    auto record = decision_record();
    CHECK(decision{record}.victim_verdict() == verdict::chosen);
    record.victim = 41;
    CHECK(decision{record}.victim_verdict() == verdict::spared_oom_score_adj);
    record.victim = 50;
    CHECK(!decision{record}.victim_verdict());
}

TEST_CASE("A process's name that fills its field is read without running over it") {
    auto record = process_record();
    std::ranges::fill(record.victim_comm, 'x');
    CHECK(decision{record}.victim_comm().size() == OOMX_COMM_LEN);
}

TEST_CASE("The whole system has no limit that could be met") {
    auto record = decision_record();
    record.scope = 0;
    record.scope_max = 0;
    CHECK(decision{record}.scope_max().is_max());
}

TEST_CASE("A refusal is given as a positive errno") {
    auto record = decision_record();
    record.refused = 1;
    record.error = -EINVAL;
    const decision what{record};
    CHECK(what.refused() == 1);
    CHECK(what.refusal() == EINVAL);
}

TEST_CASE("A policy's name that fills its field is read without running over it") {
    auto record = decision_record();
    std::ranges::fill(record.policy, 'x');
    CHECK(decision{record}.policy().size() == sizeof record.policy);
}

TEST_CASE("A decision as policies write it has no flaw") {
    CHECK(flaw_of(decision_record()).empty());
    CHECK(flaw_of(process_record()).empty());
    CHECK(flaw_of(nobody_record()).empty());
}

TEST_CASE("A decision that names as many cgroups as it has room for has no flaw") {
    CHECK(flaw_after([](auto& record) {
              record.top_count = OOMX_TOP;
              record.spared_count = OOMX_SPARED;
          }).empty());
}

TEST_CASE("A decision that claims to name more cgroups than it has room for has a flaw") {
    CHECK(flaw_after([](auto& record) { record.top_count = OOMX_TOP + 1; }) ==
          "it claims to name 9 candidates and 1 spared cgroups");
    CHECK(flaw_after([](auto& record) { record.spared_count = OOMX_SPARED + 1; }) ==
          "it claims to name 3 candidates and 5 spared cgroups");
}

TEST_CASE("A decision with more eligible cgroups than there were has a flaw") {
    CHECK(flaw_after([](auto& record) { record.eligible = 5; }) ==
          "5 of 4 cgroups cannot be eligible");
}

TEST_CASE("A decision of an unknown granularity or mode has a flaw") {
    CHECK(flaw_after([](auto& record) { record.granularity = 2; }) ==
          "its granularity 2 or its mode 0 is none");
    CHECK(flaw_after([](auto& record) { record.mode = 2; }) ==
          "its granularity 0 or its mode 2 is none");
}

TEST_CASE("A decision whose victim cannot be has a flaw") {
    CHECK(flaw_after([](auto& record) { record.victim_pid = -1; }) ==
          "process -1 of cgroup 42 cannot be its victim");
    CHECK(flaw_after([](auto& record) {
              record.victim_pid = 7;
              record.victim = 0;
          }) == "process 7 of cgroup 0 cannot be its victim");
}

TEST_CASE("A decision whose error is no errno has a flaw") {
    for (const int error : {1, -4096, std::numeric_limits<int>::min()}) {
        CHECK(flaw_after([&](auto& record) { record.error = error; }) ==
              fmt::format("its error {} is none", error));
    }
}

TEST_CASE("A decision that took longer to choose than altogether has a flaw") {
    CHECK(flaw_after([](auto& record) { record.decided_ns = record.took_ns + 1; }) ==
          "its times cannot be: at 5000000000 ns, decided in 123457 ns of 123456 ns, "
          "2000000000 ns between kills");
}

TEST_CASE("A decision with times that no clock shows has a flaw") {
    CHECK_FALSE(flaw_after([](auto& record) { record.took_ns = ~0ULL; }).empty());
    CHECK_FALSE(flaw_after([](auto& record) { record.time_ns = ~0ULL; }).empty());
    CHECK_FALSE(flaw_after([](auto& record) { record.min_interval_ns = ~0ULL; }).empty());
    CHECK_FALSE(flaw_after([](auto& record) { record.min_relief = 1001; }).empty());
}
