// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Who is asked, in which order: the cgroup, its ancestors, the system, the kernel's own killer.
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include <oomx/oomx.hpp>
#include <oomx/policies/largest_leaf.hpp>

#include "bpf/policies.hpp"
#include "support.hpp"

using namespace oomx::test;
using namespace oomx::literals;
using oomx::outcome;
using oomx::policies::largest_leaf;

namespace {

/// A cgroup with a limit, below a parent without one.
struct limited_child {
    control_group parent = control_group::make("parent");
    control_group limited = parent.child("limited");
    control_group large = limited.child("large");
    control_group small = limited.child("small");
    hog in_large = hog::start(large);
    hog in_small = hog::start(small);

    limited_child() {
        in_large.grow(20_MiB);
        in_small.grow(10_MiB);
    }

    void run_out_of_memory() const { limited.set("memory.max", 24_MiB); }
};

} // namespace

TEST_CASE("A cgroup without a policy is handled by its ancestor's") {
    limited_child tree;
    deciding<largest_leaf> policy{tree.parent.open()};

    tree.run_out_of_memory();

    CHECK(tree.in_large.was_killed());
    CHECK(tree.in_small.lives());
    const auto decisions = policy.decisions();
    REQUIRE_FALSE(decisions.empty());
    CHECK(decisions.front().attached_to() == tree.parent.id());
    CHECK(decisions.front().scope() == tree.limited.id());
}

TEST_CASE("An OOM inside a cgroup touches nothing outside it, however large") {
    limited_child tree;
    auto neighbour = tree.parent.child("neighbour");
    auto larger = hog::start(neighbour);
    larger.grow(60_MiB);
    deciding<largest_leaf> policy{tree.parent.open()};

    tree.run_out_of_memory();

    CHECK(tree.in_large.was_killed());
    CHECK(tree.in_small.lives());
    CHECK(larger.lives());
}

TEST_CASE("A system-wide policy handles an OOM of a cgroup that nobody else handled") {
    limited_child tree;
    deciding<largest_leaf> policy{oomx::cgroup::root()};

    tree.run_out_of_memory();

    CHECK(tree.in_large.was_killed());
    CHECK(tree.in_small.lives());
    const auto decisions = policy.decisions();
    REQUIRE_FALSE(decisions.empty());
    CHECK(decisions.front().attached_to() == oomx::no_cgroup);
    CHECK(decisions.front().scope() == tree.limited.id());
}

TEST_CASE("The root cgroup's directory means the whole system, too") {
    limited_child tree;
    deciding<largest_leaf> policy{must(oomx::cgroup::open("/sys/fs/cgroup"))};

    tree.run_out_of_memory();

    CHECK(tree.in_large.was_killed());
    CHECK(policy.decisions().front().attached_to() == oomx::no_cgroup);
}

TEST_CASE("The nearest policy decides first, and alone if it handles the OOM") {
    limited_child tree;
    deciding<largest_leaf> inner{tree.limited.open()};
    deciding<decliner> outer{tree.parent.open()};

    tree.run_out_of_memory();

    CHECK(tree.in_large.was_killed());
    CHECK(tree.in_small.lives());
    REQUIRE_FALSE(inner.decisions().empty());
    CHECK(inner.decisions().front().outcome() == outcome::killed);
    // If the kernel asks again at the very end of the victim there is nothing to claim that with.
    CHECK(outer.counters().declined == inner.counters().declined);
}

TEST_CASE("Declining passes the OOM to the ancestor, then to the system, then to the kernel") {
    limited_child tree;
    deciding<decliner> inner{tree.limited.open()};
    deciding<decliner> outer{tree.parent.open()};
    deciding<decliner> system{oomx::cgroup::root()};
    kernel_log log;

    tree.run_out_of_memory();

    // The kernel's own rule: the largest process.
    CHECK(tree.in_large.was_killed());
    CHECK(log.first_killed() == tree.in_large.pid());
    CHECK(log.says("oom_policy=default"));

    const auto first = inner.decisions();
    const auto second = outer.decisions();
    const auto third = system.decisions();
    REQUIRE_FALSE(first.empty());
    REQUIRE_FALSE(second.empty());
    REQUIRE_FALSE(third.empty());
    CHECK(first.front().outcome() == outcome::declined);
    CHECK(second.front().outcome() == outcome::declined);
    CHECK(third.front().outcome() == outcome::declined);
    CHECK(first.front().when() < second.front().when());
    CHECK(second.front().when() < third.front().when());
}

TEST_CASE("What the cgroup's policy declines, its ancestor's may handle") {
    limited_child tree;
    deciding<decliner> inner{tree.limited.open()};
    deciding<largest_leaf> outer{tree.parent.open()};
    kernel_log log;

    tree.run_out_of_memory();

    CHECK(tree.in_large.was_killed());
    CHECK(inner.decisions().front().when() < outer.decisions().front().when());
    CHECK(log.says("oom_policy=largest_leaf"));
}

TEST_CASE("Without a policy the kernel's own killer decides") {
    limited_child tree;
    kernel_log log;

    tree.run_out_of_memory();

    CHECK(tree.in_large.was_killed());
    CHECK(log.first_killed() == tree.in_large.pid());
    CHECK(log.says("oom_policy=default"));
}

TEST_CASE("Dropping the attachment gives the OOM back to the kernel") {
    limited_child tree;
    // Of the two, largest_leaf would kill `large`; the kernel prefers a higher oom_score_adj.
    auto preferred = hog::start(tree.small, 1000);
    preferred.grow(1_MiB);
    {
        deciding<largest_leaf> policy{tree.parent.open()};
    }
    kernel_log log;

    tree.run_out_of_memory();

    CHECK(preferred.was_killed());
    CHECK(log.first_killed() == preferred.pid());
    CHECK(log.says("oom_policy=default"));
    CHECK_FALSE(log.says("oom_policy=largest_leaf"));
}

TEST_CASE("One loaded policy serves several cgroups at once") {
    limited_child tree;
    auto other = control_group::make("other");
    auto leaf = other.child("leaf");
    auto lonely = hog::start(leaf);
    lonely.grow(10_MiB);
    auto policy = must(oomx::load<largest_leaf>());
    auto events = must(policy.events());
    const auto here = must(policy.attach(tree.limited.open()));
    const auto there = must(policy.attach(other.open()));

    tree.run_out_of_memory();
    CHECK(tree.in_large.was_killed());
    other.set("memory.max", 5_MiB);
    CHECK(lonely.was_killed());

    std::vector<oomx::cgroup_id> victims;
    must(events.poll(std::chrono::milliseconds{0}, [&](const oomx::decision& decision) {
        if (decision.outcome() == outcome::killed) {
            victims.push_back(decision.victim());
        }
    }));
    CHECK(victims == std::vector{tree.large.id(), leaf.id()});
}

// In a VM with little memory: what fills it is in cgroups without a limit.
TEST_CASE("A system-wide policy handles the machine running out of memory", "[.][global]") {
    auto parent = control_group::make("parent");
    auto large = parent.child("large");
    auto small = parent.child("small");
    auto bystander = hog::start(small);
    bystander.grow(20_MiB);
    auto eater = hog::start(large);
    deciding<largest_leaf> policy{oomx::cgroup::root()};
    kernel_log log;

    while (eater.grow(8_MiB)) {
    }

    CHECK(eater.was_killed());
    CHECK(bystander.lives());
    const auto decisions = policy.decisions();
    REQUIRE_FALSE(decisions.empty());
    CHECK(decisions.front().outcome() == outcome::killed);
    CHECK(decisions.front().scope() == oomx::no_cgroup);
    CHECK(decisions.front().victim() == large.id());
    CHECK(log.says("oom_policy=largest_leaf"));
}
