// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

// Not in oomx.hpp: it needs nlohmann-json 3.11 (Debian: nlohmann-json3-dev), the rest does not.

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>
#include <nlohmann/json.hpp>

#include <oomx/cgroup_gone.hpp>
#include <oomx/decision.hpp>
#include <oomx/declaration.hpp>
#include <oomx/error.hpp>
#include <oomx/ids.hpp>
#include <oomx/pressure.hpp>
#include <oomx/rails.hpp>
#include <oomx/ranking.hpp>

// What docs/record.md describes. A number that may pass 2^53 is a string of digits, as readers that
// hold every number as a double, JavaScript among them, would lose its last digits.

namespace oomx {

namespace detail {

using json = nlohmann::ordered_json;

/// A value of a newer policy, which has no name here, as its number.
template <typename Enum>
[[nodiscard]] std::string named(std::string_view name, Enum value) {
    return name.empty() ? std::to_string(std::to_underlying(value)) : std::string{name};
}

[[nodiscard]] constexpr std::string_view name_of(outcome what) {
    switch (what) {
    case outcome::declined:
        return "declined";
    case outcome::no_victim:
        return "no_victim";
    case outcome::killed:
        return "killed";
    case outcome::waiting:
        return "waiting";
    case outcome::kill_failed:
        return "kill_failed";
    case outcome::shadow:
        return "shadow";
    case outcome::cooling:
        return "cooling";
    case outcome::relieved:
        return "relieved";
    case outcome::spared:
        return "spared";
    case outcome::constrained:
        return "constrained";
    case outcome::too_little:
        return "too_little";
    }
    return {};
}

[[nodiscard]] constexpr std::string_view name_of(verdict what) {
    switch (what) {
    case verdict::candidate:
        return "candidate";
    case verdict::chosen:
        return "chosen";
    case verdict::spared_oom_score_adj:
        return "spared_oom_score_adj";
    case verdict::spared_init:
        return "spared_init";
    case verdict::spared_many_processes:
        return "spared_many_processes";
    case verdict::spared_by_policy:
        return "spared_by_policy";
    case verdict::unreadable:
        return "unreadable";
    case verdict::empty:
        return "empty";
    case verdict::dying:
        return "dying";
    case verdict::spared_never_kill:
        return "spared_never_kill";
    case verdict::out_of_scope:
        return "out_of_scope";
    case verdict::over_bound:
        return "over_bound";
    case verdict::spared_shared_memory:
        return "spared_shared_memory";
    }
    return {};
}

[[nodiscard]] constexpr std::string_view name_of(answer what) {
    switch (what) {
    case answer::declined:
        return "declined";
    case answer::progress:
        return "progress";
    case answer::no_progress:
        return "no_progress";
    case answer::failed:
        return "failed";
    case answer::shadow:
        return "shadow";
    case answer::cooling:
        return "cooling";
    }
    return {};
}

[[nodiscard]] constexpr std::string_view name_of(resource what) {
    switch (what) {
    case resource::memory:
        return "memory";
    case resource::io:
        return "io";
    case resource::cpu:
        return "cpu";
    }
    return {};
}

/// "system" and "unknown" are none of the ids that the kernel gives.
[[nodiscard]] inline std::string digits(cgroup_id which) {
    if (which == no_cgroup) {
        return "system";
    }
    return which == unknown_cgroup ? "unknown" : std::to_string(std::to_underlying(which));
}

[[nodiscard]] inline json errno_or_null(int error) {
    return error == 0 ? json{} : json(errno_name(error));
}

[[nodiscard]] inline json victim_json(const decision& d) {
    if (d.victim() == no_cgroup) {
        return nullptr;
    }
    json victim{{"cgroup", digits(d.victim())},
                {"score", std::to_string(d.victim_score())},
                {"usage", d.victim_usage().count()},
                {"pid", nullptr},
                {"comm", nullptr}};
    if (const auto pid = d.victim_pid()) {
        victim["pid"] = *pid;
        victim["comm"] = d.victim_comm();
    }
    return victim;
}

[[nodiscard]] inline json entry_json(const decision::entry& at) {
    return {{"cgroup", digits(at.id)},
            {"score", std::to_string(at.score)},
            {"usage", at.usage.count()},
            {"processes", at.processes},
            {"verdict", named(name_of(at.verdict), at.verdict)},
            {"tier", at.tier},
            {"preference", at.preference},
            {"only_process",
             at.only_process ? json(named(name_of(*at.only_process), *at.only_process)) : json{}}};
}

[[nodiscard]] inline json verdicts_json(const decision& d) {
    json counts = json::object();
    for (std::uint32_t i = 0; i < OOMX_VERDICTS; ++i) {
        counts[std::string{name_of(verdict{i})}] = d.count(verdict{i});
    }
    return counts;
}

[[nodiscard]] inline json config_json(const decision& d) {
    const auto rails = d.rails();
    return {{"generation", d.generation()},
            {"mode", rails.mode == mode::shadow ? "shadow" : "enforce"},
            {"min_interval_ns", std::to_string(rails.min_interval.count())},
            {"max_processes", rails.max_processes},
            {"max_candidates", rails.max_candidates},
            {"max_tasks", rails.max_tasks},
            {"min_relief", rails.min_relief}};
}

} // namespace detail

/// A decision as a JSON object, for a program that adds keys of its own: docs/record.md.
[[nodiscard]] inline nlohmann::ordered_json json_of(const decision& d) {
    using detail::digits;
    auto top = detail::json::array();
    for (std::size_t i = 0; i < d.top_count(); ++i) {
        top.push_back(detail::entry_json(d.top(i)));
    }
    auto spared = detail::json::array();
    for (std::size_t i = 0; i < d.spared_count(); ++i) {
        spared.push_back(detail::entry_json(d.spared(i)));
    }
    const auto max = d.scope_max();
    return {{"schema", "oomx.decision/3"},
            {"policy", d.policy()},
            {"outcome", detail::named(detail::name_of(d.outcome()), d.outcome())},
            {"time_ns", std::to_string(d.when().count())},
            {"decided_ns", d.decided_in().count()},
            {"took_ns", d.took().count()},
            {"attached_to", digits(d.attached_to())},
            {"scope", digits(d.scope())},
            {"scope_usage", d.scope_usage().count()},
            {"scope_max", max.is_max() ? detail::json{} : detail::json(max.amount().count())},
            {"victim", detail::victim_json(d)},
            {"granularity", d.granularity() == granularity::process ? "process" : "cgroup"},
            {"killed", d.killed()},
            {"refused", d.refused()},
            {"error", detail::errno_or_null(d.refusal())},
            {"tasks", d.tasks()},
            {"considered", d.considered()},
            {"eligible", d.eligible()},
            {"verdicts", detail::verdicts_json(d)},
            {"top", std::move(top)},
            {"spared", std::move(spared)},
            {"config", detail::config_json(d)}};
}

/// A declaration as a JSON object: docs/record.md.
[[nodiscard]] inline nlohmann::ordered_json json_of(const declaration& d) {
    const auto what = d.pressure();
    return {{"schema", "oomx.declaration/3"},
            {"policy", d.policy()},
            {"answer", detail::named(detail::name_of(d.answer()), d.answer())},
            {"time_ns", std::to_string(d.when().count())},
            {"took_ns", d.took().count()},
            {"cgroup", detail::digits(d.where())},
            {"usage", d.usage().count()},
            {"pressure",
             {{"resource", detail::named(detail::name_of(what.resource), what.resource)},
              {"share", what.share == share::full ? "full" : "some"},
              {"stall_us", what.stall.count()},
              {"window_us", what.window.count()}}},
            {"error", detail::errno_or_null(d.refusal())},
            {"deaf", detail::errno_or_null(d.deaf())}};
}

/// A removed cgroup as a JSON object: docs/record.md.
[[nodiscard]] inline nlohmann::ordered_json json_of(const cgroup_gone& gone) {
    return {{"schema", "oomx.cgroup_gone/3"},
            {"policy", gone.policy()},
            {"time_ns", std::to_string(gone.when().count())},
            {"cgroup", detail::digits(gone.where())}};
}

/// An event as one line of JSON, without its end. What is no UTF-8, as a process may call itself,
/// becomes U+FFFD. Throws nothing.
template <typename Event>
[[nodiscard]] std::string json_line(const Event& event) {
    return json_of(event).dump(-1, ' ', false, detail::json::error_handler_t::replace);
}

} // namespace oomx
