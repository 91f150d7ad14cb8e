// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <algorithm>
#include <chrono>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/types.h>

#include <fmt/format.h>

#include <oomx/decision.hpp>
#include <oomx/decision_text.hpp>
#include <oomx/native/model.hpp>

namespace oomx::native {

/// What became of one process.
struct fate {
    std::string cgroup;                    ///< its path
    std::string process;                   ///< its name
    pid_t pid = 0;                         ///< in the model
    bool lives = true;                     ///< nobody killed it
    std::string killed_by;                 ///< a policy's name, or "kernel"; empty if it lives
    std::chrono::nanoseconds killed_at{0}; ///< CLOCK_MONOTONIC
};

/// Who died, who survived, and why. A plain value.
class report {
public:
    /// What a simulation makes.
    report(std::vector<fate> fates, std::vector<decision> decisions)
        : fates_{std::move(fates)}, decisions_{std::move(decisions)} {}

    /// Whether every process of a cgroup and of what is below it was killed, and there was one.
    [[nodiscard]] bool died(std::string_view cgroup) const {
        return all(cgroup, {}, [](const fate& one) { return !one.lives; });
    }
    /// The same of those with this name.
    [[nodiscard]] bool died(std::string_view cgroup, std::string_view process) const {
        return all(cgroup, process, [](const fate& one) { return !one.lives; });
    }

    /// Whether every process of a cgroup and of what is below it lives, and there is one.
    [[nodiscard]] bool survived(std::string_view cgroup) const {
        return all(cgroup, {}, [](const fate& one) { return one.lives; });
    }
    /// The same of those with this name.
    [[nodiscard]] bool survived(std::string_view cgroup, std::string_view process) const {
        return all(cgroup, process, [](const fate& one) { return one.lives; });
    }

    /// Who killed there first: a policy's name, or "kernel"; empty if nobody did.
    [[nodiscard]] std::string_view killer_of(std::string_view cgroup) const {
        const fate* first = nullptr;
        for (const auto& one : fates_) {
            if (!one.lives && is_in(one.cgroup, cgroup) &&
                (first == nullptr || one.killed_at < first->killed_at)) {
                first = &one;
            }
        }
        return first == nullptr ? std::string_view{} : std::string_view{first->killed_by};
    }

    /// Every process that there was, in the order of the model.
    [[nodiscard]] const std::vector<fate>& fates() const { return fates_; }

    /// What the policies decided, and why, in the order of time.
    [[nodiscard]] const std::vector<decision>& decisions() const { return decisions_; }

private:
    [[nodiscard]] static bool is_in(std::string_view path, std::string_view top) {
        return top == "/" || path == top ||
               (path.starts_with(top) && path.substr(top.size()).starts_with('/'));
    }

    template <typename Test>
    [[nodiscard]] bool all(std::string_view cgroup, std::string_view process, Test test) const {
        bool some = false;
        for (const auto& one : fates_) {
            if (!is_in(one.cgroup, cgroup) || (!process.empty() && one.process != process)) {
                continue;
            }
            if (!test(one)) {
                return false;
            }
            some = true;
        }
        return some;
    }

    std::vector<fate> fates_;
    std::vector<decision> decisions_;
};

} // namespace oomx::native

/// Prints a line for each process, then the decisions, of which each names its cgroups by id and
/// this their paths.
template <>
struct fmt::formatter<oomx::native::report> : fmt::formatter<std::string_view> {
    auto format(const oomx::native::report& all, fmt::format_context& context) const {
        auto out = context.out();
        for (const auto& one : all.fates()) {
            out = fmt::format_to(out, "{} (pid {}, cgroup {:#x}) in {}: {}\n", one.process, one.pid,
                                 static_cast<unsigned long>(oomx::native::model::id_of(one.cgroup)),
                                 one.cgroup, one.lives ? "lives" : "killed by " + one.killed_by);
        }
        for (const auto& one : all.decisions()) {
            out = fmt::format_to(out, "{}\n", one);
        }
        return out;
    }
};
