// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>

namespace oomx::test {

/// The first mount of that filesystem type.
inline std::optional<std::filesystem::path> mount_of(std::string_view wanted) {
    std::ifstream mounts{"/proc/self/mounts"};
    std::string device;
    std::string path;
    std::string type;
    std::string rest;
    while (mounts >> device >> path >> type && std::getline(mounts, rest)) {
        if (type == wanted) {
            return path;
        }
    }
    return std::nullopt;
}

} // namespace oomx::test
