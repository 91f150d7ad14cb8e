// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cstdint>

#include <fmt/format.h>

#include <oomx/preference.h>
#include <oomx/result.hpp>

namespace oomx {

/// What a program says of a cgroup and of all below it, also of what appears there later. The
/// nearest one upwards holds, whole, but for never_kill, which nobody below takes back. A plain
/// value.
struct preference {
    std::uint32_t tier = 0;  ///< up to 65535; policies::tiers: the highest dies first, 0 never
    std::int32_t value = 0;  ///< a policy's own meaning; as a rule -1000 to 1000, higher dies first
    bool never_kill = false; ///< a rail, whatever the policy

    /// Alike in all of these.
    friend bool operator==(const preference&, const preference&) = default;

    /// As the policy reads it. Error: invalid_argument.
    [[nodiscard]] result<oomx_preference> raw() const {
        if (tier > OOMX_MAX_TIER) {
            return failure(errc::invalid_argument, fmt::format("preference.tier is {}", tier),
                           fmt::format("give 0 to {}", OOMX_MAX_TIER));
        }
        return oomx_preference{tier, value, never_kill ? 1U : 0U, 0};
    }

    /// Of what the policy reads.
    [[nodiscard]] static preference from(const oomx_preference& raw) {
        return {raw.tier, raw.preference, raw.never_kill != 0};
    }
};

} // namespace oomx
