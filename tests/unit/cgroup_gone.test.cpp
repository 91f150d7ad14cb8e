// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/cgroup_gone.hpp>

#include <chrono>

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>

#include "support/decision_record.hpp"

using namespace std::chrono_literals;
using oomx::cgroup_gone;
using oomx::test::gone_record;

TEST_CASE("A removed cgroup's record tells which, when and whose") {
    const cgroup_gone what{gone_record()};
    CHECK(what.policy() == "largest_leaf");
    CHECK(what.where() == oomx::cgroup_id{77});
    CHECK(what.when() == 5s);
    CHECK(oomx::flaw_of(gone_record()).empty());
}

TEST_CASE("A removal at a time that no clock shows has a flaw") {
    auto record = gone_record();
    record.time_ns = ~0ULL;
    CHECK(oomx::flaw_of(record) == "its time cannot be: at 18446744073709551615 ns");
}

TEST_CASE("A removed cgroup is told with the policy that was there") {
    CHECK(fmt::format("{}", cgroup_gone{gone_record()}) ==
          "cgroup 77 was removed: largest_leaf is there no longer");
}
