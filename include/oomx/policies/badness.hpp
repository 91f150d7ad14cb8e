// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <string_view>
#include <tuple>
#include <utility>

#include <badness.skel.hpp>

#include <oomx/policy.hpp>
#include <oomx/rails.hpp>
#include <oomx/ranking.hpp>
#include <oomx/result.hpp>

namespace oomx::policies {

/// The kernel's own rule inside the OOM's scope: the process dies that holds the most in memory,
/// swap and page tables, oom_score_adj added (bpf_templates/badness.bpf.c).
struct badness {
    using skeleton = ::badness_bpf;       ///< made by bpftool of the compiled policy
    using config = ::oomx_badness_config; ///< what both sides share

    /// What a program can set.
    struct options {
        oomx::ranking ranking{}; ///< what it chooses from; the process dies as a rule
        oomx::rails rails{};     ///< the limits it cannot leave
    };

    /// As the kernel's log and the decisions say it.
    static constexpr std::string_view name = "badness";

    /// What may change while it is in force: everything.
    static constexpr std::tuple live{&config::rails, &config::ranking};

    /// The config that these options make. Error: invalid_argument, for the rails and the ranking.
    [[nodiscard]] static result<config> configure(const options& chosen) {
        auto rails = chosen.rails.raw();
        if (!rails) {
            return pass_on(std::move(rails));
        }
        auto ranking = chosen.ranking.raw(granularity::process);
        if (!ranking) {
            return pass_on(std::move(ranking));
        }
        return config{*rails, *ranking};
    }
};

static_assert(policy<badness>);

} // namespace oomx::policies
