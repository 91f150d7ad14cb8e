// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <initializer_list>
#include <string_view>

#include <oomx/config.h>
#include <oomx/decision.h>

namespace oomx::test {

inline constexpr std::uint64_t mib = 1 << 20;

inline void name(char (&field)[OOMX_NAME_LEN], std::string_view text) {
    std::ranges::copy(text, field);
}

/// largest_leaf at a cgroup out of memory: the largest leaf was spared, the second was killed, two
/// more were eligible. The scene most tests vary.
inline oomx_decision decision_record() {
    oomx_decision record{};
    record.event = {OOMX_RECORD_VERSION, OOMX_EVENT_DECISION, sizeof record};
    record.time_ns = 5'000'000'000;
    record.decided_ns = 100'000;
    record.took_ns = 123'456;
    record.generation = 1;
    record.attached_to = 39;
    record.scope = 40;
    record.scope_usage = 100 * mib;
    record.scope_max = 100 * mib;
    record.victim = 42;
    record.victim_score = 30 * mib;
    record.victim_usage = 31 * mib;
    record.min_interval_ns = 2'000'000'000;
    record.max_processes = 1024;
    record.max_candidates = 10'000;
    record.max_tasks = 100'000;
    record.tasks = 5;
    record.considered = 4;
    record.eligible = 3;
    record.killed = 2;
    record.result = OOMX_RESULT_KILLED;
    record.verdicts[OOMX_VERDICT_CANDIDATE] = 2;
    record.verdicts[OOMX_VERDICT_CHOSEN] = 1;
    record.verdicts[OOMX_VERDICT_SPARED_ADJ] = 1;
    record.top_count = 3;
    record.top[0] = {42, 30 * mib, 31 * mib, 2, OOMX_VERDICT_CHOSEN, 0, 0, 0, 0};
    record.top[1] = {43, 20 * mib, 20 * mib, 1, OOMX_VERDICT_CANDIDATE, 0, 0, 0, 0};
    record.top[2] = {44, 10 * mib, 10 * mib, 1, OOMX_VERDICT_CANDIDATE, 0, 0, 0, 0};
    record.spared_count = 1;
    record.spared[0] = {41, 0, 40 * mib, 1, OOMX_VERDICT_SPARED_ADJ, 0, 0, 0, 0};
    name(record.policy, "largest_leaf");
    return record;
}

/// The same, where one process was chosen of the cgroup.
inline oomx_decision process_record() {
    auto record = decision_record();
    record.granularity = OOMX_PROCESS;
    record.victim_pid = 4711;
    record.killed = 1;
    std::ranges::copy(std::string_view{"java"}, record.victim_comm);
    return record;
}

/// The same, where nobody was killed: of eight cgroups, each that is named stands for two.
inline oomx_decision nobody_record() {
    oomx_decision record = decision_record();
    record.result = OOMX_RESULT_NO_VICTIM;
    record.victim = 0;
    record.victim_score = 0;
    record.victim_usage = 0;
    record.considered = 8;
    record.eligible = 0;
    record.killed = 0;
    std::ranges::fill(record.verdicts, 0);
    std::ranges::fill(record.top, oomx_entry{});
    record.top_count = 0;
    record.spared_count = 4;
    constexpr auto reasons =
        std::to_array<__u32>({OOMX_VERDICT_SPARED_ADJ, OOMX_VERDICT_SPARED_NEVER,
                              OOMX_VERDICT_SPARED_MANY, OOMX_VERDICT_SPARED_POLICY});
    for (unsigned i = 0; i < reasons.size(); ++i) {
        record.spared[i] = {41 + i, 0, (40 - 10 * i) * mib, 1, reasons[i], 0, 0, 0, 0};
        record.verdicts[reasons[i]] = 2;
    }
    record.spared[1].tier = 3;
    record.spared[1].preference = -100;
    return record;
}

/// pressure_kill found a cgroup under pressure and declared it out of memory.
inline oomx_declaration declaration_record() {
    oomx_declaration record{};
    record.event = {OOMX_RECORD_VERSION, OOMX_EVENT_DECLARATION, sizeof record};
    record.time_ns = 5'000'000'000;
    record.took_ns = 123'456;
    record.cgroup_id = 40;
    record.usage = 45 * mib;
    record.pressure = {OOMX_MEMORY, OOMX_FULL, 200'000, 1'000'000};
    record.result = OOMX_DECLARATION_PROGRESS;
    name(record.policy, "pressure_kill");
    return record;
}

/// A cgroup with an attachment was removed.
inline oomx_cgroup_gone gone_record() {
    oomx_cgroup_gone record{};
    record.event = {OOMX_RECORD_VERSION, OOMX_EVENT_CGROUP_GONE, sizeof record};
    record.time_ns = 5'000'000'000;
    record.cgroup_id = 77;
    name(record.policy, "largest_leaf");
    return record;
}

} // namespace oomx::test
