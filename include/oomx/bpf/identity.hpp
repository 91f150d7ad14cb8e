// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>

namespace oomx::bpf {

/// Tells one compiled policy from another: the 64-bit FNV-1a hash of its bytes
/// (http://www.isthe.com/chongo/tech/comp/fnv). Against mistakes, not against an attacker: whoever
/// can pin a policy may do worse.
[[nodiscard]] constexpr std::uint64_t identity_of(std::span<const std::byte> object) {
    std::uint64_t hash = 0xcbf29ce484222325;
    for (const std::byte one : object) {
        hash = (hash ^ std::to_integer<std::uint64_t>(one)) * 0x100000001b3;
    }
    return hash;
}

} // namespace oomx::bpf
