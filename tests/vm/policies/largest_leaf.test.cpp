// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <algorithm>
#include <array>
#include <span>

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>

#include <oomx/oomx.hpp>
#include <oomx/policies/largest_leaf.hpp>

#include "../support.hpp"

using namespace oomx::test;
using namespace oomx::literals;
using oomx::outcome;
using oomx::verdict;
using oomx::policies::largest_leaf;

namespace {

/// The tree of the series' own selftest: leaves of 10 (oom_score_adj 1000), 40 (-1000), 30 and
/// 20 MiB, two levels below a parent.
struct selftest_tree {
    control_group parent = control_group::make("parent");
    control_group left = parent.child("left");
    control_group right = parent.child("right");
    control_group ten = left.child("ten");
    control_group forty = left.child("forty");
    control_group thirty = right.child("thirty");
    control_group twenty = right.child("twenty");
    hog in_ten = hog::start(ten, 1000);
    hog in_forty = hog::start(forty, -1000);
    hog in_thirty = hog::start(thirty);
    hog in_twenty = hog::start(twenty);

    selftest_tree() {
        in_ten.grow(10_MiB);
        in_forty.grow(40_MiB);
        in_thirty.grow(30_MiB);
        in_twenty.grow(20_MiB);
    }

    /// With all of them full, lowering the limit is one OOM: reclaim finds nothing.
    void run_out_of_memory() const { parent.set("memory.max", 80_MiB); }
};

/// A process in the cgroup that keeps that much of a file in memory: of one that nothing else in
/// the VM reads, so that its pages are charged here.
process keep_in_page_cache(const control_group& where, oomx::bytes size) {
    return process::start_ready([&](auto ready) {
        where.set("cgroup.procs", "0");
        const int file = ::open("/usr/bin/qemu-system-x86_64", O_RDONLY | O_CLOEXEC);
        void* const pages = ::mmap(nullptr, size.count(), PROT_READ, MAP_PRIVATE, file, 0);
        if (pages == MAP_FAILED || ::mlock(pages, size.count()) != 0) {
            return 1;
        }
        ready();
        ::pause();
        return 0;
    });
}

} // namespace

TEST_CASE("largest_leaf kills the largest leaf that may die, and nothing else") {
    selftest_tree tree;
    deciding<largest_leaf> policy{tree.parent.open()};

    tree.run_out_of_memory();

    CHECK(tree.in_thirty.was_killed());
    CHECK(tree.in_ten.lives());
    CHECK(tree.in_forty.lives());
    CHECK(tree.in_twenty.lives());
}

TEST_CASE("A kill by largest_leaf is counted where the kernel counts its own") {
    selftest_tree tree;
    deciding<largest_leaf> policy{tree.parent.open()};

    tree.run_out_of_memory();
    CHECK(tree.in_thirty.was_killed());

    CHECK(tree.thirty.event("oom_kill") == 1);
    CHECK(tree.forty.event("oom_kill") == 0);
    CHECK(tree.twenty.event("oom_kill") == 0);
    CHECK(tree.parent.event("oom_kill") == 1); // hierarchical
}

TEST_CASE("The kernel's report of a kill names the policy") {
    selftest_tree tree;
    deciding<largest_leaf> policy{tree.parent.open()};
    kernel_log log;

    tree.run_out_of_memory();
    CHECK(tree.in_thirty.was_killed());

    CHECK(log.says("oom_policy=largest_leaf"));
    CHECK_FALSE(log.says("oom_policy=default"));
}

TEST_CASE("The record names the victim, the candidates and who was spared") {
    selftest_tree tree;
    deciding<largest_leaf> policy{tree.parent.open()};

    tree.run_out_of_memory();
    const auto decisions = policy.decisions();

    REQUIRE_FALSE(decisions.empty());
    const auto& kill = decisions.front();
    INFO(fmt::format("{}", kill));
    CHECK(kill.policy() == "largest_leaf");
    CHECK(kill.outcome() == outcome::killed);
    CHECK(kill.scope() == tree.parent.id());
    CHECK(kill.attached_to() == tree.parent.id());
    CHECK(kill.scope_usage() > 100_MiB);
    CHECK(kill.victim() == tree.thirty.id());
    CHECK(!kill.victim_pid());
    CHECK(kill.victim_usage() >= 30_MiB);
    CHECK(kill.victim_usage() < 32_MiB);
    CHECK(kill.victim_score() == kill.top(0).score);
    CHECK(kill.scope_max() == oomx::limit{80_MiB});
    CHECK(kill.rails() == oomx::rails{});
    CHECK(kill.granularity() == oomx::granularity::cgroup);
    CHECK(kill.considered() == 4);
    CHECK(kill.eligible() == 3);
    CHECK(kill.count(verdict::candidate) == 2);
    CHECK(kill.count(verdict::chosen) == 1);
    CHECK(kill.count(verdict::spared_oom_score_adj) == 1);
    CHECK(kill.killed() == 1);
    CHECK(kill.refused() == 0);
    CHECK(kill.took().count() > 0);

    REQUIRE(kill.top_count() == 3);
    CHECK(kill.top(0).id == tree.thirty.id());
    CHECK(kill.top(0).verdict == verdict::chosen);
    CHECK(kill.top(1).id == tree.twenty.id());
    CHECK(kill.top(1).verdict == verdict::candidate);
    CHECK(kill.top(2).id == tree.ten.id());
    CHECK(kill.top(2).verdict == verdict::candidate);
    REQUIRE(kill.spared_count() == 1);
    CHECK(kill.spared(0).id == tree.forty.id());
    CHECK(kill.spared(0).verdict == verdict::spared_oom_score_adj);
    CHECK(kill.spared(0).usage >= 40_MiB);
}

TEST_CASE("One OOM ends in one kill, however often the kernel asks while the victim dies") {
    selftest_tree tree;
    deciding<largest_leaf> policy{tree.parent.open()};

    tree.run_out_of_memory();

    const auto decisions = policy.decisions();
    INFO(fmt::format("{}", fmt::join(decisions, "\n")));
    auto left = std::span{decisions};
    REQUIRE_FALSE(left.empty());
    CHECK(left.front().outcome() == outcome::killed);
    CHECK(left.front().victim() == tree.thirty.id());
    left = left.subspan(1);
    // If the kernel asked again it was told to wait, and that is recorded once.
    const auto counted = policy.counters();
    CHECK(counted.handled == 1 + counted.waited);
    if (counted.waited > 0) {
        REQUIRE_FALSE(left.empty());
        CHECK(left.front().outcome() == outcome::waiting);
        CHECK(left.front().victim() == tree.thirty.id());
        left = left.subspan(1);
    }
    // If the victim came to its end during a decision nobody else had to die, and nobody asks then.
    REQUIRE(left.size() <= 1);
    CHECK(counted.declined == left.size());
    if (!left.empty()) {
        CHECK(left.front().outcome() == outcome::relieved);
        CHECK(left.front().victim() != tree.thirty.id());
    }
}

TEST_CASE("All processes of the victim die together") {
    auto parent = control_group::make("parent");
    auto crowd = parent.child("crowd");
    auto other = parent.child("other");
    auto first = hog::start(crowd);
    auto second = hog::start(crowd);
    auto third = hog::start(crowd);
    auto bystander = hog::start(other);
    first.grow(12_MiB);
    second.grow(12_MiB);
    bystander.grow(20_MiB);
    deciding<largest_leaf> policy{parent.open()};

    parent.set("memory.max", 40_MiB);

    CHECK(first.was_killed());
    CHECK(second.was_killed());
    CHECK(third.was_killed());
    CHECK(bystander.lives());
    CHECK(policy.decisions().front().killed() == 3);
}

TEST_CASE("A leaf full of page cache is not mistaken for a large one") {
    auto parent = control_group::make("parent");
    auto cached = parent.child("cached");
    auto anonymous = parent.child("anonymous");
    auto reader = hog::start(cached);
    auto holder = hog::start(anonymous);
    // Locked, so that the kernel cannot drop it before it declares an OOM.
    auto keeper = keep_in_page_cache(cached, 16_MiB);
    reader.grow(4_MiB);
    holder.grow(10_MiB);
    REQUIRE(must(cached.open().memory_current()) > 20_MiB);
    deciding<largest_leaf> policy{parent.open()};

    parent.set("memory.max", 25_MiB);

    CHECK(holder.was_killed());
    CHECK(reader.lives());
    CHECK(keeper.alive());
}

TEST_CASE("A leaf below min_usage is spared, and when only such are left the kernel decides") {
    auto parent = control_group::make("parent");
    auto leaf = parent.child("leaf");
    auto small = hog::start(leaf);
    small.grow(10_MiB);
    deciding<largest_leaf> policy{parent.open(), {.min_usage = 64_MiB}};
    kernel_log log;

    parent.set("memory.max", 5_MiB);

    CHECK(small.was_killed());
    const auto decisions = policy.decisions();
    REQUIRE_FALSE(decisions.empty());
    CHECK(decisions.front().outcome() == outcome::no_victim);
    REQUIRE(decisions.front().spared_count() == 1);
    CHECK(decisions.front().spared(0).verdict == verdict::spared_by_policy);
    CHECK(log.says("oom_policy=default"));
}

TEST_CASE("Shadow mode decides and records, and leaves the kill to the kernel") {
    auto parent = control_group::make("parent");
    auto leaf = parent.child("leaf");
    auto victim = hog::start(leaf);
    victim.grow(10_MiB);
    deciding<largest_leaf> policy{parent.open(), {.rails = {.mode = oomx::mode::shadow}}};
    kernel_log log;

    parent.set("memory.max", 5_MiB);

    CHECK(victim.was_killed());
    const auto decisions = policy.decisions();
    REQUIRE_FALSE(decisions.empty());
    CHECK(decisions.front().outcome() == outcome::shadow);
    CHECK(decisions.front().victim() == leaf.id());
    CHECK(decisions.front().killed() == 0);
    // Not even while what the kernel killed is still dying.
    CHECK(policy.counters().handled == 0);
    CHECK_FALSE(log.says("oom_policy=largest_leaf"));
}

TEST_CASE("A second kill within min_interval is left to the kernel") {
    auto parent = control_group::make("parent");
    auto one = parent.child("one");
    auto two = parent.child("two");
    auto first = hog::start(one);
    auto second = hog::start(two);
    first.grow(20_MiB);
    second.grow(10_MiB);
    deciding<largest_leaf> policy{parent.open(),
                                  {.rails = {.min_interval = std::chrono::hours{1}}}};
    parent.set("memory.max", 15_MiB);
    REQUIRE(first.was_killed());

    parent.set("memory.max", 5_MiB);

    CHECK(second.was_killed());
    const auto decisions = policy.decisions();
    CHECK(std::ranges::count(decisions, outcome::killed, &oomx::decision::outcome) == 1);
    CHECK(std::ranges::count(decisions, outcome::cooling, &oomx::decision::outcome) >= 1);
}

TEST_CASE("A leaf with more processes than max_processes loses its largest process") {
    auto parent = control_group::make("parent");
    auto crowd = parent.child("crowd");
    auto lonely = parent.child("lonely");
    auto first = hog::start(crowd);
    auto second = hog::start(crowd);
    auto third = hog::start(lonely);
    first.grow(20_MiB);
    third.grow(10_MiB);
    deciding<largest_leaf> policy{parent.open(), {.rails = {.max_processes = 1}}};

    parent.set("memory.max", 25_MiB);

    CHECK(first.was_killed());
    CHECK(second.lives());
    CHECK(third.lives());
    const auto kill = policy.decisions().front();
    CHECK(kill.killed() == 1);
    CHECK(kill.victim_pid() == first.pid());
    CHECK(kill.top(0).only_process == verdict::spared_many_processes);
}
