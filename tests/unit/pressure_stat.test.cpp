// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/pressure_stat.hpp>

#include <chrono>
#include <string>

#include <catch2/catch_test_macros.hpp>

using namespace std::chrono_literals;
using oomx::errc;
using oomx::parse_pressure_stat;
using oomx::pressure_stat;

TEST_CASE("Pressure is read as shares of the time and a total") {
    CHECK(parse_pressure_stat("some avg10=12.34 avg60=5.06 avg300=100.00 total=1234567\n"
                              "full avg10=1.50 avg60=0.00 avg300=0.01 total=89\n") ==
          pressure_stat{.some = {12.34, 5.06, 100.0, 1234567us}, .full = {{1.5, 0.0, 0.01, 89us}}});
}

TEST_CASE("Pressure of an old kernel's processors has no full line") {
    const auto stat = parse_pressure_stat("some avg10=0.00 avg60=0.00 avg300=0.00 total=5\n");
    REQUIRE(stat);
    CHECK(stat->some.total == 5us);
    CHECK(!stat->full);
}

TEST_CASE("Pressure values and lines that a newer kernel adds are passed over") {
    const auto stat =
        parse_pressure_stat("some avg5=9.00 avg10=1.00 avg60=2.00 avg300=3.00 avg900=9.00 total=4\n"
                            "most avg10=9.00\n");
    REQUIRE(stat);
    CHECK(stat->some == oomx::stall_share{1.0, 2.0, 3.0, 4us});
}

TEST_CASE("Pressure without a line of partial stalls is malformed") {
    for (const auto* content : {"", "full avg10=0.00 avg60=0.00 avg300=0.00 total=0\n"}) {
        CAPTURE(content);
        const auto stat = parse_pressure_stat(content);
        REQUIRE(!stat);
        CHECK(stat.error().code() == errc::malformed);
        CHECK(stat.error().message() == "it has no 'some' line");
    }
}

TEST_CASE("Pressure with a value missing or in another form is malformed and shown") {
    for (const std::string values :
         {"avg10=0.00 avg60=0.00 avg300=0.00", "avg10=0.00 avg60=0.00 total=0",
          "avg10=0.0 avg60=0.00 avg300=0.00 total=0", "avg10=-1.00 avg60=0.00 avg300=0.00 total=0",
          "avg10=nan avg60=0.00 avg300=0.00 total=0", "avg10=0 avg60=0.00 avg300=0.00 total=0",
          "avg10=0.00 avg60=0.00 avg300=0.00 total=9223372036854775808",
          "avg10=0.00 avg60=0.00 avg300=0.00 total=", ""}) {
        CAPTURE(values);
        const auto stat = parse_pressure_stat("some " + values + "\n");
        REQUIRE(!stat);
        CHECK(stat.error().code() == errc::malformed);
    }
    CHECK(parse_pressure_stat("some total=1\n").error().message() ==
          "a line of it is \"some total=1\", not 'some avg10=0.00 avg60=0.00 avg300=0.00 total=0' "
          "in form");
}
