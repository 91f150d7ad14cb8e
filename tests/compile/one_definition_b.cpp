// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// See one_definition_a.cpp.
#include <oomx/native/scenario.hpp>
#include <oomx/oomx.hpp>
#include <oomx/policies/badness.hpp>
#include <oomx/policies/largest_leaf.hpp>
#include <oomx/policies/tiers.hpp>

oomx::result<oomx_largest_leaf_config> configured_in_b();

oomx::result<oomx_largest_leaf_config> configured_in_b() {
    return oomx::policies::largest_leaf::configure({});
}
