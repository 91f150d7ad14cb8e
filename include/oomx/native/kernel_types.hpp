// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

// In the global namespace, where the rest of the library has them.
#include <linux/types.h>
#include <stdbool.h>

#include <oomx/config.h>
#include <oomx/preference.h>
#include <oomx/pressure.h>

// NOLINTBEGIN(readability-identifier-naming)

/// The kernel's types and the table of its functions as a natively built policy sees them, in a
/// namespace of their own: `struct cgroup` must not meet another one's.
namespace oomx::native::kernel {
#include <oomx/native.h>
} // namespace oomx::native::kernel

// NOLINTEND(readability-identifier-naming)
