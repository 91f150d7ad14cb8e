// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <string_view>
#include <tuple>
#include <utility>

#include <tiers.skel.hpp>

#include <oomx/bytes.hpp>
#include <oomx/policy.hpp>
#include <oomx/rails.hpp>
#include <oomx/ranking.hpp>
#include <oomx/result.hpp>

namespace oomx::policies {

/// The least important first: of the cgroups with the highest preference::tier the one dies whole
/// that is furthest over its protection; nobody of tier 0 (bpf_templates/tiers.bpf.c).
struct tiers {
    using skeleton = ::tiers_bpf;       ///< made by bpftool of the compiled policy
    using config = ::oomx_tiers_config; ///< what both sides share

    /// What a program can set.
    struct options {
        bytes min_over{};        ///< who is over its protection by less is spared
        oomx::ranking ranking{}; ///< what it chooses from; the cgroup dies as a rule
        oomx::rails rails{};     ///< the limits it cannot leave
    };

    /// As the kernel's log and the decisions say it.
    static constexpr std::string_view name = "tiers";

    /// What may change while it is in force: everything.
    static constexpr std::tuple live{&config::rails, &config::ranking, &config::min_over};

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
        return config{*rails, *ranking, chosen.min_over.count()};
    }
};

static_assert(policy<tiers>);

} // namespace oomx::policies
