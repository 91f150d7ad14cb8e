// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cstdint>

#include <oomx/config.h>

namespace oomx {

/// What a loaded policy has done since it was loaded, over all its attachments.
struct counters {
    std::uint64_t handled = 0;  ///< OOM events that ended in a kill or in waiting for a victim
    std::uint64_t declined = 0; ///< OOM events left to the parent or to the kernel
    std::uint64_t waited = 0;   ///< OOM events at which an earlier victim was still dying
    std::uint64_t dropped = 0;  ///< records lost because the ring buffer was full

    /// Reads what a policy goes on counting: each number is whole, all four are not of one moment.
    [[nodiscard]] static counters read(const oomx_control& control) {
        const auto load = [](const auto& number) {
            return static_cast<std::uint64_t>(__atomic_load_n(&number, __ATOMIC_RELAXED));
        };
        return {load(control.handled), load(control.declined), load(control.waited),
                load(control.dropped)};
    }
};

} // namespace oomx
