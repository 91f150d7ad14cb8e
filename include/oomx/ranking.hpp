// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cstdint>
#include <optional>

#include <fmt/format.h>

#include <oomx/config.h>
#include <oomx/preference.h>
#include <oomx/result.hpp>

namespace oomx {

/// How much of the chosen cgroup dies.
enum class granularity : std::uint32_t {
    cgroup = OOMX_CGROUP,   ///< all its processes
    process = OOMX_PROCESS, ///< one of them, and with it its memory.oom.group
};

/// What a policy that ranks has to choose from. A plain value.
struct ranking {
    /// Candidates are the cgroups this many levels below the OOM's scope, with all that is below
    /// them, and leaves above that level; 0: the leaves. A cgroup with memory.oom.group is one
    /// candidate whatever this says. Up to 64.
    std::uint32_t level = 0;

    /// What dies of the candidate that is chosen; without a value what is usual for the policy.
    std::optional<oomx::granularity> granularity{};

    /// Alike in both.
    friend bool operator==(const ranking&, const ranking&) = default;

    /// As the policy reads it, whose usual granularity is this. Error: invalid_argument.
    [[nodiscard]] result<oomx_ranking> raw(oomx::granularity usual) const {
        if (level > OOMX_MAX_DEPTH) {
            return failure(errc::invalid_argument,
                           fmt::format("ranking.level is {}: so deep nobody is looked for", level),
                           fmt::format("give 1 to {}, or 0 for leaves", OOMX_MAX_DEPTH));
        }
        const auto dies = granularity.value_or(usual);
        if (dies != granularity::cgroup && dies != granularity::process) {
            return failure(errc::invalid_argument,
                           "ranking.granularity is neither cgroup nor process",
                           "give one of the two");
        }
        return oomx_ranking{level, static_cast<std::uint32_t>(dies)};
    }
};

} // namespace oomx
