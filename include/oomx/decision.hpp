// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <array>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <oomx/bytes.hpp>
#include <oomx/decision.h>
#include <oomx/ids.hpp>
#include <oomx/pressure.hpp>
#include <oomx/result.hpp>

namespace oomx {

/// How an OOM event ended. A policy newer than this library may give other values.
enum class outcome : std::uint32_t {
    declined = OOMX_RESULT_DECLINED,       ///< the policy chose not to act
    no_victim = OOMX_RESULT_NO_VICTIM,     ///< nobody was eligible
    killed = OOMX_RESULT_KILLED,           ///< the victim was killed
    waiting = OOMX_RESULT_WAITING,         ///< an earlier victim is still dying: no second kill
    kill_failed = OOMX_RESULT_KILL_FAILED, ///< the kernel refused every kill: see refusal()
    shadow = OOMX_RESULT_SHADOW,           ///< would have killed: shadow mode
    cooling = OOMX_RESULT_COOLING,         ///< would have killed: too soon after the last kill
    relieved = OOMX_RESULT_RELIEVED,       ///< would have killed: memory came back meanwhile
};

/// What a policy and its rails thought of one cgroup; describe() has it in words.
enum class verdict : std::uint32_t {
    candidate = OOMX_VERDICT_CANDIDATE,
    chosen = OOMX_VERDICT_CHOSEN,
    spared_oom_score_adj = OOMX_VERDICT_SPARED_ADJ,
    spared_init = OOMX_VERDICT_SPARED_INIT,
    spared_many_processes = OOMX_VERDICT_SPARED_MANY,
    spared_by_policy = OOMX_VERDICT_SPARED_POLICY,
    unreadable = OOMX_VERDICT_UNREADABLE,
    empty = OOMX_VERDICT_EMPTY,
    dying = OOMX_VERDICT_DYING,
};

/// One cgroup a decision names.
struct ranked_cgroup {
    cgroup_id id{};              ///< which; it may have been removed since
    bytes size;                  ///< what it was ranked by
    std::uint32_t processes = 0; ///< how many it held, as far as they were counted
    oomx::verdict verdict{};     ///< why it was chosen or not
};

/// What one policy did at one OOM event, and why. A plain value: it holds a copy of the record.
/// Thread-safe but for assignment.
class decision {
public:
    /// Takes a record whose version and counts were checked, as decode() does.
    explicit decision(const oomx_decision& record) : record_{record} {}

    /// The name of the policy that decided. Valid while this decision lives.
    [[nodiscard]] std::string_view policy() const {
        return {record_.policy, ::strnlen(record_.policy, sizeof record_.policy)};
    }

    /// How it ended; a value this library does not name comes from a newer policy.
    [[nodiscard]] oomx::outcome outcome() const { return oomx::outcome{record_.result}; }

    /// The cgroup that was out of memory; no_cgroup for the whole system.
    [[nodiscard]] cgroup_id scope() const { return cgroup_id{record_.scope}; }

    /// What it used when the policy was called; 0 for the whole system.
    [[nodiscard]] bytes scope_usage() const { return bytes{record_.scope_usage}; }

    /// Where the deciding instance is attached; no_cgroup for system-wide, unknown_cgroup on
    /// kernels with v3 of the series.
    [[nodiscard]] cgroup_id attached_to() const { return cgroup_id{record_.attached_to}; }

    /// Who was chosen, killed or not; no_cgroup if there is none.
    [[nodiscard]] cgroup_id victim() const { return cgroup_id{record_.victim}; }

    /// What the victim was ranked by.
    [[nodiscard]] bytes victim_size() const { return bytes{record_.victim_size}; }

    /// How many leaf cgroups were looked at.
    [[nodiscard]] std::uint32_t considered() const { return record_.considered; }

    /// How many of them the rails would have let die.
    [[nodiscard]] std::uint32_t eligible() const { return record_.eligible; }

    /// How many processes were killed.
    [[nodiscard]] std::uint32_t killed() const { return record_.killed; }

    /// How many processes the kernel would not kill.
    [[nodiscard]] std::uint32_t refused() const { return record_.refused; }

    /// The errno of the last refusal, 0 if there was none.
    [[nodiscard]] int refusal() const { return -record_.error; }

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

    /// Of the config it was decided by: loaded_policy::generation().
    [[nodiscard]] std::uint64_t generation() const { return record_.generation; }

    /// The largest cgroups that were looked at, largest first: how many.
    [[nodiscard]] std::size_t top_count() const { return record_.top_count; }

    /// The n-th largest of them, 0 the largest: `n` below top_count().
    [[nodiscard]] ranked_cgroup top(std::size_t n) const {
        const oomx_entry& entry = record_.top[n];
        return {cgroup_id{entry.cgroup_id}, bytes{entry.size}, entry.processes,
                oomx::verdict{entry.verdict}};
    }

private:
    oomx_decision record_;
};

/// How a pressure event ended.
enum class answer : std::uint32_t {
    declined = OOMX_DECLARATION_DECLINED,       ///< the policy chose not to act
    progress = OOMX_DECLARATION_PROGRESS,       ///< OOM declared: a kill, or a victim still dying
    no_progress = OOMX_DECLARATION_NO_PROGRESS, ///< OOM declared: nobody could be killed
    failed = OOMX_DECLARATION_FAILED,           ///< the kernel declared no OOM: see refusal()
    shadow = OOMX_DECLARATION_SHADOW,           ///< would have declared an OOM: shadow mode
    cooling = OOMX_DECLARATION_COOLING,         ///< would have declared: too soon after the last
};

/// What a pressure policy did at one pressure event. Of an OOM that it declared, the OOM policy's
/// own decision tells more. A plain value: it holds a copy of the record. Thread-safe but for
/// assignment.
class declaration {
public:
    /// Takes a record whose version and errors were checked, as decode() does.
    explicit declaration(const oomx_declaration& record) : record_{record} {}

    /// The name of the policy that answered. Valid while this declaration lives.
    [[nodiscard]] std::string_view policy() const {
        return {record_.policy, ::strnlen(record_.policy, sizeof record_.policy)};
    }

    /// How it ended; a value this library does not name comes from a newer policy.
    [[nodiscard]] oomx::answer answer() const { return oomx::answer{record_.result}; }

    /// Which is under pressure; no_cgroup for the whole system.
    [[nodiscard]] cgroup_id where() const { return cgroup_id{record_.cgroup_id}; }

    /// What it held before an OOM was declared there; 0 for the whole system.
    [[nodiscard]] bytes usage() const { return bytes{record_.usage}; }

    /// What was waited for. More than that may have come.
    [[nodiscard]] oomx::pressure pressure() const {
        return {oomx::resource{record_.pressure.resource}, oomx::share{record_.pressure.share},
                std::chrono::microseconds{record_.pressure.stall_us},
                std::chrono::microseconds{record_.pressure.window_us}};
    }

    /// The errno with which the kernel refused to declare an OOM, or 0: EBUSY if it was handling
    /// one, ENOENT if the cgroup is going, EOPNOTSUPP for a system-wide one on a kernel that would
    /// do nothing about it.
    [[nodiscard]] int refusal() const { return -record_.error; }

    /// Not 0: this watch will not fire again until the policy is attached anew, and the errno says
    /// why: ENOSPC is watches::max_renewed. Only on kernels whose triggers fire once.
    [[nodiscard]] int deaf() const { return -record_.deaf; }

    /// CLOCK_MONOTONIC at the event, which is std::chrono::steady_clock.
    [[nodiscard]] std::chrono::nanoseconds when() const {
        return std::chrono::nanoseconds{record_.time_ns};
    }

    /// From there to the end, with all that came of the OOM.
    [[nodiscard]] std::chrono::nanoseconds took() const {
        return std::chrono::nanoseconds{record_.took_ns};
    }

private:
    oomx_declaration record_;
};

/// A cgroup that the policy was attached to has been removed, and that attachment is inert; or one
/// that a pressure policy watched, which it does no longer.
struct cgroup_gone {
    cgroup_id id; ///< never used again within this boot

    /// Takes a record whose version was checked, as decode() does.
    explicit cgroup_gone(const oomx_cgroup_gone& record) : id{record.cgroup_id} {}
};

namespace detail {

constexpr bool is_error_or_none(int error) {
    constexpr int largest_errno = 4095; // include/linux/err.h
    return error <= 0 && error >= -largest_errno;
}

} // namespace detail

/// What no policy writes into a record, in words; empty if there is nothing of the kind.
[[nodiscard]] inline std::string flaw_of(const oomx_decision& raw) {
    constexpr auto longest = static_cast<std::uint64_t>(std::chrono::nanoseconds::max().count());
    if (raw.top_count > OOMX_TOP) {
        return fmt::format("it claims to name {} cgroups", raw.top_count);
    }
    if (!detail::is_error_or_none(raw.error)) {
        return fmt::format("its error {} is none", raw.error);
    }
    if (raw.time_ns > longest || raw.took_ns > longest || raw.decided_ns > raw.took_ns) {
        return fmt::format("its times cannot be: at {} ns, decided in {} ns of {} ns", raw.time_ns,
                           raw.decided_ns, raw.took_ns);
    }
    return {};
}

/// As above.
[[nodiscard]] inline std::string flaw_of(const oomx_declaration& raw) {
    constexpr auto longest = static_cast<std::uint64_t>(std::chrono::nanoseconds::max().count());
    if (!detail::is_error_or_none(raw.error) || !detail::is_error_or_none(raw.deaf)) {
        return fmt::format("its errors {} and {} are none", raw.error, raw.deaf);
    }
    if (raw.time_ns > longest || raw.took_ns > longest) {
        return fmt::format("its times cannot be: at {} ns, took {} ns", raw.time_ns, raw.took_ns);
    }
    return {};
}

/// As above: there is nothing in it that could be wrong.
[[nodiscard]] inline std::string flaw_of(const oomx_cgroup_gone& /*raw*/) { return {}; }

namespace detail {

/// A record of the right kind and size, to a receiver if it takes such.
template <typename Event, typename Raw, typename Receive>
[[nodiscard]] result<void> hand_over(std::span<const std::byte> record, Receive& receive) {
    Raw raw{};
    std::memcpy(&raw, record.data(), sizeof raw);
    if (const auto flaw = flaw_of(raw); !flaw.empty()) {
        return failure(errc::malformed, fmt::format("decode event: {}", flaw));
    }
    if constexpr (std::is_invocable_v<Receive&, const Event&>) {
        receive(Event{raw});
    }
    return {};
}

} // namespace detail

/// Reads one record of the ring buffer and hands it to `receive`, which is called with a
/// `const decision&`, a `const declaration&` or a `const cgroup_gone&`, whichever of these it
/// takes. Thread-safe.
///
/// Error: malformed for a record of another version, size or kind than this library knows, and for
/// one that no policy can have written.
template <typename Receive>
[[nodiscard]] result<void> decode(std::span<const std::byte> record, Receive&& receive) {
    static_assert(std::is_invocable_v<Receive, const decision&> ||
                      std::is_invocable_v<Receive, const declaration&> ||
                      std::is_invocable_v<Receive, const cgroup_gone&>,
                  "who receives events takes a const oomx::decision&, a const oomx::declaration& "
                  "or a const oomx::cgroup_gone&");
    oomx_event event{};
    if (record.size() < sizeof event) {
        return failure(errc::malformed,
                       fmt::format("decode event: {} bytes hold no header", record.size()));
    }
    std::memcpy(&event, record.data(), sizeof event);
    if (event.version != OOMX_RECORD_VERSION) {
        return failure(errc::malformed,
                       fmt::format("decode event: its version is {}, this library knows {}",
                                   event.version, OOMX_RECORD_VERSION),
                       "build the policy and the program with the same oomx");
    }
    if (event.kind == OOMX_EVENT_DECISION && record.size() == sizeof(oomx_decision)) {
        return detail::hand_over<decision, oomx_decision>(record, receive);
    }
    if (event.kind == OOMX_EVENT_DECLARATION && record.size() == sizeof(oomx_declaration)) {
        return detail::hand_over<declaration, oomx_declaration>(record, receive);
    }
    if (event.kind == OOMX_EVENT_CGROUP_GONE && record.size() == sizeof(oomx_cgroup_gone)) {
        return detail::hand_over<cgroup_gone, oomx_cgroup_gone>(record, receive);
    }
    return failure(errc::malformed, fmt::format("decode event: kind {} in {} bytes is unknown",
                                                event.kind, record.size()));
}

} // namespace oomx
