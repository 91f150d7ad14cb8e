// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// bpf_templates/include/oomx/wait.bpf.h and policy.bpf.h: where nobody has to be killed.
#include <chrono>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <oomx/policies/largest_leaf.hpp>

#include "asked.hpp"

using namespace std::chrono_literals;
using namespace oomx::literals;
using namespace oomx::test;
using oomx::outcome;
using oomx::native::model;
using oomx::native::kernel::CONSTRAINT_CPUSET;
using oomx::native::kernel::CONSTRAINT_MEMCG;
using oomx::native::kernel::CONSTRAINT_MEMORY_POLICY;
using oomx::native::kernel::oom_constraint;
using oomx::policies::largest_leaf;

namespace {

/// A scope of 10 MiB that holds 12, two thirds of them in one leaf.
model over_limit() {
    return tree{{.dies_after = 10ms}, {.max = 10_MiB}}
        .add("top/large", {.anon = 8_MiB})
        .add("top/small", {.anon = 4_MiB})
        .take();
}

} // namespace

TEST_CASE("An OOM of some nodes only is declined, whatever a policy would choose") {
    const auto constraint = GENERATE(CONSTRAINT_CPUSET, CONSTRAINT_MEMORY_POLICY);
    auto policy = make_policy<largest_leaf>();
    auto where = over_limit();

    const auto came = ask(policy, where, {.scope = "top", .constraint = constraint});

    CHECK_FALSE(came.claimed);
    CHECK(came.record().outcome() == outcome::constrained);
    CHECK(came.record().victim() == oomx::no_cgroup);
    CHECK(lives(where, "large"));
    CHECK(lives(where, "small"));
}

TEST_CASE("An OOM of some nodes only waits for a victim as any other") {
    auto policy = make_policy<largest_leaf>();
    auto where = over_limit();
    REQUIRE(ask(policy, where).claimed);

    const auto came = ask(policy, where, {.constraint = CONSTRAINT_CPUSET});

    CHECK(came.claimed);
    CHECK(came.record().outcome() == outcome::waiting);
}

TEST_CASE("A relief is claimed by a victim that is kept, where the kernel takes it for an answer") {
    const bool as_posted = GENERATE(false, true);
    auto policy = make_policy<largest_leaf>();
    auto where = over_limit();
    REQUIRE(ask(policy, where, {.as_posted = as_posted}).claimed);
    REQUIRE(where.advance(10ms));
    REQUIRE(where.usage("top") == 4_MiB);

    const auto came = ask(policy, where, {.as_posted = as_posted});

    CHECK(came.record().outcome() == outcome::relieved);
    CHECK(came.record().victim() == oomx::no_cgroup);
    CHECK(came.claimed == as_posted);
    CHECK(lives(where, "small"));
}

TEST_CASE("A relief is declined where no victim is kept, or none of this scope") {
    auto policy = make_policy<largest_leaf>();
    auto where = tree{{.dies_after = 10ms}, {.max = 10_MiB}}
                     .add("top/small", {.anon = 4_MiB})
                     .add("other", {.max = 1_MiB, .anon = 2_MiB})
                     .take();

    const auto first = ask(policy, where, {.as_posted = true});
    REQUIRE(ask(policy, where, {.scope = "other", .as_posted = true}).claimed);
    REQUIRE(where.advance(10ms));
    const auto second = ask(policy, where, {.as_posted = true});

    for (const auto& came : {first, second}) {
        CHECK_FALSE(came.claimed);
        CHECK(came.record().outcome() == outcome::relieved);
    }
    CHECK(lives(where, "small"));
}

TEST_CASE("In shadow mode a relief is not claimed") {
    auto kills = make_policy<largest_leaf>();
    auto where = over_limit();
    REQUIRE(ask(kills, where).claimed);
    REQUIRE(where.advance(10ms));
    REQUIRE(kills.reconfigure({.rails = {.mode = oomx::mode::shadow}}));

    const auto came = ask(kills, where, {.as_posted = true});

    CHECK_FALSE(came.claimed);
    CHECK(came.record().outcome() == outcome::relieved);
}

TEST_CASE("A cgroup that was declared out of memory is not relieved by being below its limit") {
    auto policy = make_policy<largest_leaf>();
    auto where = tree{{}, {.max = 10_MiB}}.add("top/small", {.anon = 4_MiB}).take();

    CHECK(ask(policy, where, {.constraint = oom_constraint{}}).record().outcome() ==
          outcome::killed);
}
