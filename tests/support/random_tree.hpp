// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <oomx/preference.h>

namespace oomx::test {

/// A process of a random tree.
struct tree_process {
    int number = 0;             ///< 1, 2, … through the tree: the same whatever is made first
    std::uint32_t mib = 0;      ///< of anonymous memory; of shared memory, if it is spent
    std::uint32_t swap_mib = 0; ///< swapped out; only with tree_shape::extras
    int oom_score_adj = 0;
    bool init = false;          ///< process 1; only with tree_shape::extras
    bool kernel_thread = false; ///< as above
    bool spent = false;         ///< killed before and reaped, but it does not end: as above
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
    std::uint32_t cache_mib = 0; ///< page cache; only with tree_shape::extras
    bool offline = false;        ///< removed, but not forgotten: as above
    bool unreadable = false;     ///< its processes cannot be listed: as above
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
    std::size_t scope = 0;       ///< its place among them
    bool system_wide = false;    ///< instead; only with tree_shape::extras
    std::uint32_t scope_mib = 0; ///< what it may hold: less than it does, if it holds anything

    /// MiB of its processes' memory in a cgroup and below it.
    [[nodiscard]] std::uint32_t mib_in(std::size_t top) const {
        std::uint32_t sum = 0;
        for (std::size_t at = 0; at < cgroups.size(); ++at) {
            if (is_within(at, top)) {
                for (const auto& process : cgroups[at].processes) {
                    sum += process.mib;
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
    }
    return made;
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
    tree.scope = dice.below(tree.cgroups.size());
    tree.scope_mib = tree.mib_in(tree.scope) / 2;
    if (shape.extras) {
        tree.system_wide = dice.in_hundred(20);
        auto& any = tree.cgroups[dice.below(tree.cgroups.size())];
        if (!any.processes.empty() && dice.in_hundred(10)) {
            any.processes.front().init = true;
            any.processes.front().spent = false;
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
