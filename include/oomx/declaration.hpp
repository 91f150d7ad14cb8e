// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include <oomx/bytes.hpp>
#include <oomx/decision.h>
#include <oomx/ids.hpp>
#include <oomx/pressure.hpp>
#include <oomx/record.hpp>

namespace oomx {

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
    /// Takes a record that was checked, as decode() does.
    explicit declaration(const oomx_declaration& record) : record_{record} {}

    /// The name of the policy that answered. Valid while this declaration lives.
    [[nodiscard]] std::string_view policy() const { return detail::text_in(record_.policy); }

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

/// What no policy writes into a record, in words; empty if there is nothing of the kind.
[[nodiscard]] inline std::string flaw_of(const oomx_declaration& raw) {
    if (!detail::is_error_or_none(raw.error) || !detail::is_error_or_none(raw.deaf)) {
        return fmt::format("its errors {} and {} are none", raw.error, raw.deaf);
    }
    if (!detail::is_time(raw.time_ns) || !detail::is_time(raw.took_ns)) {
        return fmt::format("its times cannot be: at {} ns, took {} ns", raw.time_ns, raw.took_ns);
    }
    return {};
}

} // namespace oomx
