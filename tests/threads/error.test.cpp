// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/error.hpp>

#include <cerrno>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>

#include "at_once.hpp"

TEST_CASE("Threads print one error") {
    const auto shared =
        oomx::error{oomx::errc::busy, EBUSY, "the name is taken", "choose another"}.within("pin");
    const auto text = shared.message();
    CHECK(oomx::test::at_once([&](int) { return fmt::format("{}", shared) == text; }));
}

TEST_CASE("Threads name the errno of their own failure") {
    CHECK(oomx::test::at_once([](int thread) {
        // 1 is EPERM, and so on; 5000 is nobody's.
        const auto unknown = std::to_string(5000 + thread);
        return oomx::errno_name(1) == "EPERM" &&
               oomx::errno_name(5000 + thread) == "errno " + unknown;
    }));
}
