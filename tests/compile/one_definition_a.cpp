// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Two translation units that include everything link into one program, and mean the same by it.
#include <oomx/native/scenario.hpp>
#include <oomx/oomx.hpp>
#include <oomx/policies/badness.hpp>
#include <oomx/policies/largest_leaf.hpp>
#include <oomx/policies/tiers.hpp>

oomx::result<oomx_largest_leaf_config> configured_in_b();

int main() {
    const auto here = oomx::policies::largest_leaf::configure({});
    const auto there = configured_in_b();
    return here && there && here->rails.max_processes == there->rails.max_processes ? 0 : 1;
}
