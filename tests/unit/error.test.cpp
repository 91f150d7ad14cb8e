// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/error.hpp>

#include <cerrno>
#include <utility>

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>

using oomx::errc;
using oomx::error;

TEST_CASE("An error without context is its cause") {
    CHECK(error{errc::unsupported, "this kernel has no bpf_oom"}.message() ==
          "this kernel has no bpf_oom");
}

TEST_CASE("An error reads verb and object, cause, errno, remedy") {
    const auto why =
        error{errc::busy, EBUSY, "another policy is attached there", "detach it first"}.within(
            "attach policy 'largest_leaf' to /sys/fs/cgroup/batch.slice");
    CHECK(why.message() == "attach policy 'largest_leaf' to /sys/fs/cgroup/batch.slice: "
                           "another policy is attached there (EBUSY); detach it first");
}

TEST_CASE("The outermost context of an error comes first") {
    const auto why = error{errc::system, "refused"}.within("read memory.max").within("load config");
    CHECK(why.message() == "load config: read memory.max: refused");
}

TEST_CASE("A remedy follows the cause when there is no errno") {
    CHECK(
        error{errc::invalid_argument, "min_interval is negative", "give zero or more"}.message() ==
        "min_interval is negative; give zero or more");
}

TEST_CASE("An errno the C library has no name for is printed as its number") {
    constexpr int enotsupp = 524; // the kernel's own, include/linux/errno.h
    CHECK(error{errc::system, enotsupp, "refused"}.message() == "refused (errno 524)");
}

TEST_CASE("An error keeps its code and errno through every context") {
    const auto why = error{errc::not_found, ENOENT, "no such directory"}.within("open cgroup /a");
    CHECK(why.code() == errc::not_found);
    CHECK(why.system_error() == ENOENT);
}

TEST_CASE("An error without a refused system call has errno 0") {
    CHECK(error{errc::malformed, "no number"}.system_error() == 0);
}

TEST_CASE("An error shows one line of the verifier's log and keeps all of it") {
    const auto why = error{errc::rejected, EACCES, "the verifier refused it", "see error::log()"}
                         .with_log("0: r1 = 0\nR1 invalid mem access\nprocessed 1 insns\n",
                                   "R1 invalid mem access")
                         .within("load policy 'p'");
    CHECK(why.message() == "load policy 'p': the verifier refused it: R1 invalid mem access "
                           "(EACCES); see error::log()");
    CHECK(why.log() == "0: r1 = 0\nR1 invalid mem access\nprocessed 1 insns\n");
}

TEST_CASE("An error that is no refused program has no log") {
    CHECK(error{errc::system, "refused"}.log().empty());
}

TEST_CASE("An error is formatted as its message and takes a string's width") {
    const error why{errc::system, EIO, "refused"};
    CHECK(fmt::format("{}", why) == why.message());
    CHECK(fmt::format("{:>16}", why) == "   refused (EIO)");
}

TEST_CASE("An error's kind is a std::error_code that compares with the standard's conditions") {
    const oomx::error taken{oomx::errc::busy, EBUSY, "taken"};
    CHECK(taken.std_code() == oomx::errc::busy);
    CHECK(taken.std_code() == std::errc::device_or_resource_busy);
    CHECK(taken.std_code() != std::errc::permission_denied);
    CHECK(taken.std_code().category().name() == std::string_view{"oomx"});
}

TEST_CASE("No kind of error is a std::error_code that says success") {
    CHECK(oomx::make_error_code(oomx::errc::unsupported));
    CHECK(std::error_code{oomx::errc::rejected}.message() == "rejected by the kernel");
}

TEST_CASE("Each kind of error has words, and its condition where the standard has one") {
    const auto is = [](errc kind, std::errc condition) {
        return oomx::make_error_code(kind) == condition;
    };
    CHECK(is(errc::unsupported, std::errc::not_supported));
    CHECK(is(errc::not_permitted, std::errc::operation_not_permitted));
    CHECK(is(errc::not_found, std::errc::no_such_file_or_directory));
    CHECK(is(errc::not_a_cgroup, std::errc::not_a_directory));
    CHECK(is(errc::invalid_argument, std::errc::invalid_argument));
    CHECK(is(errc::exhausted, std::errc::not_enough_memory));
    CHECK(!is(errc::malformed, std::errc::invalid_argument));
    for (int code = 1; code <= static_cast<int>(errc::system); ++code) {
        CHECK(oomx::errc_category().message(code) != "unknown");
    }
    CHECK(oomx::errc_category().message(0) == "unknown");
}
