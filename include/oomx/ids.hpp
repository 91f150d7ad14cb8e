// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cstdint>

namespace oomx {

/// The kernel's number for a cgroup: its kernfs id, never used again within one boot.
///
/// It is the inode number of the cgroup's directory on a 64-bit kernel (fs/kernfs/inode.c).
enum class cgroup_id : std::uint64_t {};

/// "Not one cgroup but the whole system", where the kernel interface says 0.
inline constexpr cgroup_id no_cgroup{0};

/// The root of the cgroup hierarchy (kernel/cgroup/cgroup.c).
inline constexpr cgroup_id root_cgroup{1};

/// A cgroup that the kernel does not tell.
inline constexpr cgroup_id unknown_cgroup{~std::uint64_t{0}};

} // namespace oomx
