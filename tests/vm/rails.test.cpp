// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <algorithm>
#include <chrono>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include <oomx/oomx.hpp>
#include <oomx/policies/largest_leaf.hpp>

#include "bpf/policies.hpp"
#include "support.hpp"

// That no policy gets past the rails: each of them against one that does what it likes. What the
// walk does not offer is tested with the policies that keep to it.

using namespace oomx::test;
using namespace oomx::literals;
using oomx::outcome;
using oomx::verdict;
using oomx::policies::largest_leaf;

namespace {

/// One that the hostile policy wants, and one that the kernel's own killer takes first, as it has
/// most and a high oom_score_adj. The kernel may take the other as well, while the memory of the
/// first is being given back.
struct two_leaves {
    control_group parent = control_group::make("parent");
    control_group wanted = parent.child("wanted");
    control_group other = parent.child("other");
    hog in_wanted;
    hog in_other = hog::start(other, 500);

    explicit two_leaves(int oom_score_adj_of_wanted = 0)
        : in_wanted{hog::start(wanted, oom_score_adj_of_wanted)} {
        in_wanted.grow(10_MiB);
        in_other.grow(20_MiB);
    }

    void run_out_of_memory() const { parent.set("memory.max", 26_MiB); }
};

/// What came of the policy's own choice.
oomx::decision first_decision(deciding<hostile>& policy) {
    const auto decisions = policy.decisions();
    REQUIRE_FALSE(decisions.empty());
    INFO(fmt::format("{}", decisions.front()));
    return decisions.front();
}

} // namespace

TEST_CASE("A policy that does as it likes kills whom it may") {
    two_leaves tree;
    deciding<hostile> policy{tree.parent.open(),
                             {.how = OOMX_HOSTILE_KILL, .target = tree.wanted.id()}};

    tree.run_out_of_memory();

    CHECK(tree.in_wanted.was_killed());
    CHECK(tree.in_other.lives());
    CHECK(first_decision(policy).outcome() == outcome::killed);
}

TEST_CASE("Nobody with oom_score_adj -1000 is killed, whatever a policy wants") {
    two_leaves tree{-1000};
    deciding<hostile> policy{tree.parent.open(),
                             {.how = OOMX_HOSTILE_KILL, .target = tree.wanted.id()}};

    tree.run_out_of_memory();

    CHECK(tree.in_wanted.lives());
    CHECK(tree.in_other.was_killed()); // by the kernel
    CHECK(first_decision(policy).outcome() == outcome::spared);
    CHECK(first_decision(policy).victim() == tree.wanted.id());
    CHECK(first_decision(policy).count(verdict::spared_oom_score_adj) == 1);
    CHECK(policy.counters().handled == policy.counters().waited); // for that one
}

TEST_CASE("Nor is the single process with oom_score_adj -1000 that a policy names") {
    two_leaves tree;
    auto protected_one = hog::start(tree.wanted, -1000);
    deciding<hostile> policy{
        tree.parent.open(),
        {.how = OOMX_HOSTILE_KILL_ONE, .target = tree.wanted.id(), .pid = protected_one.pid()}};

    tree.run_out_of_memory();

    CHECK(protected_one.lives());
    CHECK(tree.in_other.was_killed()); // by the kernel
    CHECK(first_decision(policy).outcome() == outcome::kill_failed);
}

TEST_CASE("Of a cgroup a policy can have one process killed, the others live") {
    two_leaves tree;
    auto named = hog::start(tree.wanted);
    named.grow(10_MiB);
    deciding<hostile> policy{
        tree.parent.open(),
        {.how = OOMX_HOSTILE_KILL_ONE, .target = tree.wanted.id(), .pid = named.pid()}};

    tree.parent.set("memory.max", 35_MiB);

    CHECK(named.was_killed());
    CHECK(tree.in_wanted.lives());
    CHECK(tree.in_other.lives());
    CHECK(first_decision(policy).victim_pid() == named.pid());
    CHECK(first_decision(policy).killed() == 1);
}

TEST_CASE("A cgroup that user space said is never to be killed is not, whatever a policy wants") {
    two_leaves tree;
    auto loaded = must(oomx::load<hostile>({.how = OOMX_HOSTILE_KILL, .target = tree.wanted.id()}));
    must(loaded.prefer(tree.wanted.open(), {.never_kill = true}));
    deciding<hostile> policy{std::move(loaded), tree.parent.open()};

    tree.run_out_of_memory();

    CHECK(tree.in_other.was_killed()); // by the kernel
    CHECK(first_decision(policy).count(verdict::spared_never_kill) == 1);
}

TEST_CASE("Never to be killed is what is below, too, and what comes later") {
    auto parent = control_group::make("parent");
    auto safe = parent.child("safe");
    auto open = parent.child("open");
    auto loaded = must(oomx::load<largest_leaf>({}));
    must(loaded.prefer(safe.open(), {.never_kill = true}));
    deciding<largest_leaf> policy{std::move(loaded), parent.open()};
    auto later = safe.child("later");
    auto in_later = hog::start(later);
    auto in_open = hog::start(open, 500);
    in_later.grow(20_MiB);
    in_open.grow(10_MiB);

    parent.set("memory.max", 25_MiB);

    CHECK(in_later.lives());
    CHECK(in_open.was_killed());
    const auto kill = policy.decisions().front();
    CHECK(kill.spared(0).id == later.id());
    CHECK(kill.spared(0).verdict == verdict::spared_never_kill);
}

TEST_CASE("Nobody outside the scope of the OOM is killed, whatever a policy wants") {
    two_leaves tree;
    auto elsewhere = control_group::make("elsewhere");
    auto bystander = hog::start(elsewhere);
    bystander.grow(10_MiB);
    deciding<hostile> policy{tree.parent.open(),
                             {.how = OOMX_HOSTILE_KILL, .target = elsewhere.id()}};

    tree.run_out_of_memory();

    CHECK(bystander.lives());
    CHECK(tree.in_other.was_killed()); // by the kernel
    CHECK(first_decision(policy).outcome() == outcome::spared);
    CHECK(first_decision(policy).count(verdict::out_of_scope) == 1);
}

TEST_CASE("What a memory.oom.group would take along is spared with it") {
    auto parent = control_group::make("parent");
    auto group = parent.child("group");
    auto safe = group.child("safe");
    auto wanted = group.child("wanted");
    auto other = parent.child("other");
    group.set("memory.oom.group", "1");
    auto in_safe = hog::start(safe);
    auto in_wanted = hog::start(wanted);
    auto in_other = hog::start(other, 500);
    in_wanted.grow(20_MiB);
    in_other.grow(10_MiB);
    auto loaded = must(oomx::load<largest_leaf>({}));
    must(loaded.prefer(safe.open(), {.never_kill = true}));
    deciding<largest_leaf> policy{std::move(loaded), parent.open()};

    parent.set("memory.max", 25_MiB);

    CHECK(in_safe.lives());
    CHECK(in_wanted.lives());
    CHECK(in_other.was_killed());
}

TEST_CASE("One decision kills once") {
    two_leaves tree;
    deciding<hostile> policy{
        tree.parent.open(),
        {.how = OOMX_HOSTILE_KILL_AGAIN, .target = tree.wanted.id(), .second = tree.other.id()}};

    tree.run_out_of_memory();

    CHECK(tree.in_wanted.was_killed());
    CHECK(tree.in_other.lives());
    CHECK(first_decision(policy).victim() == tree.wanted.id());
}

TEST_CASE("While an earlier victim is dying a policy kills nobody else") {
    two_leaves tree;
    deciding<hostile> policy{tree.parent.open(),
                             {.how = OOMX_HOSTILE_KILL, .target = tree.wanted.id()}};

    tree.run_out_of_memory();

    CHECK(tree.in_wanted.was_killed());
    // Asked again meanwhile it would have named the same, and then nobody.
    const auto decisions = policy.decisions();
    CHECK(std::ranges::count(decisions, outcome::killed, &oomx::decision::outcome) == 1);
    CHECK(tree.in_other.lives());
}

TEST_CASE("Who kills nobody cannot claim that the OOM is handled") {
    two_leaves tree;
    deciding<hostile> policy{tree.parent.open(), {.how = OOMX_HOSTILE_CLAIM}};

    tree.run_out_of_memory();

    CHECK(tree.in_other.was_killed());                            // by the kernel
    CHECK(policy.counters().handled == policy.counters().waited); // for that one
}

TEST_CASE("A policy that never stops looking is stopped, and the kernel decides") {
    two_leaves tree;
    deciding<hostile> policy{tree.parent.open(), {.how = OOMX_HOSTILE_LOOK}};

    tree.run_out_of_memory();

    CHECK(tree.in_other.was_killed()); // by the kernel
    CHECK(first_decision(policy).considered() == 2);
    CHECK(policy.counters().handled == policy.counters().waited); // for that one
}

TEST_CASE("A policy that does as it likes kills no more processes than max_processes") {
    two_leaves tree;
    auto one_more = hog::start(tree.wanted);
    deciding<hostile> policy{
        tree.parent.open(),
        {.how = OOMX_HOSTILE_KILL, .target = tree.wanted.id(), .rails = {.max_processes = 1}}};

    tree.run_out_of_memory();

    CHECK(tree.in_wanted.was_killed());
    CHECK(one_more.lives());
    CHECK(tree.in_other.lives());
    CHECK(first_decision(policy).killed() == 1);
}

TEST_CASE("A policy that kills inside its walk kills one candidate, and the walk ends there") {
    two_leaves tree;
    deciding<kills_in_walk> policy{tree.parent.open(), {}};

    tree.run_out_of_memory();

    CHECK(tree.in_wanted.was_killed()); // the first one
    CHECK(tree.in_other.lives());
    const auto kill = policy.decisions().front();
    CHECK(kill.victim() == tree.wanted.id());
    CHECK(kill.considered() == 1);
}

TEST_CASE("In shadow mode a policy that does as it likes kills nobody") {
    two_leaves tree;
    deciding<hostile> policy{tree.parent.open(),
                             {.how = OOMX_HOSTILE_KILL,
                              .target = tree.wanted.id(),
                              .rails = {.mode = oomx::mode::shadow}}};

    tree.run_out_of_memory();

    CHECK(tree.in_other.was_killed()); // by the kernel
    CHECK(first_decision(policy).outcome() == outcome::shadow);
}

TEST_CASE("Candidates over the bound are counted, and the largest of them is looked at") {
    auto parent = control_group::make("parent");
    std::vector<control_group> leaves;
    std::vector<hog> hogs;
    for (int i = 0; i < 5; i++) {
        leaves.push_back(parent.child(fmt::format("leaf{}", i)));
        hogs.push_back(hog::start(leaves.back()));
        hogs.back().grow(i == 3 ? 8_MiB : 4_MiB);
    }
    deciding<largest_leaf> policy{parent.open(), {.rails = {.max_candidates = 3}}};

    parent.set("memory.max", 20_MiB);

    const auto decisions = policy.decisions();
    REQUIRE_FALSE(decisions.empty());
    CHECK(decisions.front().outcome() == outcome::killed);
    CHECK(decisions.front().considered() == 5);
    CHECK(decisions.front().eligible() == 4);
    CHECK(decisions.front().count(verdict::over_bound) == 1);
    CHECK(hogs[3].was_killed()); // nobody is safe by standing behind others
}
