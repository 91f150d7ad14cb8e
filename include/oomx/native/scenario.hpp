// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <algorithm>
#include <chrono>
#include <cstddef>
#include <functional>
#include <initializer_list>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include <sys/types.h>

#include <fmt/format.h>

#include <oomx/bytes.hpp>
#include <oomx/native/model.hpp>
#include <oomx/native/policy.hpp>
#include <oomx/native/report.hpp>
#include <oomx/native/simulation.hpp>
#include <oomx/result.hpp>

namespace oomx::native {

/// A cgroup and what is below it, as nested lists:
///
///     {"batch", {.max = 1_GiB}, {{"a", {.anon = 300_MiB}}, {"b", {.anon = 600_MiB}}}}
struct subtree {
    std::string name;             ///< without the path
    cgroup_options options{};     ///< its limits, and who is in it if nothing is below it
    std::vector<subtree> below{}; ///< its children
};

/// A step of a scenario: the first living process of a cgroup wants more memory.
struct allocate {
    std::string cgroup; ///< its path
    bytes amount;       ///< of anonymous memory
};

/// A step of a scenario: a cgroup is out of memory as it is, or with "/" the machine.
struct run_out {
    std::string cgroup; ///< its path
};

/// A step of a scenario: time goes by.
struct elapse {
    std::chrono::nanoseconds time; ///< so much of it
};

/// What happens.
using step = std::variant<allocate, run_out, elapse>;

/// A machine, what runs on it, and what happens then. A plain value.
struct scenario {
    machine_options machine{};   ///< what all of it runs on
    std::vector<subtree> tree{}; ///< the cgroups right below the root
    std::vector<step> steps{};   ///< one after the other
};

/// Where a policy is attached: a cgroup, or "/" for system-wide.
struct attach {
    std::string_view where;                  ///< the path
    std::reference_wrapper<instance> policy; ///< which; it outlives the simulation
};

namespace detail {

/// Gives every process its pid by its place in the order of paths, so that none depends on the
/// order in which a scenario lists them.
class numbering {
public:
    static void give_pids(std::vector<subtree>& tree) {
        numbering all;
        all.collect(tree, "");
        std::ranges::sort(all.found_, {}, [](const place& one) {
            return std::pair{std::string_view{one.path}, one.process};
        });
        pid_t next = 2;
        for (auto& one : all.found_) {
            if (one.process->pid) {
                continue;
            }
            while (all.taken_.contains(next)) {
                ++next;
            }
            one.process->pid = next++;
        }
    }

private:
    struct place {
        std::string path;
        process_options* process; // of one cgroup's they are in one vector
    };

    void collect(std::vector<subtree>& tree, const std::string& above) {
        for (auto& one : tree) {
            const auto path = above.empty() ? one.name : fmt::format("{}/{}", above, one.name);
            one.options.processes = model::processes_of(path, one.options);
            one.options.anon = one.options.swap = bytes{};
            for (auto& process : one.options.processes) {
                found_.push_back({path, &process});
                if (process.pid) {
                    taken_.insert(*process.pid);
                }
            }
            collect(one.below, path);
        }
    }

    std::vector<place> found_;
    std::set<pid_t> taken_;
};

[[nodiscard]] inline result<void> add(model& to, const std::vector<subtree>& tree,
                                      const std::string& above) {
    for (const auto& one : tree) {
        const auto path = above.empty() ? one.name : fmt::format("{}/{}", above, one.name);
        if (auto added = to.add_cgroup(path, one.options); !added) {
            return pass_on(std::move(added));
        }
        if (auto added = add(to, one.below, path); !added) {
            return added;
        }
    }
    return {};
}

} // namespace detail

/// The model that a scenario begins with. Errors: as model::make(), add_cgroup(), add_process().
[[nodiscard]] inline result<model> model_of(const scenario& described) {
    auto made = model::make(described.machine);
    if (!made) {
        return made;
    }
    auto tree = described.tree;
    detail::numbering::give_pids(tree);
    if (auto added = detail::add(*made, tree, ""); !added) {
        return pass_on(std::move(added));
    }
    return made;
}

/// Plays a scenario with these policies attached, and lets time go by until the last victim is
/// gone.
///
///     auto policy = oomx::native::policy<largest_leaf>::make();
///     auto after = simulate({.tree = {…}, .steps = {allocate{"batch/a", 1_GiB}}},
///                           {{"batch", *policy}});
///     CHECK(after->died("batch/a"));
///
/// Errors: as model_of() and the verbs of simulation.
[[nodiscard]] inline result<report> simulate(const scenario& played,
                                             std::initializer_list<attach> policies = {}) {
    auto made = model_of(played);
    if (!made) {
        return pass_on(std::move(made));
    }
    simulation running{std::move(*made)};
    for (const auto& one : policies) {
        if (auto attached = running.attach(one.policy, one.where); !attached) {
            return pass_on(std::move(attached));
        }
    }
    for (const auto& one : played.steps) {
        if (const auto* const more = std::get_if<allocate>(&one)) {
            if (auto ended = running.allocate(more->cgroup, more->amount); !ended) {
                return pass_on(std::move(ended));
            }
        } else if (const auto* const out = std::get_if<run_out>(&one)) {
            if (auto ended = running.out_of_memory(out->cgroup); !ended) {
                return pass_on(std::move(ended));
            }
        } else {
            if (auto gone = running.advance(std::get<elapse>(one).time); !gone) {
                return pass_on(std::move(gone));
            }
        }
    }
    running.settle();
    return running.so_far();
}

} // namespace oomx::native
