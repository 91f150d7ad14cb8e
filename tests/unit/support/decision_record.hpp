// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <algorithm>
#include <cstdint>
#include <initializer_list>
#include <string_view>

#include <oomx/decision.h>

namespace oomx::test {

inline constexpr std::uint64_t mib = 1 << 20;

inline void name(char (&field)[OOMX_NAME_LEN], std::string_view text) {
    std::ranges::copy(text, field);
}

/// largest_leaf at a cgroup out of memory: of the two largest leaves the first was spared, the
/// second was killed. The scene most tests vary.
inline oomx_decision decision_record() {
    oomx_decision record{};
    record.event = {OOMX_RECORD_VERSION, OOMX_EVENT_DECISION, sizeof record};
    record.time_ns = 5'000'000'000;
    record.decided_ns = 100'000;
    record.took_ns = 123'456;
    record.generation = 1;
    record.attached_to = 39;
    record.scope = 40;
    record.scope_usage = 80 * mib;
    record.victim = 42;
    record.victim_size = 30 * mib;
    record.considered = 4;
    record.eligible = 3;
    record.killed = 2;
    record.result = OOMX_RESULT_KILLED;
    record.top_count = 2;
    record.top[0] = {41, 40 * mib, 1, OOMX_VERDICT_SPARED_ADJ};
    record.top[1] = {42, 30 * mib, 2, OOMX_VERDICT_CHOSEN};
    name(record.policy, "largest_leaf");
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
    record.cgroup_id = 77;
    name(record.policy, "largest_leaf");
    return record;
}

} // namespace oomx::test
