// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <algorithm>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/types.h>

#include <fmt/format.h>

#include <oomx/bytes.hpp>
#include <oomx/limit.hpp>
#include <oomx/result.hpp>
#include <oomx/text.hpp>

// What the plain files of a cgroup say; those with a structure of their own have headers of their
// own.

namespace oomx {

namespace text {

/// For content that is not what its file should hold.
[[nodiscard]] inline error unexpected(std::string_view content, std::string_view wanted) {
    return {errc::malformed, fmt::format("it holds {}, not {}", quoted(content), wanted)};
}

} // namespace text

/// A file that holds an amount of memory, such as memory.current. Error: malformed.
[[nodiscard]] inline result<bytes> parse_bytes(std::string_view content) {
    const auto [line, rest] = text::split_at(content, '\n');
    const auto count = content.ends_with('\n') && rest.empty() ? text::number(line) : std::nullopt;
    if (!count) {
        return failure(text::unexpected(content, "a number of bytes"));
    }
    return bytes{*count};
}

/// A file that holds a limit, such as memory.max. Error: malformed.
[[nodiscard]] inline result<limit> parse_limit(std::string_view content) {
    if (content == "max\n") {
        return limit::max();
    }
    const auto amount = parse_bytes(content);
    if (!amount) {
        return failure(text::unexpected(content, "'max' or a number of bytes"));
    }
    return limit{*amount};
}

/// A file that holds 0 or 1, such as memory.oom.group. Error: malformed.
[[nodiscard]] inline result<bool> parse_flag(std::string_view content) {
    if (content == "0\n" || content == "1\n") {
        return content.front() == '1';
    }
    return failure(text::unexpected(content, "0 or 1"));
}

/// A file that holds names with spaces between them, such as cgroup.controllers. Error: malformed.
[[nodiscard]] inline result<std::set<std::string, std::less<>>>
parse_names(std::string_view content) {
    std::set<std::string, std::less<>> names;
    auto read = text::for_each_line(content, [&](std::string_view line) -> result<void> {
        text::for_each_word(line, [&](std::string_view word) { names.emplace(word); });
        return {};
    });
    if (!read) {
        return pass_on(std::move(read));
    }
    return names;
}

/// cgroup.procs: ascending, each process once. The kernel's order is none, and it may name one
/// twice that was moved.
///
/// Errors: malformed; not_permitted for a process of another pid namespace, which the kernel calls
/// 0: a signal to 0 would go to the caller's own process group.
[[nodiscard]] inline result<std::vector<pid_t>> parse_processes(std::string_view content) {
    std::vector<pid_t> processes;
    auto read = text::for_each_line(content, [&](std::string_view line) -> result<void> {
        const auto pid = text::number<pid_t>(line);
        if (!pid) {
            return failure(text::unexpected(line, "the number of a process"));
        }
        if (*pid == 0) {
            return failure(errc::not_permitted,
                           "it names a process outside this process's pid namespace",
                           "run in the host's pid namespace (hostPID in Kubernetes, --pid=host "
                           "in Docker)");
        }
        processes.push_back(*pid);
        return {};
    });
    if (!read) {
        return pass_on(std::move(read));
    }
    std::ranges::sort(processes);
    const auto repeated = std::ranges::unique(processes);
    processes.erase(repeated.begin(), repeated.end());
    return processes;
}

} // namespace oomx
