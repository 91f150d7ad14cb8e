// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <oomx/native/kernel_types.hpp>

namespace oomx::native {

/// Where the natively built code of a policy is, found by the class of its skeleton: the header
/// that oomx_add_policy() makes specializes it. To be linked: `<name>_native`.
template <typename Skeleton>
struct object;

} // namespace oomx::native
