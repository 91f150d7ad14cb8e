// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <oomx/preference.h>

namespace oomx::test {

/// A process of a random tree.
struct tree_process {
    int number = 0;        ///< 1, 2, … through the tree: the same whatever is made first
    std::uint32_t mib = 0; ///< of anonymous memory; of shared memory, if it is spent
    int oom_score_adj = 0;

    // Only with tree_shape::extras.
    std::uint32_t swap_mib = 0;  ///< swapped out
    std::uint32_t shmem_mib = 0; ///< of a file in a tmpfs that it has mapped, and nobody else
    bool init = false;           ///< process 1
    bool kernel_thread = false;
    bool spent = false; ///< killed before and reaped, but it does not end
    int threads = 1;
    bool leader_ended = false; ///< its first thread has ended, the others live
    int memory_of = 0;     ///< the number of the process whose address space it uses; 0: its own
    bool in_vfork = false; ///< it uses that one only until it calls exec()
};

/// A cgroup of a random tree. Only leaves have processes.
struct tree_cgroup {
    std::string path;   ///< "top/b/c"
    std::size_t parent; ///< its place in the tree; of the first, itself
    bool leaf = true;
    std::uint32_t min_mib = 0;
    std::uint32_t low_mib = 0;
    bool oom_group = false;
    std::optional<oomx_preference> preference{};
    std::vector<tree_process> processes{};

    // Only with tree_shape::extras.
    std::uint32_t cache_mib = 0; ///< page cache
    std::uint32_t tmpfs_mib = 0; ///< files in a tmpfs that nobody has mapped
    bool offline = false;        ///< removed, but not forgotten
    bool unreadable = false;     ///< its processes cannot be listed
};

/// What is generated. The defaults can be made of real cgroups in a small VM.
struct tree_shape {
    std::uint32_t cgroups = 12;  ///< up to
    std::uint32_t depth = 4;     ///< up to, below the first
    std::uint32_t processes = 3; ///< a leaf, up to
    std::uint32_t mib = 8;       ///< a process, up to
    std::uint32_t step = 1;      ///< sizes are multiples of so many MiB
    bool extras = false;         ///< with what only a model can have
};

/// A tree of cgroups with processes, and which of them runs out of memory: plain data, the same
/// for the model and for a kernel. Parents come first; the first is the top of all.
struct random_tree {
    std::uint64_t seed = 0;
    std::vector<tree_cgroup> cgroups{};
    std::size_t scope = 0;            ///< its place among them
    bool system_wide = false;         ///< instead; only with tree_shape::extras
    std::uint32_t scope_mib = 0;      ///< what it may hold: less than it does, if it holds anything
    bool recursive_protection = true; ///< memory_recursiveprot; false only with extras

    /// The process of that number, which is in the tree.
    [[nodiscard]] const tree_process& process(int number) const {
        for (const auto& cgroup : cgroups) {
            for (const auto& process : cgroup.processes) {
                if (process.number == number) {
                    return process;
                }
            }
        }
        throw std::out_of_range{"no such process"};
    }

    /// MiB that a cgroup and what is below it hold besides page cache.
    [[nodiscard]] std::uint32_t mib_in(std::size_t top) const {
        std::uint32_t sum = 0;
        for (std::size_t at = 0; at < cgroups.size(); ++at) {
            if (is_within(at, top)) {
                sum += cgroups[at].tmpfs_mib;
                for (const auto& process : cgroups[at].processes) {
                    sum += process.mib + process.shmem_mib;
                }
            }
        }
        return sum;
    }

    /// Whether one is the other or below it.
    [[nodiscard]] bool is_within(std::size_t at, std::size_t top) const {
        while (at != top && at != 0) {
            at = cgroups[at].parent;
        }
        return at == top;
    }
};

/// Numbers that are the same with every standard library.
class dice {
public:
    explicit dice(std::uint64_t seed) : engine_{seed} {}

    /// 0 to below - 1.
    std::uint32_t below(std::uint64_t below) {
        return static_cast<std::uint32_t>(engine_() % below);
    }

    /// True so often in a hundred times.
    bool in_hundred(std::uint32_t often) { return below(100) < often; }

private:
    std::mt19937_64 engine_;
};

namespace detail {

inline tree_process random_process(dice& dice, int number, const tree_shape& shape) {
    tree_process made{.number = number,
                      .mib = (1 + dice.below(shape.mib / shape.step)) * shape.step};
    if (dice.in_hundred(15)) {
        made.oom_score_adj = -1000;
    } else if (dice.in_hundred(30)) {
        made.oom_score_adj = static_cast<int>(dice.below(1999)) - 999;
    }
    if (shape.extras) {
        made.swap_mib = dice.in_hundred(20) ? 1 + dice.below(4) : 0;
        made.kernel_thread = dice.in_hundred(3);
        if (made.kernel_thread) {
            made.mib = made.swap_mib = 0;
        }
        made.spent = !made.kernel_thread && dice.in_hundred(6);
        made.shmem_mib = !made.kernel_thread && dice.in_hundred(15) ? 1 + dice.below(4) : 0;
        if (!made.kernel_thread && !made.spent && dice.in_hundred(25)) {
            made.threads = 2 + static_cast<int>(dice.below(3));
            made.leader_ended = dice.in_hundred(40);
        }
    }
    return made;
}

/// Whether others can use its memory: it has an address space of its own, which it will keep.
inline bool can_share(const tree_process& process) {
    return process.memory_of == 0 && !process.kernel_thread && !process.spent &&
           !process.leader_ended;
}

/// Let some of the processes use the memory of others.
inline void share_memory(dice& dice, random_tree& tree) {
    std::vector<std::pair<std::size_t, tree_process*>> all;
    for (std::size_t at = 0; at < tree.cgroups.size(); ++at) {
        for (auto& process : tree.cgroups[at].processes) {
            all.emplace_back(at, &process);
        }
    }
    for (const auto& [home, process] : all) {
        if (!can_share(*process) || !dice.in_hundred(12)) {
            continue;
        }
        const bool at_home = dice.in_hundred(50);
        const auto& [other_home, other] = all[dice.below(all.size())];
        const bool is_used = std::ranges::any_of(
            all, [&](const auto& one) { return one.second->memory_of == process->number; });
        if (other == process || !can_share(*other) || is_used || (at_home && other_home != home)) {
            continue;
        }
        process->memory_of = other->number;
        process->mib = process->swap_mib = process->shmem_mib = 0;
        process->in_vfork = process->threads == 1 && dice.in_hundred(30);
    }
}

inline tree_cgroup random_cgroup(dice& dice, std::string path, std::size_t parent,
                                 const tree_shape& shape) {
    tree_cgroup made{.path = std::move(path), .parent = parent};
    made.oom_group = dice.in_hundred(12);
    made.min_mib = dice.in_hundred(25) ? dice.below(shape.mib) : 0;
    made.low_mib = dice.in_hundred(25) ? dice.below(2 * shape.mib) : 0;
    if (dice.in_hundred(35)) {
        made.preference = oomx_preference{dice.below(4), static_cast<__s32>(dice.below(11)) - 5,
                                          dice.in_hundred(8) ? 1U : 0U, 0};
    }
    if (shape.extras) {
        made.cache_mib = dice.in_hundred(30) ? dice.below(8) : 0;
        made.tmpfs_mib = dice.in_hundred(20) ? dice.below(12) : 0;
        made.unreadable = dice.in_hundred(2);
    }
    return made;
}

} // namespace detail

/// The tree of that number: the same on every machine.
inline random_tree make_random_tree(std::uint64_t seed, const tree_shape& shape = {}) {
    dice dice{seed};
    random_tree tree{.seed = seed};
    tree.cgroups.push_back(detail::random_cgroup(dice, "top", 0, shape));
    std::vector<std::uint32_t> depth{0};
    const auto more = dice.below(shape.cgroups);
    for (std::uint32_t n = 0; n < more; ++n) {
        const std::size_t parent = dice.below(tree.cgroups.size());
        if (depth[parent] == shape.depth) {
            continue;
        }
        auto path = fmt::format("{}/{}", tree.cgroups[parent].path, n);
        tree.cgroups[parent].leaf = false;
        tree.cgroups.push_back(detail::random_cgroup(dice, std::move(path), parent, shape));
        depth.push_back(depth[parent] + 1);
    }
    int number = 0;
    for (auto& cgroup : tree.cgroups) {
        const auto processes = cgroup.leaf ? dice.below(shape.processes + 1) : 0;
        for (std::uint32_t n = 0; n < processes; ++n) {
            cgroup.processes.push_back(detail::random_process(dice, ++number, shape));
        }
    }
    if (shape.extras) {
        detail::share_memory(dice, tree);
    }
    tree.scope = dice.below(tree.cgroups.size());
    tree.scope_mib = tree.mib_in(tree.scope) / 2;
    if (shape.extras) {
        tree.system_wide = dice.in_hundred(20);
        tree.recursive_protection = dice.in_hundred(50);
        auto& any = tree.cgroups[dice.below(tree.cgroups.size())];
        if (!any.processes.empty() && dice.in_hundred(10)) {
            any.processes.front().init = true;
            any.processes.front().spent = any.processes.front().in_vfork = false;
        }
        for (std::size_t at = 1; at < tree.cgroups.size(); ++at) {
            auto& cgroup = tree.cgroups[at];
            cgroup.offline =
                cgroup.leaf && cgroup.processes.empty() && at != tree.scope && dice.in_hundred(30);
        }
    }
    return tree;
}

} // namespace oomx::test
