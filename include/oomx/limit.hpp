// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <compare>
#include <cstdint>
#include <limits>
#include <string>
#include <string_view>

#include <fmt/format.h>

#include <oomx/bytes.hpp>

namespace oomx {

/// A bound on an amount of memory, or "max", which is none: what memory.max and its like hold.
///
/// "max" is above every other limit. A plain value: safe to use from any thread that has its own
/// copy.
class limit {
public:
    /// A bound of that many bytes.
    constexpr explicit limit(bytes amount) : amount_{amount} {}

    /// No bound.
    [[nodiscard]] static constexpr limit max() {
        return limit{bytes{std::numeric_limits<std::uint64_t>::max()}};
    }

    /// Whether there is no bound.
    [[nodiscard]] constexpr bool is_max() const { return *this == max(); }

    /// The bound; for "max" the largest amount there is, so that `used < limit.amount()` holds.
    [[nodiscard]] constexpr bytes amount() const { return amount_; }

    friend constexpr auto operator<=>(limit, limit) = default;

private:
    bytes amount_;
};

} // namespace oomx

/// Prints as an amount of memory does: `30.1 MiB`, or `max`.
template <>
struct fmt::formatter<oomx::limit> : fmt::formatter<std::string_view> {
    auto format(oomx::limit bound, fmt::format_context& context) const {
        return fmt::formatter<std::string_view>::format(
            bound.is_max() ? std::string{"max"} : fmt::format("{}", bound.amount()), context);
    }
};
