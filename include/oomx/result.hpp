// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <expected>
#include <utility>

#include <oomx/error.hpp>

namespace oomx {

/// A value or the reason why there is none. The library reports every failure this way and throws
/// nothing. The only header that names std::expected.
template <typename T>
using result = std::expected<T, error>;

/// `return failure(errc::busy, EBUSY, "cause", "remedy");`
template <typename... Args>
[[nodiscard]] std::unexpected<error> failure(Args&&... args) {
    return std::unexpected<error>{error{std::forward<Args>(args)...}};
}

/// Hands a failure up as it is, into a result of another type.
template <typename T>
[[nodiscard]] std::unexpected<error> pass_on(result<T>&& failed) {
    return std::unexpected<error>{std::move(failed).error()};
}

/// The result, its error saying what was being done: `doing()` gives "verb object".
///
/// libstdc++ 12 has std::expected without its monadic members, so this is a function.
template <typename T, typename Doing>
[[nodiscard]] result<T> within(result<T> outcome, Doing doing) {
    if (!outcome) {
        return std::unexpected<error>{std::move(outcome).error().within(doing())};
    }
    return outcome;
}

} // namespace oomx
