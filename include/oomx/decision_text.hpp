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

/// What a pressure event came to, as one sentence without its end.
[[nodiscard]] inline std::string describe(const declaration& d) {
    const auto place = d.where() == no_cgroup
                           ? std::string{"the system"}
                           : fmt::format("cgroup {}", std::to_underlying(d.where()));
    switch (d.answer()) {
    case answer::declined:
        return fmt::format("{} declined", d.policy());
    case answer::progress:
        return fmt::format("{} declared {} out of memory", d.policy(), place);
    case answer::no_progress:
        return fmt::format("{} declared {} out of memory, nobody could be killed", d.policy(),
                           place);
    case answer::failed:
        return fmt::format("{} could not declare {} out of memory", d.policy(), place);
    case answer::shadow:
        return fmt::format("{} declined in shadow mode, it would have declared {} out of memory",
                           d.policy(), place);
    case answer::cooling:
        return fmt::format("{} declined so soon after the last OOM it declared, it would have "
                           "declared {} out of memory",
                           d.policy(), place);
    }
    return fmt::format("{} did what this library does not know", d.policy());
}

/// A resource as the kernel's pressure files call it.
[[nodiscard]] constexpr std::string_view describe(resource what) {
    switch (what) {
    case resource::memory:
        return "memory";
    case resource::io:
        return "io";
    case resource::cpu:
        return "cpu";
    }
    return "unknown";
}

/// Pressure in words: "200 ms of full memory stall within 1000 ms".
[[nodiscard]] inline std::string describe(const pressure& what) {
    const auto milliseconds = [](std::chrono::microseconds time) {
        return std::chrono::duration<double, std::milli>{time}.count();
    };
    return fmt::format("{} ms of {} {} stall within {} ms", milliseconds(what.stall),
                       what.share == share::full ? "full" : "some", describe(what.resource),
                       milliseconds(what.window));
}

} // namespace oomx

/// What happened and why; a line more for what went wrong, and one if the watch is over.
template <>
struct fmt::formatter<oomx::declaration> {
    static constexpr auto parse(fmt::format_parse_context& context) { return context.begin(); }

    static auto format(const oomx::declaration& d, fmt::format_context& context) {
        auto out = fmt::format_to(context.out(), "{}; {}", oomx::describe(d),
                                  oomx::describe(d.pressure()));
        if (d.usage() > oomx::bytes{}) {
            out = fmt::format_to(out, ", {} used", d.usage());
        }
        if (d.refusal() != 0) {
            out = fmt::format_to(
                out, "\n  {}", oomx::bpf::refusal_error(oomx::bpf::request::declare, d.refusal()));
        }
        if (d.deaf() != 0) {
            out = fmt::format_to(
                out, "\n  this watch will not fire again: {}",
                oomx::bpf::refusal_error(oomx::bpf::request::create_trigger, d.deaf()));
        }
        return out;
    }
};

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
