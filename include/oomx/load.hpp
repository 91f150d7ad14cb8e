// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <utility>

#include <fmt/format.h>

#include <oomx/loaded_policy.hpp>
#include <oomx/opened_policy.hpp>
#include <oomx/policy.hpp>
#include <oomx/result.hpp>

namespace oomx {

/// Opens a policy, to be configured and loaded step by step. Errors as opened_policy::open().
template <policy P>
[[nodiscard]] result<opened_policy<P>> open() {
    return within(opened_policy<P>::open(),
                  [] { return fmt::format("open policy '{}'", P::name); });
}

/// Opens, configures and loads a policy.
///
///     auto policy = oomx::load<oomx::policies::largest_leaf>({.min_usage = 64_MiB});
///
/// Errors: invalid_argument (the options), and those of opened_policy::load().
template <policy P>
[[nodiscard]] result<loaded_policy<P>> load(const typename P::options& options = {}) {
    auto policy = open<P>();
    if (!policy) {
        return pass_on(std::move(policy));
    }
    if (auto configured = policy->configure(options); !configured) {
        return pass_on(std::move(configured));
    }
    return std::move(*policy).load();
}

} // namespace oomx
