// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cstring>
#include <tuple>

#include <oomx/result.hpp>

namespace oomx {

/// Refuses a config that cannot take the place of another while the policy is in force: they differ
/// in a field that P::live, a std::tuple of pointers to members of P::config, lacks. Error:
/// invalid_argument.
template <typename P>
[[nodiscard]] result<void> check_live_fields(typename P::config now, typename P::config next) {
    std::apply([&](auto... live) { (((now.*live = {}), (next.*live = {})), ...); }, P::live);
    if (std::memcmp(&now, &next, sizeof now) != 0) {
        return failure(errc::invalid_argument, "a field that is fixed at load would change",
                       "load the policy with these options and let attachment::replace() put it "
                       "in the place of this one");
    }
    return {};
}

} // namespace oomx
