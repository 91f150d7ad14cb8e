// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/capability.hpp>

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>

using oomx::capability;
using enum oomx::capability::state;

TEST_CASE("A capability that could not be told counts as missing") {
    CHECK(!capability{});
    CHECK(capability{}.has == unknown);
    CHECK(!capability{}.is_conclusive());
}

TEST_CASE("Both yes and no are conclusive") {
    CHECK(capability{yes, "found", {}}.is_conclusive());
    CHECK(capability{no, "not found", {}}.is_conclusive());
    CHECK(capability{yes, "found", {}});
    CHECK(!capability{no, "not found", {}});
}

TEST_CASE("A capability reads as a sentence with its remedy") {
    CHECK(fmt::format("{}", capability{yes, "found", {}}) == "yes: found");
    CHECK(fmt::format("{}", capability{no, "not found", "look"}) == "no: not found; look");
    CHECK(fmt::format("{}", capability{unknown, "no eyes", "open them"}) ==
          "could not tell: no eyes; open them");
}
