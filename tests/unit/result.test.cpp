// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/result.hpp>

#include <cerrno>
#include <memory>
#include <string>
#include <utility>

#include <catch2/catch_test_macros.hpp>

using oomx::errc;
using oomx::result;

TEST_CASE("failure() makes the error of any result") {
    const result<int> number = oomx::failure(errc::busy, EBUSY, "taken", "wait");
    const result<void> nothing = oomx::failure(errc::busy, EBUSY, "taken", "wait");
    REQUIRE(!number);
    REQUIRE(!nothing);
    CHECK(number.error().message() == "taken (EBUSY); wait");
    CHECK(nothing.error().code() == errc::busy);
}

TEST_CASE("pass_on() hands an error to a result of another type unchanged") {
    result<int> inner = oomx::failure(errc::not_found, ENOENT, "gone");
    const result<std::string> outer = oomx::pass_on(std::move(inner));
    REQUIRE(!outer);
    CHECK(outer.error().code() == errc::not_found);
    CHECK(outer.error().message() == "gone (ENOENT)");
}

TEST_CASE("within() says what was being done") {
    const auto outcome = oomx::within(result<int>{oomx::failure(errc::system, "refused")},
                                      [] { return std::string{"read file"}; });
    REQUIRE(!outcome);
    CHECK(outcome.error().message() == "read file: refused");
}

TEST_CASE("within() hands a value through and describes nothing") {
    bool described = false;
    const auto outcome = oomx::within(result<int>{7}, [&] {
        described = true;
        return std::string{"read file"};
    });
    REQUIRE(outcome);
    CHECK(*outcome == 7);
    CHECK(!described);
}

TEST_CASE("within() takes results that hold nothing") {
    CHECK(oomx::within(result<void>{}, [] { return std::string{"pin"}; }));
    const auto failed = oomx::within(result<void>{oomx::failure(errc::system, "refused")},
                                     [] { return std::string{"pin"}; });
    REQUIRE(!failed);
    CHECK(failed.error().message() == "pin: refused");
}

TEST_CASE("within() moves a value that cannot be copied") {
    const auto outcome = oomx::within(result<std::unique_ptr<int>>{std::make_unique<int>(3)},
                                      [] { return std::string{"make"}; });
    REQUIRE(outcome);
    CHECK(**outcome == 3);
}
