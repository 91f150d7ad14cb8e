// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cstdio>
#include <cstdlib>
#include <source_location>

#include <fmt/format.h>

namespace oomx::test {

/// What must hold for every input; libFuzzer takes an abort for a finding.
inline void require(bool condition, std::source_location where = std::source_location::current()) {
    if (!condition) {
        fmt::print(stderr, "{}:{}: this must hold\n", where.file_name(), where.line());
        std::abort();
    }
}

} // namespace oomx::test
