// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/bpf/refusal.hpp>

#include <algorithm>
#include <cerrno>
#include <initializer_list>
#include <string>
#include <string_view>

#include <catch2/catch_test_macros.hpp>

#include <oomx/preference.h>

using oomx::errc;
using namespace oomx::bpf;

TEST_CASE("A known answer of the kernel has a cause and a remedy") {
    CHECK(refusal_error(request::attach, EBUSY).message() ==
          "another policy is attached there (EBUSY); detach it first");
    CHECK(refusal_error(request::attach, EBUSY).code() == errc::busy);
}

TEST_CASE("The same errno means something else for another request") {
    CHECK(refusal_error(request::pin, ENOENT).code() == errc::not_found);
    CHECK(refusal_error(request::pin, ENOENT).message() !=
          refusal_error(request::open_pin, ENOENT).message());
}

TEST_CASE("An answer that nobody expected keeps its errno") {
    const auto why = refusal_error(request::attach, EXDEV);
    CHECK(why.code() == errc::system);
    CHECK(why.system_error() == EXDEV);
    CHECK(why.message() == "the kernel refused (EXDEV); the kernel log may say why");
}

TEST_CASE("How many cgroups can have a preference is said as it is") {
    CHECK(refusal_error(request::prefer, E2BIG).message() ==
          std::to_string(OOMX_PREFERENCES) +
              " cgroups have a preference of their own (E2BIG); give one to a cgroup above them, "
              "for all below it; forget_removed() drops those of removed cgroups");
}

TEST_CASE("No answer of the kernel is without words") {
    for (const refusal& one : refusals) {
        CAPTURE(static_cast<int>(one.what), oomx::errno_name(one.system_error));
        CHECK(!std::string_view{one.cause}.empty());
        CHECK(!std::string_view{one.remedy}.empty());
        CHECK(oomx::make_error_code(one.code).message() != "unknown");
    }
}

TEST_CASE("No answer of the kernel is in the table twice") {
    for (const refusal& one : refusals) {
        CAPTURE(static_cast<int>(one.what), oomx::errno_name(one.system_error));
        CHECK(std::ranges::count_if(refusals, [&](const refusal& other) {
                  return other.what == one.what && other.system_error == one.system_error;
              }) == 1);
    }
}

// What abi.md of the series and the kernel's sources say that each request may answer.
TEST_CASE("What the kernel is known to answer has words") {
    const auto known = [](request what, std::initializer_list<int> answers) {
        for (const int answer : answers) {
            CAPTURE(static_cast<int>(what), oomx::errno_name(answer));
            CHECK(!refusal_error(what, answer).message().starts_with("the kernel refused"));
        }
    };
    known(request::load, {EPERM, EACCES, ENOMEM});
    known(request::publish, {EINVAL, E2BIG, ENOMEM, EBUSY});
    known(request::attach,
          {EBUSY, EEXIST, EPERM, EACCES, ENODEV, ENOENT, EBADF, EOPNOTSUPP, EINVAL, E2BIG, ENOMEM});
    known(request::update, {ENOLINK, EPERM, EINVAL, EOPNOTSUPP});
    known(request::detach, {EOPNOTSUPP, EPERM});
    known(request::pin, {EEXIST, ENOENT, EPERM, EACCES, EINVAL, ENAMETOOLONG});
    known(request::open_pin, {ENOENT, EPERM, EACCES, EINVAL});
    known(request::inspect, {EPERM, ENOENT});
    known(request::kill, {EPERM, EINVAL, ENOMEM});
    known(request::create_trigger, {EINVAL, ENOENT, ENXIO, ENOSPC, EOPNOTSUPP, ENODEV, ENOMEM});
    known(request::declare, {EINVAL, ENOENT, EOPNOTSUPP, EBUSY, EINTR});
}
