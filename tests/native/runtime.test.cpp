// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/native/runtime.hpp>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include <oomx/native/killer.hpp>
#include <oomx/native/policy.hpp>
#include <oomx/policies/badness.hpp>
#include <oomx/policies/largest_leaf.hpp>
#include <oomx/policies/tiers.hpp>

#include "allocations.hpp"
#include "tree_model.hpp"

using namespace oomx::literals;
using namespace oomx::test;
using oomx::native::detail::oom;
using oomx::native::detail::runtime;

namespace {

oom oom_in(oomx::native::model& where, const std::string& path) {
    oom now{};
    now.memcg = &where.find(path)->memcg;
    now.constraint = oomx::native::kernel::CONSTRAINT_MEMCG;
    now.totalpages = now.memcg->memory.max;
    return now;
}

/// How many allocations a decision of this policy makes, over a tree with somebody to kill.
template <typename P>
std::size_t allocations_of(const typename P::options& options = {}) {
    const auto tree = make_random_tree(7, {.cgroups = 40, .processes = 8});
    auto where = oomx::test::model_of(tree);
    auto policy = oomx::native::policy<P>::make(options);
    REQUIRE(policy);
    REQUIRE(policy->prefer(oomx::native::model::id_of("top"), {.tier = 1}));
    auto now = oom_in(where, "top");
    now.memcg->memory.max = 1;
    runtime running{where, *policy, now};

    const auto before = allocations();
    const bool claimed = running.run(0);
    const auto after = allocations();

    CHECK(claimed);
    CHECK(policy->drain([](const oomx::decision&) {}) == 1);
    return after - before;
}

} // namespace

TEST_CASE("Nothing is allocated between an OOM and a policy's answer") {
    const auto some = allocations();
    ::operator delete(::operator new(1)); // a new expression may be optimised away
    REQUIRE(allocations() == some + 1);

    CHECK(allocations_of<oomx::policies::largest_leaf>() == 0);
    CHECK(allocations_of<oomx::policies::badness>() == 0);
    CHECK(allocations_of<oomx::policies::tiers>() == 0);
}

TEST_CASE("Nothing is allocated while the kernel's own rule chooses and kills") {
    const auto tree = make_random_tree(7, {.cgroups = 40, .processes = 8});
    auto where = oomx::test::model_of(tree);
    auto now = oom_in(where, "top");

    const auto before = allocations();
    const auto came = oomx::native::detail::choose_and_kill(where, now);
    const auto after = allocations();

    CHECK(came == oomx::native::detail::own_choice::killed);
    CHECK(after == before);
}
