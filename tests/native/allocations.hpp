// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cstddef>

namespace oomx::test {

/// How often this thread has asked for memory.
std::size_t allocations();

} // namespace oomx::test
