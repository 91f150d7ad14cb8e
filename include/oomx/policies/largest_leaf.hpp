// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <string_view>
#include <tuple>
#include <utility>

#include <largest_leaf.skel.hpp>

#include <oomx/bytes.hpp>
#include <oomx/policy.hpp>
#include <oomx/rails.hpp>
#include <oomx/ranking.hpp>
#include <oomx/result.hpp>

namespace oomx::policies {

/// Of the cgroups inside the OOM's scope, the one that holds the most memory besides page cache
/// dies whole (bpf_templates/largest_leaf.bpf.c).
struct largest_leaf {
    using skeleton = ::largest_leaf_bpf;       ///< made by bpftool of the compiled policy
    using config = ::oomx_largest_leaf_config; ///< what both sides share

    /// What a program can set.
    struct options {
        bytes min_usage{};       ///< who holds less is spared
        oomx::ranking ranking{}; ///< what it chooses from; the cgroup dies as a rule
        oomx::rails rails{};     ///< the limits it cannot leave
    };

    /// As the kernel's log and the decisions say it.
    static constexpr std::string_view name = "largest_leaf";

    /// What may change while it is in force: everything.
    static constexpr std::tuple live{&config::rails, &config::ranking, &config::min_usage};

    /// The config that these options make. Error: invalid_argument, for the rails and the ranking.
    [[nodiscard]] static result<config> configure(const options& chosen) {
        auto rails = chosen.rails.raw();
        if (!rails) {
            return pass_on(std::move(rails));
        }
        auto ranking = chosen.ranking.raw(granularity::cgroup);
        if (!ranking) {
            return pass_on(std::move(ranking));
        }
        return config{*rails, *ranking, chosen.min_usage.count()};
    }
};

static_assert(policy<largest_leaf>);

} // namespace oomx::policies
