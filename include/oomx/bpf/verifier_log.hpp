// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <string_view>

namespace oomx::bpf {

/// The line of a verifier log (or of libbpf's messages) that says what is wrong: the last one that
/// is neither empty nor the statistics the verifier closes with. Empty if there is none.
[[nodiscard]] constexpr std::string_view last_meaningful_line(std::string_view log) {
    const auto says_nothing = [](std::string_view line) {
        return line.find_first_not_of(" \t\r\0") == std::string_view::npos ||
               line.starts_with("processed ") || line.starts_with("verification time ") ||
               line.starts_with("stack depth ");
    };
    // The kernel's log ends with a NUL inside the caller's buffer.
    log = log.substr(0, log.find('\0'));
    while (!log.empty()) {
        const auto end = log.find_last_of('\n');
        const auto line = end == std::string_view::npos ? log : log.substr(end + 1);
        if (!says_nothing(line)) {
            return line;
        }
        log = end == std::string_view::npos ? std::string_view{} : log.substr(0, end);
    }
    return {};
}

} // namespace oomx::bpf
