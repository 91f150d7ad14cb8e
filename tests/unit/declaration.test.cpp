// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/declaration.hpp>

#include <cerrno>
#include <chrono>

#include <catch2/catch_test_macros.hpp>

#include "support/decision_record.hpp"

using namespace std::chrono_literals;
using oomx::bytes;
using oomx::cgroup_id;
using oomx::declaration;
using oomx::flaw_of;
using oomx::test::declaration_record;

TEST_CASE("A declaration shows what its record holds") {
    auto record = declaration_record();
    record.error = -EBUSY;
    record.deaf = -ENOSPC;
    const declaration what{record};
    CHECK(what.policy() == "pressure_kill");
    CHECK(what.answer() == oomx::answer::progress);
    CHECK(what.where() == cgroup_id{40});
    CHECK(what.usage() == bytes{45 << 20});
    CHECK(what.pressure() == oomx::pressure{.stall = 200ms, .window = 1s});
    CHECK(what.refusal() == EBUSY);
    CHECK(what.deaf() == ENOSPC);
    CHECK(what.when() == 5s);
    CHECK(what.took() == 123'456ns);
}

TEST_CASE("A declaration as policies write it has no flaw") {
    CHECK(flaw_of(declaration_record()).empty());
}

TEST_CASE("A declaration whose errors are no errnos has a flaw") {
    auto no_error = declaration_record();
    no_error.error = 1;
    CHECK(flaw_of(no_error) == "its errors 1 and 0 are none");
    auto not_deaf = declaration_record();
    not_deaf.deaf = -4096;
    CHECK(flaw_of(not_deaf) == "its errors 0 and -4096 are none");
}

TEST_CASE("A declaration with times that no clock shows has a flaw") {
    auto too_long = declaration_record();
    too_long.took_ns = ~0ULL;
    CHECK(flaw_of(too_long) ==
          "its times cannot be: at 5000000000 ns, took 18446744073709551615 ns");
    auto too_late = declaration_record();
    too_late.time_ns = ~0ULL;
    CHECK_FALSE(flaw_of(too_late).empty());
}
