// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/preference.hpp>

#include <catch2/catch_test_macros.hpp>

using oomx::preference;

TEST_CASE("Nothing that is said of a cgroup is no tier, and may be killed") {
    const auto raw = preference{}.raw();
    REQUIRE(raw);
    CHECK(raw->tier == 0);
    CHECK(raw->preference == 0);
    CHECK(raw->never_kill == 0);
}

TEST_CASE("A preference reaches the policy as it is, and comes back") {
    const preference said{.tier = OOMX_MAX_TIER, .value = -1000, .never_kill = true};
    const auto raw = said.raw();
    REQUIRE(raw);
    CHECK(raw->tier == 65535);
    CHECK(raw->preference == -1000);
    CHECK(raw->never_kill == 1);
    CHECK(preference::from(*raw) == said);
}

TEST_CASE("A tier for which a score has no room is refused") {
    const auto raw = preference{.tier = OOMX_MAX_TIER + 1}.raw();
    REQUIRE(!raw);
    CHECK(raw.error().code() == oomx::errc::invalid_argument);
    CHECK(raw.error().message() == "preference.tier is 65536; give 0 to 65535");
}
