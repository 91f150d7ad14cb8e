// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <sys/types.h>

#include <fmt/format.h>

#include <oomx/bytes.hpp>
#include <oomx/decision.h>
#include <oomx/ids.hpp>
#include <oomx/limit.hpp>
#include <oomx/rails.hpp>
#include <oomx/ranking.hpp>
#include <oomx/record.hpp>

namespace oomx {

/// How an OOM event ended. A policy newer than this library may give other values.
enum class outcome : std::uint32_t {
    declined = OOMX_RESULT_DECLINED,       ///< the policy chose not to act
    no_victim = OOMX_RESULT_NO_VICTIM,     ///< nobody was eligible
    killed = OOMX_RESULT_KILLED,           ///< at least one process was killed
    waiting = OOMX_RESULT_WAITING,         ///< an earlier victim is still dying: no second kill
    kill_failed = OOMX_RESULT_KILL_FAILED, ///< the kernel refused every kill, or nobody was left:
                                           ///< see refusal()
    shadow = OOMX_RESULT_SHADOW,           ///< would have killed: shadow mode
    cooling = OOMX_RESULT_COOLING,         ///< would have killed: too soon after the last kill
    relieved = OOMX_RESULT_RELIEVED,       ///< would have killed or waited: memory came back
    spared = OOMX_RESULT_SPARED,           ///< would have killed: the rails spare that one
    constrained = OOMX_RESULT_CONSTRAINED, ///< some nodes are out of memory (cpuset, mempolicy):
                                           ///< who holds what on them is not known
    too_little = OOMX_RESULT_TOO_LITTLE,   ///< would have killed: it would free less than
                                           ///< rails.min_relief
};

/// What a policy and its rails thought of one cgroup; describe() has it in words.
enum class verdict : std::uint32_t {
    candidate = OOMX_VERDICT_CANDIDATE,                ///< eligible
    chosen = OOMX_VERDICT_CHOSEN,                      ///< the victim
    spared_oom_score_adj = OOMX_VERDICT_SPARED_ADJ,    ///< holds a process with -1000
    spared_init = OOMX_VERDICT_SPARED_INIT,            ///< holds process 1
    spared_many_processes = OOMX_VERDICT_SPARED_MANY,  ///< holds more than rails.max_processes
    spared_by_policy = OOMX_VERDICT_SPARED_POLICY,     ///< the policy's own rule
    unreadable = OOMX_VERDICT_UNREADABLE,              ///< its processes could not be listed
    empty = OOMX_VERDICT_EMPTY,                        ///< nobody to kill
    dying = OOMX_VERDICT_DYING,                        ///< holds an earlier victim, still dying
    spared_never_kill = OOMX_VERDICT_SPARED_NEVER,     ///< preference::never_kill
    out_of_scope = OOMX_VERDICT_OUT_OF_SCOPE,          ///< not within the OOM's scope
    over_bound = OOMX_VERDICT_OVER_BOUND,              ///< behind max_candidates or max_tasks
    spared_shared_memory = OOMX_VERDICT_SPARED_SHARED, ///< a process elsewhere has the same memory
};

/// What one policy did at one OOM event, and why. A plain value: it holds a copy of the record.
/// Thread-safe but for assignment.
class decision {
public:
    /// One cgroup that was looked at.
    struct entry {
        cgroup_id id{};              ///< which; it may have been removed since
        std::uint64_t score = 0;     ///< the policy's: the highest dies; 0: spared
        bytes usage;                 ///< memory.current
        std::uint32_t processes = 0; ///< how many it held, as far as they were counted
        oomx::verdict verdict{};     ///< why it was chosen or not
        std::uint32_t tier = 0;      ///< preference::tier, where the policy reads it
        std::int32_t preference = 0; ///< preference::value, where the policy reads it

        /// Why it may lose one process only, where it should die whole.
        std::optional<oomx::verdict> only_process{};

        /// Alike in all of these.
        friend bool operator==(const entry&, const entry&) = default;
    };

    /// Takes a record that was checked, as decode() does: see flaw_of().
    explicit decision(const oomx_decision& record) : record_{record} {}

    // --- what happened ---

    /// The name of the policy that decided. Valid while this decision lives.
    [[nodiscard]] std::string_view policy() const { return detail::text_in(record_.policy); }

    /// How it ended; a value this library does not name comes from a newer policy.
    [[nodiscard]] oomx::outcome outcome() const { return oomx::outcome{record_.result}; }

    /// How many processes were killed.
    [[nodiscard]] std::uint32_t killed() const { return record_.killed; }

    /// How many processes the kernel would not kill.
    [[nodiscard]] std::uint32_t refused() const { return record_.refused; }

    /// The errno of the last refusal, 0 if there was none.
    [[nodiscard]] int refusal() const { return -record_.error; }

    // --- where ---

    /// The cgroup that was out of memory; no_cgroup for the whole system.
    [[nodiscard]] cgroup_id scope() const { return cgroup_id{record_.scope}; }

    /// What it used when the policy was called; 0 for the whole system.
    [[nodiscard]] bytes scope_usage() const { return bytes{record_.scope_usage}; }

    /// Its memory.max then; limit::max() for the whole system, too.
    [[nodiscard]] limit scope_max() const {
        return scope() == no_cgroup ? limit::max() : limit{bytes{record_.scope_max}};
    }

    /// Where the deciding instance is attached; no_cgroup for system-wide, unknown_cgroup where the
    /// record does not say.
    [[nodiscard]] cgroup_id attached_to() const { return cgroup_id{record_.attached_to}; }

    // --- who ---

    /// The cgroup that was chosen, killed or not; no_cgroup if there is none.
    [[nodiscard]] cgroup_id victim() const { return cgroup_id{record_.victim}; }

    /// What the policy ranked it by.
    [[nodiscard]] std::uint64_t victim_score() const { return record_.victim_score; }

    /// What it held when it was chosen: memory.current.
    [[nodiscard]] bytes victim_usage() const { return bytes{record_.victim_usage}; }

    /// The process of it that was chosen; nothing where the cgroup was to die whole.
    [[nodiscard]] std::optional<pid_t> victim_pid() const {
        return record_.victim_pid > 0 ? std::optional<pid_t>{record_.victim_pid} : std::nullopt;
    }

    /// What that process called itself: any bytes but zero, empty without one. Valid while this
    /// decision lives.
    [[nodiscard]] std::string_view victim_comm() const {
        return victim_pid() ? detail::text_in(record_.victim_comm) : std::string_view{};
    }

    // --- why, and who else ---

    /// How many cgroups could have been candidates, those behind rails().max_candidates included.
    [[nodiscard]] std::uint32_t considered() const { return record_.considered; }

    /// How many processes and threads were looked at.
    [[nodiscard]] std::uint32_t tasks() const { return record_.tasks; }

    /// How many of these cgroups the rails and the policy would have let die.
    [[nodiscard]] std::uint32_t eligible() const { return record_.eligible; }

    /// Of how many of them that was said; 0 for a verdict this library does not name.
    [[nodiscard]] std::uint32_t count(verdict what) const {
        const auto at = static_cast<std::size_t>(std::to_underlying(what));
        return at < OOMX_VERDICTS ? record_.verdicts[at] : 0;
    }

    /// What was said of the victim, if it is among those that are named below.
    [[nodiscard]] std::optional<oomx::verdict> victim_verdict() const {
        for (const auto& named : {std::span{record_.top}.first(record_.top_count),
                                  std::span{record_.spared}.first(record_.spared_count)}) {
            for (const oomx_entry& one : named) {
                if (one.cgroup_id == record_.victim) {
                    return oomx::verdict{one.verdict};
                }
            }
        }
        return std::nullopt;
    }

    /// The eligible cgroups that are named, up to 8: how many.
    [[nodiscard]] std::size_t top_count() const { return record_.top_count; }

    /// The n-th of them, 0 the one with the highest score; of equal scores the one with the higher
    /// usage, then the lower id. `n` below top_count().
    [[nodiscard]] entry top(std::size_t n) const { return read(record_.top[n]); }

    /// Those that are named and were not eligible, up to 4: how many.
    [[nodiscard]] std::size_t spared_count() const { return record_.spared_count; }

    /// The n-th of them, 0 the one with the highest usage: `n` below spared_count().
    [[nodiscard]] entry spared(std::size_t n) const { return read(record_.spared[n]); }

    // --- by which rules, and how fast ---

    /// The rails it was decided by.
    [[nodiscard]] oomx::rails rails() const {
        return {.min_interval = std::chrono::nanoseconds{record_.min_interval_ns},
                .max_processes = record_.max_processes,
                .max_candidates = record_.max_candidates,
                .max_tasks = record_.max_tasks,
                .min_relief = record_.min_relief,
                .mode = oomx::mode{record_.mode}};
    }

    /// What of the chosen cgroup was to die.
    [[nodiscard]] oomx::granularity granularity() const {
        return oomx::granularity{record_.granularity};
    }

    /// Of the config it was decided by: loaded_policy::generation().
    [[nodiscard]] std::uint64_t generation() const { return record_.generation; }

    /// CLOCK_MONOTONIC when the kernel called the policy, which is std::chrono::steady_clock.
    [[nodiscard]] std::chrono::nanoseconds when() const {
        return std::chrono::nanoseconds{record_.time_ns};
    }

    /// From there to the choice.
    [[nodiscard]] std::chrono::nanoseconds decided_in() const {
        return std::chrono::nanoseconds{record_.decided_ns};
    }

    /// From there to the return: with the kill, and with the report of it that the kernel prints.
    [[nodiscard]] std::chrono::nanoseconds took() const {
        return std::chrono::nanoseconds{record_.took_ns};
    }

    /// As it came through the ring buffer: to be kept, or handed on.
    [[nodiscard]] const oomx_decision& raw() const { return record_; }

private:
    [[nodiscard]] static entry read(const oomx_entry& raw) {
        return {.id = cgroup_id{raw.cgroup_id},
                .score = raw.score,
                .usage = bytes{raw.usage},
                .processes = raw.processes,
                .verdict = oomx::verdict{raw.verdict},
                .tier = raw.tier,
                .preference = raw.preference,
                .only_process = raw.only_process == 0
                                    ? std::nullopt
                                    : std::optional{oomx::verdict{raw.only_process}}};
    }

    oomx_decision record_;
};

/// What no policy writes into a record, in words; empty if there is nothing of the kind.
[[nodiscard]] inline std::string flaw_of(const oomx_decision& raw) {
    if (raw.top_count > OOMX_TOP || raw.spared_count > OOMX_SPARED) {
        return fmt::format("it claims to name {} candidates and {} spared cgroups", raw.top_count,
                           raw.spared_count);
    }
    if (raw.eligible > raw.considered) {
        return fmt::format("{} of {} cgroups cannot be eligible", raw.eligible, raw.considered);
    }
    if (raw.min_relief > 1000) {
        return fmt::format("its min_relief cannot be {} thousandths", raw.min_relief);
    }
    if (raw.granularity > OOMX_PROCESS || raw.mode > OOMX_SHADOW) {
        return fmt::format("its granularity {} or its mode {} is none", raw.granularity, raw.mode);
    }
    if (raw.victim_pid < 0 || (raw.victim_pid > 0 && raw.victim == 0)) {
        return fmt::format("process {} of cgroup {} cannot be its victim", raw.victim_pid,
                           raw.victim);
    }
    if (!detail::is_error_or_none(raw.error)) {
        return fmt::format("its error {} is none", raw.error);
    }
    if (!detail::is_time(raw.time_ns) || !detail::is_time(raw.took_ns) ||
        !detail::is_time(raw.min_interval_ns) || raw.decided_ns > raw.took_ns) {
        return fmt::format(
            "its times cannot be: at {} ns, decided in {} ns of {} ns, {} ns between kills",
            raw.time_ns, raw.decided_ns, raw.took_ns, raw.min_interval_ns);
    }
    return {};
}

} // namespace oomx
