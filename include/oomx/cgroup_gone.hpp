// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <oomx/decision.h>
#include <oomx/ids.hpp>
#include <oomx/record.hpp>

namespace oomx {

/// A cgroup that the policy was attached to has been removed, and that attachment is inert; or one
/// that a pressure policy watched, which it does no longer. A plain value: it holds a copy of the
/// record. Thread-safe but for assignment.
class cgroup_gone {
public:
    /// Takes a record that was checked, as decode() does.
    explicit cgroup_gone(const oomx_cgroup_gone& record) : record_{record} {}

    /// The name of the policy that was there. Valid while this object lives.
    [[nodiscard]] std::string_view policy() const { return detail::text_in(record_.policy); }

    /// Which it was; never used again within this boot.
    [[nodiscard]] cgroup_id where() const { return cgroup_id{record_.cgroup_id}; }

    /// CLOCK_MONOTONIC when the kernel told, which is std::chrono::steady_clock.
    [[nodiscard]] std::chrono::nanoseconds when() const {
        return std::chrono::nanoseconds{record_.time_ns};
    }

private:
    oomx_cgroup_gone record_;
};

/// What the kernel side never writes into a record, in words; empty if there is nothing of the
/// kind.
[[nodiscard]] inline std::string flaw_of(const oomx_cgroup_gone& raw) {
    if (!detail::is_time(raw.time_ns)) {
        return fmt::format("its time cannot be: at {} ns", raw.time_ns);
    }
    return {};
}

} // namespace oomx

/// What happened, as one sentence without its end.
template <>
struct fmt::formatter<oomx::cgroup_gone> {
    static constexpr auto parse(fmt::format_parse_context& context) { return context.begin(); }

    static auto format(const oomx::cgroup_gone& what, fmt::format_context& context) {
        return fmt::format_to(context.out(), "cgroup {} was removed: {} is there no longer",
                              std::to_underlying(what.where()), what.policy());
    }
};
