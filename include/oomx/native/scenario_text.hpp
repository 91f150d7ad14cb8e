// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <algorithm>
#include <cstddef>
#include <optional>
#include <string>
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

/// A line without its comment, and with an x for each character of a string; quotes stay.
[[nodiscard]] constexpr std::string bare(std::string_view line) {
    std::string left;
    char quote = 0; // of the string that is open
    bool escaped = false;
    for (const char one : line) {
        if (quote == 0 && one == '#') {
            break;
        }
        const bool delimits = quote == 0 ? one == '"' || one == '\'' : one == quote && !escaped;
        left += delimits || quote == 0 ? one : 'x';
        escaped = quote == '"' && one == '\\' && !escaped;
        if (delimits) {
            quote = quote == 0 ? one : '\0';
        }
    }
    return left;
}

[[nodiscard]] constexpr bool is_blank(char one) { return one == ' ' || one == '\t'; }

/// What TOML allows nowhere; a tab and the carriage return of a line's end are something else.
[[nodiscard]] constexpr bool has_control(std::string_view line) {
    line.remove_suffix(line.ends_with('\r') ? 1 : 0);
    return std::ranges::any_of(
        line, [](char one) { return (0 <= one && one < ' ' && one != '\t') || one == '\x7f'; });
}

/// A line that begins as a table's header, but with no name in it: toml++ 3.3 does not refuse that,
/// but takes for granted that it never happens.
[[nodiscard]] constexpr bool is_nameless(std::string_view line) {
    line.remove_prefix(std::min(line.find_first_not_of(" \t"), line.size()));
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
        before = is_blank(one) ? before : one;
    }
    return false;
}

/// The first -, : or quote in what begins as a number. It could be a date or time, which no key
/// takes, or half of one: toml++ 3.3 takes for granted that there is the rest.
[[nodiscard]] constexpr std::optional<char> goes_on_with(std::string_view line) {
    constexpr std::string_view before_value = " \t=[,";
    constexpr std::string_view after_value = " \t],}";
    constexpr std::string_view refused = "-:\"'";
    bool in_number = false;
    char before = '[';
    for (const char one : line) {
        if (in_number && refused.contains(one)) {
            return one;
        }
        in_number = in_number ? !after_value.contains(one)
                              : '0' <= one && one <= '9' && before_value.contains(before);
        before = one;
    }
    return std::nullopt;
}

/// What is wrong with a line, and what to write instead.
struct text_fault {
    std::string cause;
    std::string_view remedy;
};

[[nodiscard]] inline std::optional<text_fault> fault_in(std::string_view line) {
    // Outside of strings toml++ 3.3 has no defined behaviour for most of them.
    if (std::ranges::any_of(line, [](char one) { return (one & 0x80) != 0; })) {
        return text_fault{"it has a character that is not ASCII",
                          "write it in quotes as \\u and four hexadecimal digits"};
    }
    if (has_control(line)) {
        return text_fault{"it has a control character",
                          "write it in quotes as \\u and four hexadecimal digits"};
    }
    const auto outside = bare(line);
    if (outside.contains("\"\"\"") || outside.contains("'''")) {
        return text_fault{"it begins a text of several lines", "write it in one, with \\n"};
    }
    if (std::ranges::count(outside, '.') > most_dots) {
        return text_fault{fmt::format("it has more than {} dots", most_dots),
                          "use fewer dotted keys"};
    }
    if (is_nameless(outside)) {
        return text_fault{"no name comes after its bracket",
                          "write [machine], [cgroup.<name>] or [[step]]"};
    }
    if (is_valueless(outside)) {
        return text_fault{"it has a } too many",
                          "write a value before it, and none at the beginning of a line"};
    }
    if (const auto next = goes_on_with(outside)) {
        return text_fault{fmt::format("it has a number that goes on with {}", *next),
                          "write a whole number, or a text in quotes"};
    }
    return std::nullopt;
}

/// What toml++ can take without running out of memory or stack, or failing an assertion.
[[nodiscard]] inline result<void> check_text(std::string_view text) {
    auto left = text.substr(0, most_text);
    for (int number = 1;; ++number) {
        const auto [line, rest] = text::split_at(left, '\n');
        if (const auto fault = fault_in(line)) {
            return failure(errc::malformed, fmt::format("line {}: {}", number, fault->cause),
                           std::string{fault->remedy});
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
