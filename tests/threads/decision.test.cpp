// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/decision_text.hpp>
#include <oomx/decode.hpp>

#include <span>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>

#include "at_once.hpp"
#include "support/decision_record.hpp"

TEST_CASE("Threads decode one record and print one decision") {
    const auto record = oomx::test::decision_record();
    const oomx::decision shared{record};
    const auto text = fmt::format("{}", shared);
    CHECK(oomx::test::at_once([&](int) {
        std::string own;
        const auto decoded =
            oomx::decode(std::as_bytes(std::span{&record, 1}),
                         [&](const oomx::decision& one) { own = fmt::format("{}", one); });
        return decoded && own == text && fmt::format("{}", shared) == text;
    }));
}
