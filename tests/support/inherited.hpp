// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <array>
#include <cstdio>
#include <stdexcept>
#include <string>

namespace oomx::test {

/// The numbers of the descriptors that a program started now finds open, a line each: its own
/// three, the one it looks with, and whatever leaks to it.
inline std::string inherited_descriptors() {
    std::FILE* const out = ::popen("exec ls /proc/self/fd", "re");
    if (out == nullptr) {
        throw std::runtime_error{"start ls: refused"};
    }
    std::string numbers;
    std::array<char, 64> line{};
    while (std::fgets(line.data(), line.size(), out) != nullptr) {
        numbers += line.data();
    }
    if (::pclose(out) != 0) {
        throw std::runtime_error{"run ls /proc/self/fd: it failed"};
    }
    return numbers;
}

} // namespace oomx::test
