// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <stdexcept>
#include <type_traits>
#include <utility>

#include <oomx/result.hpp>

namespace oomx::test {

/// The value, or the end of the test with the error's text.
template <typename T>
T must(result<T> outcome) {
    if (!outcome) {
        throw std::runtime_error{outcome.error().message()};
    }
    if constexpr (!std::is_void_v<T>) {
        return std::move(*outcome);
    }
}

} // namespace oomx::test
