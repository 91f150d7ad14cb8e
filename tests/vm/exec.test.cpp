// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// A program that is started gets no descriptor of the library's: what is in the kernel.
#include <catch2/catch_test_macros.hpp>

#include <oomx/oomx.hpp>
#include <oomx/policies/largest_leaf.hpp>

#include "../support/inherited.hpp"
#include "support.hpp"

using namespace oomx::test;
using oomx::policies::largest_leaf;

TEST_CASE("A started program gets no descriptor of a policy in force") {
    auto parent = control_group::make("parent");
    const auto before = inherited_descriptors();

    const auto where = parent.open();
    const auto policy = must(oomx::load<largest_leaf>());
    const auto events = must(policy.events());
    const auto attachment = must(policy.attach(where));

    CHECK(inherited_descriptors() == before);
}
