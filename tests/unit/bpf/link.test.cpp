// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/bpf/link.hpp>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <oomx/unique_fd.hpp>

using Catch::Matchers::StartsWith;

TEST_CASE("A pin that is refused names the path") {
    // Every kernel looks at the descriptor first; what it says of a bad path needs a real link
    // (vm).
    const oomx::bpf::link nothing{oomx::unique_fd{}};
    const auto pinned = nothing.pin("/nowhere/link");
    REQUIRE(!pinned);
    CHECK(pinned.error().system_error() != 0);
    CHECK_THAT(pinned.error().message(), StartsWith("pin link at /nowhere/link: "));
}
