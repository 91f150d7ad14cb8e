// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <string_view>

namespace oomx::bpf {

namespace detail {

/// The last line that says something: it is neither empty nor one of the statistics that close a
/// verifier log. Empty if there is none.
[[nodiscard]] constexpr std::string_view last_line(std::string_view log) {
    const auto says_nothing = [](std::string_view line) {
        return line.find_first_not_of(" \t\r\0") == std::string_view::npos ||
               line.starts_with("processed ") || line.starts_with("verification time ") ||
               line.starts_with("stack depth ");
    };
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

/// Whether a line only shows the program: an instruction ("12: (85) call …") or its source ("; …").
[[nodiscard]] constexpr bool shows_program(std::string_view line) {
    const auto behind_number = line.find_first_not_of("0123456789");
    return line.starts_with(';') || (behind_number != std::string_view::npos && behind_number > 0 &&
                                     line[behind_number] == ':');
}

} // namespace detail

/// The line of a verifier log (or of libbpf's messages) that says what is wrong. Empty if there is
/// none.
///
/// It is the last line but for statistics. Linux 7.x has a report below it ("Verification failed:
/// …"), which explains the line and ends with a suggestion (kernel/bpf/diagnostics.c); the report's
/// heading is taken where no such line stands above it.
[[nodiscard]] constexpr std::string_view last_meaningful_line(std::string_view log) {
    constexpr std::string_view heading = "\nVerification failed: ";
    // The kernel's log ends with a NUL inside the caller's buffer.
    log = log.substr(0, log.find('\0'));
    if (const auto at = log.rfind(heading); at != std::string_view::npos) {
        const auto above = detail::last_line(log.substr(0, at));
        if (!above.empty() && !detail::shows_program(above)) {
            return above;
        }
        const auto report = log.substr(at + heading.size());
        return report.substr(0, report.find('\n'));
    }
    return detail::last_line(log);
}

} // namespace oomx::bpf
