// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/counters.hpp>

#include <catch2/catch_test_macros.hpp>

TEST_CASE("Counters are what the policy has counted") {
    oomx_control control{};
    control.handled = 1;
    control.declined = 2;
    control.waited = 3;
    control.dropped = 4;
    const auto counted = oomx::counters::read(control);
    CHECK(counted.handled == 1);
    CHECK(counted.declined == 2);
    CHECK(counted.waited == 3);
    CHECK(counted.dropped == 4);
}
