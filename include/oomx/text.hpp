// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <algorithm>
#include <array>
#include <cerrno>
#include <charconv>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include <oomx/result.hpp>
#include <oomx/unique_fd.hpp>

// The kernel's small text files, and the forms they come in (Documentation/admin-guide/
// cgroup-v2.rst, "Format"). What is not in its form is malformed, never guessed at: a line that has
// no end may be half a number.

namespace oomx::text {

/// A file's whole content; if there are more bytes than `most`, not all of them, but more than
/// that. `directory` as for openat(): AT_FDCWD for a path of its own.
///
/// Error: system, with the errno for the caller to explain.
[[nodiscard]] inline result<std::string> read_whole(int directory, const std::string& file,
                                                    std::size_t most = std::string::npos) {
    const unique_fd source{::openat(directory, file.c_str(), O_RDONLY | O_CLOEXEC)};
    std::string content;
    std::array<char, 4096> buffer{};
    ssize_t got = source ? 1 : -1;
    while (got > 0 && content.size() <= most) {
        got = ::read(source.native_handle(), buffer.data(), buffer.size());
        if (got > 0) {
            content.append(buffer.data(), static_cast<std::size_t>(got));
        }
    }
    if (got < 0) {
        return failure(errc::system, errno, "refused");
    }
    return content;
}

/// As an error shows it: escaped, in quotes, and not more than the beginning of it.
[[nodiscard]] inline std::string quoted(std::string_view content) {
    constexpr std::size_t shown = 40;
    return fmt::format("{:?}{}", content.substr(0, shown), content.size() > shown ? "..." : "");
}

/// What is before and behind a separator.
struct halves {
    std::string_view head; ///< the whole, where there is no separator
    std::string_view tail; ///< empty, where there is none
};

/// Splits at the first separator.
[[nodiscard]] constexpr halves split_at(std::string_view content, char separator) {
    const auto at = content.find(separator);
    if (at == std::string_view::npos) {
        return {content, {}};
    }
    return {content.substr(0, at), content.substr(at + 1)};
}

/// Calls `each` with every word of a line.
template <typename Each>
void for_each_word(std::string_view line, Each each) {
    while (!line.empty()) {
        const auto [word, rest] = split_at(line, ' ');
        if (!word.empty()) {
            each(word);
        }
        line = rest;
    }
}

/// Calls `each` with every line, without its end, until it fails: it gives a result<void>.
///
/// Errors: those of `each`; malformed if the last line has no end.
template <typename Each>
[[nodiscard]] result<void> for_each_line(std::string_view content, Each each) {
    if (!content.empty() && content.back() != '\n') {
        return failure(errc::malformed,
                       fmt::format("its last line has no end: {}",
                                   quoted(content.substr(content.rfind('\n') + 1))));
    }
    while (!content.empty()) {
        const auto [line, rest] = split_at(content, '\n');
        if (auto done = each(line); !done) {
            return done;
        }
        content = rest;
    }
    return {};
}

/// A decimal number without sign, and nothing else; nothing if it does not fit, too.
template <typename Number = std::uint64_t>
[[nodiscard]] std::optional<Number> number(std::string_view word) {
    Number value = 0;
    const char* const end = word.data() + word.size();
    // NOLINTNEXTLINE(bugprone-suspicious-stringview-data-usage): its end is given
    const auto [stop, cause] = std::from_chars(word.data(), end, value);
    if (cause != std::errc{} || stop != end || word.front() == '-') {
        return std::nullopt;
    }
    return value;
}

/// Calls `each` with the name and number of every line of a file such as memory.events:
/// `oom_kill 3`.
///
/// Error: malformed.
template <typename Each>
[[nodiscard]] result<void> for_each_counter(std::string_view content, Each each) {
    return for_each_line(content, [&](std::string_view line) -> result<void> {
        const auto [name, digits] = split_at(line, ' ');
        const auto value = number(digits);
        if (name.empty() || !value) {
            return failure(
                errc::malformed,
                fmt::format("a line of it is {}, not a name and a number", quoted(line)));
        }
        each(name, *value);
        return {};
    });
}

/// Which member of a record a counter of the file goes to.
template <typename Record, typename Value>
using field = std::pair<std::string_view, Value Record::*>;

/// Fills a record from a file of counters. Counters without a field are passed over: newer kernels
/// have more.
///
/// Error: malformed, also if a field's counter is missing.
template <typename Record, typename Value, std::size_t Count>
[[nodiscard]] result<Record> parse_counters(std::string_view content,
                                            const std::array<field<Record, Value>, Count>& fields) {
    Record record{};
    std::array<bool, Count> found{};
    auto read = for_each_counter(content, [&](std::string_view name, std::uint64_t value) {
        const auto which = std::ranges::find(fields, name, &field<Record, Value>::first);
        if (which != fields.end()) {
            record.*which->second = Value{value};
            found[static_cast<std::size_t>(which - fields.begin())] = true;
        }
    });
    if (!read) {
        return pass_on(std::move(read));
    }
    if (const auto missing = std::ranges::find(found, false); missing != found.end()) {
        const auto& name = fields[static_cast<std::size_t>(missing - found.begin())].first;
        return failure(errc::malformed, fmt::format("it has no '{}'", name));
    }
    return record;
}

/// The number behind one name in a file of counters, nothing if it is not there.
[[nodiscard]] inline std::optional<std::uint64_t> find_counter(std::string_view content,
                                                               std::string_view name) {
    while (!content.empty()) {
        const auto [line, rest] = split_at(content, '\n');
        if (const auto [key, digits] = split_at(line, ' '); key == name) {
            return number(digits);
        }
        content = rest;
    }
    return std::nullopt;
}

} // namespace oomx::text
