// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <string_view>

#include <fcntl.h>

#include <fmt/format.h>

#include <oomx/result.hpp>
#include <oomx/text.hpp>

namespace oomx {

/// Where this process sees cgroups.
///
/// Safe to read from several threads at once.
struct cgroup_mounts {
    std::optional<std::filesystem::path> v2; ///< the first mount of the cgroup v2 hierarchy
    bool memory_on_v1 = false;               ///< cgroup v1 holds the memory controller: v2 lacks it

    /// How to come by a cgroup v2 with the memory controller here, as the end of an error's text.
    [[nodiscard]] std::string remedy() const {
        constexpr std::string_view boot = "boot with systemd.unified_cgroup_hierarchy=1";
        if (!v2) {
            return fmt::format("no cgroup v2 is mounted here: {}, or mount it (mount -t cgroup2)",
                               boot);
        }
        if (memory_on_v1) {
            return fmt::format("cgroup v2 is mounted at {}, but cgroup v1 holds the memory "
                               "controller: {}",
                               v2->native(), boot);
        }
        return fmt::format("name one below the cgroup v2 mount, {}", v2->native());
    }
};

namespace text {

/// A path as /proc/self/mounts has it: spaces and the like as `\040`.
[[nodiscard]] inline std::string unescape_mount(std::string_view path) {
    const auto octal = [](char c) { return c >= '0' && c <= '7'; };
    std::string plain;
    for (std::size_t i = 0; i < path.size(); ++i) {
        if (path[i] == '\\' && i + 3 < path.size() && octal(path[i + 1]) && octal(path[i + 2]) &&
            octal(path[i + 3])) {
            plain += static_cast<char>((path[i + 1] - '0') * 64 + (path[i + 2] - '0') * 8 +
                                       (path[i + 3] - '0'));
            i += 3;
        } else {
            plain += path[i];
        }
    }
    return plain;
}

} // namespace text

/// Reads the content of /proc/self/mounts. Lines of another form are passed over.
[[nodiscard]] inline cgroup_mounts parse_cgroup_mounts(std::string_view content) {
    cgroup_mounts found;
    while (!content.empty()) {
        const auto [line, rest] = text::split_at(content, '\n');
        content = rest;
        const auto [device, of_path] = text::split_at(line, ' ');
        const auto [path, of_type] = text::split_at(of_path, ' ');
        const auto [type, of_options] = text::split_at(of_type, ' ');
        auto options = text::split_at(of_options, ' ').head;
        if (type == "cgroup2" && !found.v2) {
            found.v2 = text::unescape_mount(path);
        }
        while (type == "cgroup" && !options.empty()) {
            const auto [option, others] = text::split_at(options, ',');
            found.memory_on_v1 |= option == "memory";
            options = others;
        }
    }
    return found;
}

/// Those of the running process; none where /proc cannot be read.
[[nodiscard]] inline cgroup_mounts find_cgroup_mounts() {
    const auto content = text::read_whole(AT_FDCWD, "/proc/self/mounts");
    return content ? parse_cgroup_mounts(*content) : cgroup_mounts{};
}

} // namespace oomx
