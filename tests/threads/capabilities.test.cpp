// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/capabilities.hpp>

#include <catch2/catch_test_macros.hpp>

#include "at_once.hpp"

TEST_CASE("Threads that probe the running kernel at the same time find the same") {
    const auto found = oomx::probe();
    constexpr int rounds = 2; // each reads all types of the kernel
    CHECK(
        oomx::test::at_once([&](int) { return oomx::probe().revision == found.revision; }, rounds));
}
