// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Pressure files, over any text.
#include <chrono>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <string_view>

#include <oomx/pressure_stat.hpp>

#include "fuzz/require.hpp"

using oomx::test::require;

namespace {

void check(const oomx::stall_share& share) {
    for (const double average : {share.avg10, share.avg60, share.avg300}) {
        require(std::isfinite(average) && average >= 0);
    }
    require(share.total >= std::chrono::microseconds{0});
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto stat = oomx::parse_pressure_stat({reinterpret_cast<const char*>(data), size});
    if (!stat) {
        require(stat.error().code() == oomx::errc::malformed);
        require(stat.error().message().size() < 1000);
        return 0;
    }
    check(stat->some);
    if (stat->full) {
        check(*stat->full);
    }
    return 0;
}
