// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include <oomx/native/model.hpp>
#include <oomx/rails.hpp>
#include <oomx/ranking.hpp>

#include "support/plain_rule.hpp"
#include "support/random_tree.hpp"

namespace oomx::test {

/// The machine that random trees live on.
inline constexpr std::uint64_t tree_ram_mib = 512;
inline constexpr std::uint64_t tree_swap_mib = 64;

inline pid_t pid_in_model(const tree_process& process) {
    return process.init ? 1 : process.number + 1;
}

/// Who killed those that are spent.
inline constexpr std::string_view killed_before = "before";

/// How the plain statement of a rule names what is in a model.
inline plain_place place_in_model() {
    return {.id =
                [](const std::string& path) {
                    return static_cast<std::uint64_t>(native::model::id_of(path));
                },
            .pid = pid_in_model,
            .comm = [](const tree_process& process) { return std::to_string(process.number); },
            .ram_mib = tree_ram_mib,
            .swap_mib = tree_swap_mib};
}

/// The order in which the cgroups are made: that of the tree, or another one with parents first.
inline std::vector<std::size_t> order_of(const random_tree& tree, bool shuffled) {
    std::vector<std::size_t> order;
    std::vector<std::size_t> ready{0};
    dice dice{tree.seed ^ 0x5eed};
    while (!ready.empty()) {
        const std::size_t next = shuffled ? dice.below(ready.size()) : 0;
        const auto at = ready[next];
        ready.erase(ready.begin() + static_cast<std::ptrdiff_t>(next));
        order.push_back(at);
        for (std::size_t child = 1; child < tree.cgroups.size(); ++child) {
            if (tree.cgroups[child].parent == at) {
                ready.push_back(child);
            }
        }
    }
    return order;
}

inline bytes mebibytes(std::uint64_t count) { return bytes{count << 20}; }

inline native::process_options described(const random_tree& tree, const tree_process& process) {
    native::process_options options{
        .name = std::to_string(process.number),
        .anon = mebibytes(process.spent ? 0 : process.mib),
        .shmem = mebibytes(process.shmem_mib + (process.spent ? process.mib : 0)),
        .swap = mebibytes(process.swap_mib),
        .oom_score_adj = process.oom_score_adj,
        .pid = pid_in_model(process),
        .kernel_thread = process.kernel_thread,
        .threads = process.threads,
        .leader_ended = process.leader_ended,
        .in_vfork = process.in_vfork,
        .dies_after = process.spent ? std::optional{native::model::longest} : std::nullopt};
    if (process.memory_of != 0) {
        options.shares_memory_of = pid_in_model(tree.process(process.memory_of));
    }
    return options;
}

/// With those of its processes that have an address space of their own.
inline native::cgroup_options described(const random_tree& tree, const tree_cgroup& cgroup,
                                        bool reversed) {
    native::cgroup_options options{.min = mebibytes(cgroup.min_mib),
                                   .low = mebibytes(cgroup.low_mib),
                                   .oom_group = cgroup.oom_group,
                                   .file = mebibytes(cgroup.cache_mib),
                                   .shmem = mebibytes(cgroup.tmpfs_mib)};
    for (const auto& process : cgroup.processes) {
        if (process.memory_of == 0) {
            options.processes.push_back(described(tree, process));
        }
    }
    if (reversed) {
        std::ranges::reverse(options.processes);
    }
    return options;
}

/// The tree as a model, ready to run out of memory.
inline native::model model_of(const random_tree& tree, bool shuffled = false) {
    auto made = native::model::make({.ram = mebibytes(tree_ram_mib),
                                     .swap = mebibytes(tree_swap_mib),
                                     .hides_exiting = tree.seed % 4 < 2,
                                     .recursive_protection = tree.recursive_protection});
    bool fine = made.has_value();
    for (const auto at : order_of(tree, shuffled)) {
        const auto& cgroup = tree.cgroups[at];
        auto options = described(tree, cgroup, shuffled);
        if (at == tree.scope && !tree.system_wide) {
            options.max = mebibytes(tree.scope_mib);
        }
        fine = fine && made->add_cgroup(cgroup.path, options);
        fine = fine && (!cgroup.unreadable || made->make_unreadable(cgroup.path));
    }
    for (const auto& cgroup : tree.cgroups) {
        fine = fine && (!cgroup.offline || made->remove_cgroup(cgroup.path));
        for (const auto& process : cgroup.processes) {
            if (process.memory_of != 0) {
                fine = fine && made->add_process(cgroup.path, described(tree, process));
            }
            if (fine && process.spent) {
                made->kill(*made->find_task(pid_in_model(process)), killed_before);
            }
        }
    }
    REQUIRE(fine);
    made->pass(made->machine().reaped_after);
    return std::move(*made);
}

inline rails rails_of(const plain_rule& rule) {
    return {.max_processes = rule.rails.max_processes,
            .max_candidates = rule.rails.max_candidates,
            .max_tasks = rule.rails.max_tasks,
            .min_relief = rule.rails.min_relief,
            .mode = mode{rule.rails.mode}};
}

inline ranking ranking_of(const plain_rule& rule) {
    return {.level = rule.ranking.level, .granularity = granularity{rule.ranking.granularity}};
}

/// As a program gives them.
template <typename P>
typename P::options options_of(const plain_rule& rule) {
    typename P::options options{};
    options.rails = rails_of(rule);
    options.ranking = ranking_of(rule);
    if constexpr (requires { options.min_usage; }) {
        options.min_usage = bytes{rule.least};
    }
    if constexpr (requires { options.min_over; }) {
        options.min_over = bytes{rule.least};
    }
    return options;
}

} // namespace oomx::test
