// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/bytes.hpp>

#include <cstdint>
#include <limits>

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>

using namespace oomx::literals;
using oomx::bytes;

TEST_CASE("A default amount of memory is zero") {
    CHECK(bytes{} == bytes{0});
    CHECK(bytes{}.count() == 0);
}

TEST_CASE("The literals count in powers of 1024") {
    CHECK((1_KiB).count() == 1024);
    CHECK((1_MiB).count() == 1'048'576);
    CHECK((3_GiB).count() == 3'221'225'472);
}

TEST_CASE("Amounts of memory compare and add by their count") {
    CHECK(1_KiB < 1_MiB);
    CHECK(1_MiB > 1023_KiB);
    CHECK(512_KiB + 512_KiB == 1_MiB);
}

TEST_CASE("An amount below one KiB is printed in bytes, without a fraction") {
    CHECK(fmt::format("{}", bytes{0}) == "0 B");
    CHECK(fmt::format("{}", bytes{1}) == "1 B");
    CHECK(fmt::format("{}", bytes{1023}) == "1023 B");
}

TEST_CASE("An amount is printed in the unit whose border it reaches") {
    CHECK(fmt::format("{}", 1_KiB) == "1.0 KiB");
    CHECK(fmt::format("{}", 1_MiB) == "1.0 MiB");
    CHECK(fmt::format("{}", 1_GiB) == "1.0 GiB");
    CHECK(fmt::format("{}", 1024_GiB) == "1.0 TiB");
    CHECK(fmt::format("{}", 1048576_GiB) == "1.0 PiB");
}

TEST_CASE("An amount is printed with one decimal") {
    CHECK(fmt::format("{}", bytes{1536}) == "1.5 KiB");
    CHECK(fmt::format("{}", 30_MiB + 100_KiB) == "30.1 MiB");
}

TEST_CASE("An amount that would round to 1024 of a unit is printed in the next one") {
    CHECK(fmt::format("{}", bytes{1'048'575}) == "1.0 MiB");
    CHECK(fmt::format("{}", bytes{1'048'000}) == "1023.4 KiB");
}

TEST_CASE("The largest amount of memory is printed in EiB") {
    CHECK(fmt::format("{}", bytes{std::numeric_limits<std::uint64_t>::max()}) == "16.0 EiB");
}

TEST_CASE("An amount takes the width and the alignment of a string") {
    CHECK(fmt::format("{:>10}", 1_KiB) == "   1.0 KiB");
    CHECK(fmt::format("{:<10}|", 1_KiB) == "1.0 KiB   |");
}
