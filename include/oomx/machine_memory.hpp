// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cstdint>

#include <sys/sysinfo.h>

#include <oomx/bytes.hpp>

namespace oomx {

/// The memory and the swap of this machine together, as they are now; 0 if the kernel does not say
/// (sysinfo(2)).
[[nodiscard]] inline bytes machine_memory() {
    struct sysinfo now{};
    if (::sysinfo(&now) != 0) {
        return bytes{};
    }
    return bytes{(std::uint64_t{now.totalram} + now.totalswap) * now.mem_unit};
}

} // namespace oomx
