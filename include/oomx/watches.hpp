// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <chrono>
#include <cstdint>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <oomx/pressure.hpp>
#include <oomx/rails.hpp>
#include <oomx/result.hpp>

namespace oomx {

/// What a pressure policy waits for, and the limits within which it acts.
struct watches {
    /// One to 64. One that is removed is watched no longer; the others are.
    std::vector<watch> watched{};

    /// Between two OOMs that the policy declares, wherever they are. Give a victim's memory the
    /// time to come back: until the window has passed the stall from before the kill still counts.
    std::chrono::nanoseconds min_interval = std::chrono::seconds{5};

    oomx::mode mode = oomx::mode::enforce; ///< whether it acts, or only records

    /// On a kernel whose triggers fire only once, as those of the posted series do: how many the
    /// policy makes anew before an attach has to start over. See declaration::deaf().
    std::uint32_t max_renewed = 1024;

    /// As the policy reads them. Error: invalid_argument.
    [[nodiscard]] result<oomx_watches> raw() const {
        if (watched.empty() || watched.size() > OOMX_WATCHES) {
            return failure(errc::invalid_argument,
                           fmt::format("{} cgroups are to be watched", watched.size()),
                           fmt::format("name one to {}", OOMX_WATCHES));
        }
        if (min_interval < std::chrono::nanoseconds::zero()) {
            return failure(errc::invalid_argument, "min_interval is negative", "give zero or more");
        }
        oomx_watches all{};
        all.min_interval_ns = static_cast<std::uint64_t>(min_interval.count());
        all.mode = static_cast<std::uint32_t>(mode);
        all.max_renewed = max_renewed;
        for (const watch& each : watched) {
            auto one = within(each.raw(), [&] { return watch::name(all.count, each.where); });
            if (!one) {
                return pass_on(std::move(one));
            }
            all.watch[all.count++] = *one;
        }
        return all;
    }
};

} // namespace oomx
