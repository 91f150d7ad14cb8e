// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <string_view>

// How the fields that all records have are read, and what cannot be in them.

namespace oomx::detail {

/// A text that ends with its first zero, or with its field.
template <std::size_t Size>
[[nodiscard]] std::string_view text_in(const char (&field)[Size]) {
    return {field, ::strnlen(field, Size)};
}

[[nodiscard]] constexpr bool is_error_or_none(int error) {
    constexpr int largest_errno = 4095; // include/linux/err.h
    return error <= 0 && error >= -largest_errno;
}

/// Whether std::chrono::nanoseconds can hold it.
[[nodiscard]] constexpr bool is_time(std::uint64_t nanoseconds) {
    return nanoseconds <= static_cast<std::uint64_t>(std::chrono::nanoseconds::max().count());
}

} // namespace oomx::detail
