// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <algorithm>
#include <cstddef>
#include <string_view>

#include <fmt/format.h>

#include <oomx/bytes.hpp>
#include <oomx/result.hpp>
#include <oomx/text.hpp>

/// What a scenario file must be before toml++ gets it, which is not made for what strangers write.
namespace oomx::native::detail {

/// What a file may be long.
inline constexpr std::size_t most_text = std::size_t{2} << 20;

/// A dot in a key is a level of nesting, which toml++ takes back by recursion; no key goes on over
/// the end of a line.
inline constexpr std::ptrdiff_t most_dots = 32;

inline constexpr std::string_view blanks = " \t\r\f\v";

/// A line that begins as a table's header, but with no name in it: toml++ 3.3 does not refuse that,
/// but takes for granted that it never happens.
[[nodiscard]] constexpr bool is_nameless(std::string_view line) {
    line.remove_prefix(std::min(line.find_first_not_of(blanks), line.size()));
    if (!line.starts_with('[')) {
        return false;
    }
    line.remove_prefix(line.starts_with("[[") ? 2 : 1);
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
    constexpr std::string_view begins_name = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                             "0123456789_-\"'";
    return line.empty() || !begins_name.contains(line.front());
}

/// A line with a } that follows nothing, or a comma or a [, where a value should be: the same.
[[nodiscard]] constexpr bool is_valueless(std::string_view line) {
    char before = '[';
    for (const char one : line) {
        if (one == '}' && (before == '[' || before == ',')) {
            return true;
        }
        before = blanks.contains(one) ? before : one;
    }
    return false;
}

/// What toml++ can take without running out of memory or stack, or failing an assertion.
[[nodiscard]] inline result<void> check_text(std::string_view text) {
    auto left = text.substr(0, most_text);
    for (int number = 1;; ++number) {
        const auto [line, rest] = text::split_at(left, '\n');
        if (std::ranges::count(line, '.') > most_dots) {
            return failure(errc::malformed,
                           fmt::format("line {}: it has more than {} dots", number, most_dots),
                           "write shorter names, and no dotted keys");
        }
        // Outside of strings toml++ 3.3 has no defined behaviour for most of them.
        if (std::ranges::any_of(line, [](char one) { return (one & 0x80) != 0; })) {
            return failure(errc::malformed,
                           fmt::format("line {}: it has a character that is not ASCII", number),
                           "write it in quotes as \\u and four hexadecimal digits");
        }
        if (is_nameless(line)) {
            return failure(errc::malformed,
                           fmt::format("line {}: no name comes after its bracket", number),
                           "write [machine], [cgroup.<name>] or [[step]]");
        }
        if (is_valueless(line)) {
            return failure(errc::malformed, fmt::format("line {}: it has a }} too many", number),
                           "write a value before it, and none at the beginning of a line");
        }
        if (rest.empty()) {
            return text.size() <= most_text
                       ? result<void>{}
                       : failure(errc::malformed,
                                 fmt::format("line {}: the file is longer than {}", number,
                                             bytes{most_text}),
                                 "describe a smaller machine");
        }
        left = rest;
    }
}

} // namespace oomx::native::detail
