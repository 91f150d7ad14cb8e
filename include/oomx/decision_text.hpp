// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <oomx/bpf/refusal.hpp>
#include <oomx/decision.hpp>
#include <oomx/error.hpp>

namespace oomx {

/// Why a cgroup was chosen or spared, in a few words.
[[nodiscard]] constexpr std::string_view describe(verdict what) {
    switch (what) {
    case verdict::candidate:
        return "eligible";
    case verdict::chosen:
        return "chosen";
    case verdict::spared_oom_score_adj:
        return "spared, holds a process with oom_score_adj -1000";
    case verdict::spared_init:
        return "spared, holds process 1";
    case verdict::spared_many_processes:
        return "spared, holds more processes than max_processes";
    case verdict::spared_by_policy:
        return "spared by the policy";
    case verdict::unreadable:
        return "spared, its processes could not be listed";
    case verdict::empty:
        return "holds no process";
    case verdict::dying:
        return "holds an earlier victim that is still dying";
    }
    return "of a verdict this library does not know";
}

/// What a decision came to, as one sentence without its end.
[[nodiscard]] inline std::string describe(const decision& d) {
    const auto victim =
        fmt::format("cgroup {} ({})", std::to_underlying(d.victim()), d.victim_size());
    switch (d.outcome()) {
    case outcome::killed:
        return fmt::format("{} killed {}", d.policy(), victim);
    case outcome::waiting:
        return fmt::format("{} waits for {} to die", d.policy(), victim);
    case outcome::declined:
        return fmt::format("{} declined", d.policy());
    case outcome::no_victim:
        return fmt::format("{} declined, nobody is eligible", d.policy());
    case outcome::kill_failed:
        return fmt::format("{} declined, the kernel refused to kill {}", d.policy(), victim);
    case outcome::shadow:
        return fmt::format("{} declined in shadow mode, it would have killed {}", d.policy(),
                           victim);
    case outcome::relieved:
        return fmt::format("{} declined as memory came back, it would have killed {}", d.policy(),
                           victim);
    case outcome::cooling:
        return fmt::format("{} declined so soon after its last kill, it would have killed {}",
                           d.policy(), victim);
    }
    return fmt::format("{} did what this library does not know", d.policy());
}

} // namespace oomx

/// Several lines: what happened, how, and the largest cgroups that were looked at.
template <>
struct fmt::formatter<oomx::decision> {
    static constexpr auto parse(fmt::format_parse_context& context) { return context.begin(); }

    static auto format(const oomx::decision& d, fmt::format_context& context) {
        auto out = fmt::format_to(context.out(), "{}; ", oomx::describe(d));
        if (d.scope() == oomx::no_cgroup) {
            out = fmt::format_to(out, "the system is out of memory");
        } else {
            out = fmt::format_to(out, "cgroup {} is out of memory with {} used",
                                 std::to_underlying(d.scope()), d.scope_usage());
        }
        if (d.outcome() == oomx::outcome::waiting) {
            return out; // there was no choice to explain
        }
        out = fmt::format_to(out, "\n  {} of {} leaves eligible, decided in {} us", d.eligible(),
                             d.considered(), microseconds(d.decided_in()));
        if (d.killed() > 0) {
            out = fmt::format_to(out, ", {} killed in {} us", processes(d.killed()),
                                 microseconds(d.took() - d.decided_in()));
        }
        if (d.refused() > 0) {
            out = fmt::format_to(out, ", {} refused: {}", processes(d.refused()),
                                 oomx::bpf::refusal_error(oomx::bpf::request::kill, d.refusal()));
        }
        for (std::size_t i = 0; i < d.top_count(); ++i) {
            const auto at = d.top(i);
            out = fmt::format_to(out, "\n  {:>10}  cgroup {}, {}: {}", at.size,
                                 std::to_underlying(at.id), processes(at.processes),
                                 oomx::describe(at.verdict));
        }
        return out;
    }

private:
    static std::chrono::microseconds::rep microseconds(std::chrono::nanoseconds time) {
        return std::chrono::duration_cast<std::chrono::microseconds>(time).count();
    }

    static std::string processes(std::uint32_t count) {
        return fmt::format("{} {}", count, count == 1 ? "process" : "processes");
    }
};
