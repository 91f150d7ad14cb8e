// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/limit.hpp>

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>

using namespace oomx::literals;
using oomx::limit;

TEST_CASE("No limit is above every limit") {
    CHECK(limit::max().is_max());
    CHECK(!limit{1_GiB}.is_max());
    CHECK(limit{1_GiB} < limit::max());
    CHECK(1_GiB < limit::max().amount());
}

TEST_CASE("Limits are ordered by their amounts") {
    CHECK(limit{1_MiB} < limit{2_MiB});
    CHECK(limit{1_MiB} == limit{1024_KiB});
    CHECK(limit{2_MiB}.amount() == 2_MiB);
}

TEST_CASE("A limit prints as an amount of memory or as max") {
    CHECK(fmt::format("{}", limit{64_MiB}) == "64.0 MiB");
    CHECK(fmt::format("{}", limit::max()) == "max");
    CHECK(fmt::format("{:>5}", limit::max()) == "  max");
}
