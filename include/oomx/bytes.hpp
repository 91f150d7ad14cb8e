// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace oomx {

/// An amount of memory.
///
/// A type of its own, so that no page count, kilobyte count or plain number passes for one. A plain
/// value: safe to use from any thread that has its own copy.
class bytes {
public:
    constexpr bytes() = default;
    /// That many bytes, not kilobytes or pages.
    constexpr explicit bytes(std::uint64_t count) : count_{count} {}

    /// As a plain number of bytes, for arithmetic and interfaces that know no units.
    [[nodiscard]] constexpr std::uint64_t count() const { return count_; }

    friend constexpr auto operator<=>(bytes, bytes) = default;
    /// The sum, modulo 2^64.
    friend constexpr bytes operator+(bytes a, bytes b) { return bytes{a.count_ + b.count_}; }

private:
    std::uint64_t count_ = 0;
};

/// `64_MiB`: using namespace oomx::literals.
inline namespace literals {

/// 1024 bytes each.
consteval bytes operator""_KiB(unsigned long long n) { return bytes{n << 10}; }

/// 1024 KiB each.
consteval bytes operator""_MiB(unsigned long long n) { return bytes{n << 20}; }

/// 1024 MiB each.
consteval bytes operator""_GiB(unsigned long long n) { return bytes{n << 30}; }

} // namespace literals

} // namespace oomx

/// Prints in the largest binary unit that leaves a value of at least one: `30.1 MiB`, `512 B`.
/// Takes the width and alignment of a string.
template <>
struct fmt::formatter<oomx::bytes> : fmt::formatter<std::string_view> {
    auto format(oomx::bytes amount, fmt::format_context& context) const {
        return fmt::formatter<std::string_view>::format(text(amount.count()), context);
    }

private:
    static std::string text(std::uint64_t count) {
        constexpr std::array units{"KiB", "MiB", "GiB", "TiB", "PiB", "EiB"};
        if (count < 1024) {
            return fmt::format("{} B", count);
        }
        double value = static_cast<double>(count) / 1024;
        std::size_t unit = 0;
        // What would round to 1024.0 of one unit is 1.0 of the next.
        while (value >= 1023.95) {
            value /= 1024;
            ++unit;
        }
        return fmt::format("{:.1f} {}", value, units[unit]);
    }
};
