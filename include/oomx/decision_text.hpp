// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <oomx/bpf/refusal.hpp>
#include <oomx/decision.hpp>
#include <oomx/error.hpp>

namespace oomx {

/// Why a cgroup was chosen or spared, in a few words that follow a name or a number.
[[nodiscard]] constexpr std::string_view describe(verdict what) {
    switch (what) {
    case verdict::candidate:
        return "eligible";
    case verdict::chosen:
        return "chosen";
    case verdict::spared_oom_score_adj:
        return "spared for a process with oom_score_adj -1000";
    case verdict::spared_init:
        return "spared for process 1";
    case verdict::spared_many_processes:
        return "spared for more processes than max_processes";
    case verdict::spared_by_policy:
        return "spared by the policy";
    case verdict::spared_never_kill:
        return "spared by never_kill";
    case verdict::unreadable:
        return "spared for processes that could not be listed";
    case verdict::empty:
        return "without a process";
    case verdict::dying:
        return "with an earlier victim that is still dying";
    case verdict::out_of_scope:
        return "outside the OOM's scope";
    case verdict::over_bound:
        return "behind max_candidates or max_tasks, not looked at";
    case verdict::spared_shared_memory:
        return "spared for memory that a process elsewhere shares";
    }
    return "of a verdict this library does not know";
}

namespace detail {

[[nodiscard]] inline std::string processes(std::uint32_t count) {
    return fmt::format("{} {}", count, count == 1 ? "process" : "processes");
}

[[nodiscard]] inline auto microseconds(std::chrono::nanoseconds time) {
    return std::chrono::duration_cast<std::chrono::microseconds>(time).count();
}

/// "cgroup 42 (30.0 MiB)"; what a process calls itself may hold anything, terminal sequences too.
[[nodiscard]] inline std::string victim_of(const decision& d) {
    const auto cgroup =
        fmt::format("cgroup {} ({})", std::to_underlying(d.victim()), d.victim_usage());
    const auto pid = d.victim_pid();
    return pid ? fmt::format("process {} {:?} of {}", *pid, d.victim_comm(), cgroup) : cgroup;
}

/// ", the highest score of 3 eligible": only what the record proves.
[[nodiscard]] inline std::string reason_for(const decision& d) {
    if (d.eligible() == 1) {
        return ", the only one eligible";
    }
    const bool highest = d.top_count() > 0 && d.top(0).id == d.victim();
    return fmt::format(", {} of {} eligible", highest ? "the highest score" : "chosen",
                       d.eligible());
}

/// ": spared by never_kill", where the record names the victim.
[[nodiscard]] inline std::string verdict_on_victim(const decision& d) {
    const auto said = d.victim_verdict();
    return said ? fmt::format(": {}", describe(*said)) : std::string{};
}

[[nodiscard]] inline std::string scope_of(const decision& d) {
    if (d.scope() == no_cgroup) {
        return "the system is out of memory";
    }
    const auto used = fmt::format("cgroup {} is out of memory with {}",
                                  std::to_underlying(d.scope()), d.scope_usage());
    return d.scope_max().is_max() ? fmt::format("{} used, no limit", used)
                                  : fmt::format("{} of {} used", used, d.scope_max());
}

} // namespace detail

/// What a decision came to, as one sentence without its end: what happened, to whom, why.
[[nodiscard]] inline std::string describe(const decision& d) {
    const auto policy = d.policy();
    const auto victim = [&] { return detail::victim_of(d) + detail::reason_for(d); };
    switch (d.outcome()) {
    case outcome::killed:
        return fmt::format("{} killed {}", policy, victim());
    case outcome::waiting:
        return fmt::format("{} waits for {} to die", policy, detail::victim_of(d));
    case outcome::declined:
        return fmt::format("{} declined", policy);
    case outcome::no_victim:
        return fmt::format("{} declined, of {} cgroups nobody is eligible", policy, d.considered());
    case outcome::kill_failed:
        if (d.refusal() == 0) {
            return fmt::format("{} declined, nobody was left to kill of {}", policy, victim());
        }
        return fmt::format("{} declined, the kernel refused to kill {}", policy, victim());
    case outcome::shadow:
        return fmt::format("{} declined in shadow mode, it would have killed {}", policy, victim());
    case outcome::relieved:
        if (d.victim() == no_cgroup) {
            return fmt::format("{} killed nobody, as memory came back", policy);
        }
        return fmt::format("{} killed nobody, as memory came back; it would have killed {}", policy,
                           victim());
    case outcome::cooling:
        return fmt::format("{} declined so soon after its last kill, it would have killed {}",
                           policy, victim());
    case outcome::too_little:
        return fmt::format("{} declined, as a kill would free less than min_relief; it would have "
                           "killed {}",
                           policy, victim());
    case outcome::constrained:
        return fmt::format("{} declined, as only some nodes of the machine are out of memory",
                           policy);
    case outcome::spared:
        return fmt::format("{} declined, the rails spare {} that it chose{}", policy,
                           detail::victim_of(d), detail::verdict_on_victim(d));
    }
    return fmt::format("{} did what this library does not know", policy);
}

} // namespace oomx

/// Several lines, the first of which is enough: what happened, to whom, why and where. Then the
/// cgroups that were eligible, those that were spared, how many of each, and by which rules.
template <>
struct fmt::formatter<oomx::decision> {
    static constexpr auto parse(fmt::format_parse_context& context) { return context.begin(); }

    static auto format(const oomx::decision& d, fmt::format_context& context) {
        auto out =
            fmt::format_to(context.out(), "{}; {}", oomx::describe(d), oomx::detail::scope_of(d));
        if (d.outcome() == oomx::outcome::waiting) {
            return out; // there was no choice to explain
        }
        if (d.refusal() != 0) {
            out = fmt::format_to(out, "\n  {} refused: {}", oomx::detail::processes(d.refused()),
                                 oomx::bpf::refusal_error(oomx::bpf::request::kill, d.refusal()));
        }
        for (std::size_t i = 0; i < d.top_count(); ++i) {
            out = one_of_them(out, d.top(i));
        }
        for (std::size_t i = 0; i < d.spared_count(); ++i) {
            out = one_of_them(out, d.spared(i));
        }
        out = how_many(out, d);
        return by_which_rules(out, d);
    }

private:
    using output = fmt::format_context::iterator;

    static output one_of_them(output out, const oomx::decision::entry& at) {
        out = fmt::format_to(out, "\n  {:>10}  cgroup {}, {}", at.usage, std::to_underlying(at.id),
                             oomx::detail::processes(at.processes));
        if (at.score != 0) {
            out = fmt::format_to(out, ", score {}", at.score);
        }
        if (at.tier != 0) {
            out = fmt::format_to(out, ", tier {}", at.tier);
        }
        if (at.preference != 0) {
            out = fmt::format_to(out, ", preference {}", at.preference);
        }
        out = fmt::format_to(out, ": {}", oomx::describe(at.verdict));
        return at.only_process
                   ? fmt::format_to(out, ", one process only: {}", oomx::describe(*at.only_process))
                   : out;
    }

    static output how_many(output out, const oomx::decision& d) {
        out = fmt::format_to(out, "\n  of {} cgroups {} eligible", d.considered(), d.eligible());
        for (std::uint32_t i = 0; i < OOMX_VERDICTS; ++i) {
            const oomx::verdict what{i};
            if (what != oomx::verdict::candidate && what != oomx::verdict::chosen &&
                d.count(what) > 0) {
                out = fmt::format_to(out, ", {} {}", d.count(what), oomx::describe(what));
            }
        }
        out =
            fmt::format_to(out, "\n  decided in {} us", oomx::detail::microseconds(d.decided_in()));
        if (d.killed() > 0) {
            out = fmt::format_to(out, ", {} killed in {} us", oomx::detail::processes(d.killed()),
                                 oomx::detail::microseconds(d.took() - d.decided_in()));
        }
        return out;
    }

    static output by_which_rules(output out, const oomx::decision& d) {
        const auto rails = d.rails();
        out = fmt::format_to(out, "\n  config {}: ", d.generation());
        if (rails.mode == oomx::mode::shadow) {
            out = fmt::format_to(out, "shadow mode, ");
        }
        out = fmt::format_to(
            out, "up to {} a kill, {} candidates and {} tasks, {} ms between kills",
            oomx::detail::processes(rails.max_processes), rails.max_candidates, rails.max_tasks,
            std::chrono::duration_cast<std::chrono::milliseconds>(rails.min_interval).count());
        if (rails.min_relief > 0) {
            out = fmt::format_to(out, ", none for less than {} thousandths", rails.min_relief);
        }
        return out;
    }
};
