// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/unique_fd.hpp>

#include <cerrno>
#include <utility>

#include <catch2/catch_test_macros.hpp>
#include <fcntl.h>

using oomx::unique_fd;

namespace {

unique_fd open_null() { return unique_fd{::open("/dev/null", O_RDONLY | O_CLOEXEC)}; }

bool is_open(int fd) { return ::fcntl(fd, F_GETFD) >= 0; }

} // namespace

TEST_CASE("A default descriptor owns nothing") {
    const unique_fd fd;
    CHECK(!fd);
    CHECK(fd.native_handle() == unique_fd::none);
}

TEST_CASE("A descriptor closes with its scope") {
    int number = -1;
    {
        const auto fd = open_null();
        REQUIRE(fd);
        number = fd.native_handle();
        CHECK(is_open(number));
    }
    CHECK(!is_open(number));
}

TEST_CASE("A moved descriptor is open and its source owns nothing") {
    auto from = open_null();
    const int number = from.native_handle();
    const unique_fd to{std::move(from)};
    CHECK(to.native_handle() == number);
    CHECK(is_open(number));
    CHECK(!from); // NOLINT(bugprone-use-after-move): what a move leaves is the behaviour
}

TEST_CASE("Assigning to a descriptor closes the one it owned") {
    auto first = open_null();
    auto second = open_null();
    const int closed = first.native_handle();
    const int kept = second.native_handle();
    first = std::move(second);
    CHECK(!is_open(closed));
    CHECK(is_open(kept));
    CHECK(first.native_handle() == kept);
}

TEST_CASE("Assigning a descriptor to itself keeps it open") {
    auto fd = open_null();
    const int number = fd.native_handle();
    auto& itself = fd;
    fd = std::move(itself);
    CHECK(fd.native_handle() == number);
    CHECK(is_open(number));
}

TEST_CASE("Closing a descriptor leaves errno as it was when it succeeds") {
    errno = E2BIG;
    {
        const auto fd = open_null();
    }
    CHECK(errno == E2BIG);
}

TEST_CASE("Two descriptors swap what they own") {
    auto a = open_null();
    unique_fd b;
    const int number = a.native_handle();
    a.swap(b);
    CHECK(!a);
    CHECK(b.native_handle() == number);
}
