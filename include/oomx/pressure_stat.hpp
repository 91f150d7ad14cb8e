// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <oomx/result.hpp>
#include <oomx/text.hpp>

namespace oomx {

/// How much of the time tasks stood still for want of something.
///
/// A plain value: safe to use from any thread that has its own copy.
struct stall_share {
    double avg10 = 0;                   ///< percent of the time, over about the last 10 seconds
    double avg60 = 0;                   ///< the same over 60 seconds
    double avg300 = 0;                  ///< the same over 300 seconds
    std::chrono::microseconds total{0}; ///< stalled altogether, exact

    friend bool operator==(const stall_share&, const stall_share&) = default;
};

/// A pressure file: memory.pressure, io.pressure or cpu.pressure of a cgroup, or one of the
/// system's in /proc/pressure (Documentation/accounting/psi.rst).
///
/// A plain value: safe to use from any thread that has its own copy.
struct pressure_stat {
    stall_share some;                ///< at least one task stood still
    std::optional<stall_share> full; ///< all of them did; nothing where the kernel does not tell:
                                     ///< cpu before 5.13

    friend bool operator==(const pressure_stat&, const pressure_stat&) = default;
};

/// Reads the content of a pressure file. Lines and values of newer kernels are passed over.
///
/// Error: malformed.
[[nodiscard]] result<pressure_stat> parse_pressure_stat(std::string_view content);

namespace text {

/// "12.34": nothing if it is not of that form.
[[nodiscard]] inline std::optional<double> percentage(std::string_view word) {
    const auto [whole, hundredths] = split_at(word, '.');
    const auto ones = number<std::uint32_t>(whole);
    const auto rest = number<std::uint32_t>(hundredths);
    if (!ones || !rest || hundredths.size() != 2) {
        return std::nullopt;
    }
    return *ones + *rest / 100.0;
}

/// "avg10=0.00 avg60=0.00 avg300=0.00 total=0", in any order.
[[nodiscard]] inline std::optional<stall_share> stalls(std::string_view values) {
    std::optional<double> avg10;
    std::optional<double> avg60;
    std::optional<double> avg300;
    std::optional<std::chrono::microseconds::rep> total;
    for_each_word(values, [&](std::string_view word) {
        const auto [name, value] = split_at(word, '=');
        if (name == "avg10") {
            avg10 = percentage(value);
        } else if (name == "avg60") {
            avg60 = percentage(value);
        } else if (name == "avg300") {
            avg300 = percentage(value);
        } else if (name == "total") {
            total = number<std::chrono::microseconds::rep>(value);
        }
    });
    if (!avg10 || !avg60 || !avg300 || !total) {
        return std::nullopt;
    }
    return stall_share{*avg10, *avg60, *avg300, std::chrono::microseconds{*total}};
}

} // namespace text

inline result<pressure_stat> parse_pressure_stat(std::string_view content) {
    std::optional<stall_share> some;
    std::optional<stall_share> full;
    auto read = text::for_each_line(content, [&](std::string_view line) -> result<void> {
        const auto [kind, values] = text::split_at(line, ' ');
        if (kind != "some" && kind != "full") {
            return {};
        }
        auto& share = kind == "some" ? some : full;
        share = text::stalls(values);
        if (!share) {
            return failure(errc::malformed,
                           fmt::format("a line of it is {}, not '{} avg10=0.00 avg60=0.00 "
                                       "avg300=0.00 total=0' in form",
                                       text::quoted(line), kind));
        }
        return {};
    });
    if (!read) {
        return pass_on(std::move(read));
    }
    if (!some) {
        return failure(errc::malformed, "it has no 'some' line");
    }
    return pressure_stat{*some, full};
}

} // namespace oomx
