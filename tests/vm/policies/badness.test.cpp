// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <chrono>
#include <csignal>
#include <thread>

#include <pthread.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>

#include <oomx/oomx.hpp>
#include <oomx/policies/badness.hpp>

#include "../support.hpp"

using namespace oomx::test;
using namespace oomx::literals;
using oomx::granularity;
using oomx::policies::badness;

namespace {

/// The largest leaf holds two processes, the largest process is in another.
struct crowded_tree {
    control_group parent = control_group::make("parent");
    control_group crowd = parent.child("crowd");
    control_group single = parent.child("single");
    hog first = hog::start(crowd);
    hog second = hog::start(crowd);
    hog lonely;

    explicit crowded_tree(int oom_score_adj_of_lonely = 0)
        : lonely{hog::start(single, oom_score_adj_of_lonely)} {
        first.grow(10_MiB);
        second.grow(8_MiB);
        lonely.grow(14_MiB);
    }

    void run_out_of_memory() const { parent.set("memory.max", 28_MiB); }
};

/// A process that holds that much, though its first thread has ended.
process headless_process(const control_group& where, oomx::bytes size) {
    return process::start_ready([&](auto ready) {
        where.set("cgroup.procs", "0");
        std::thread{[&, first = ::pthread_self()] {
            hog::touch(size.count());
            ::pthread_join(first, nullptr);
            ready();
            ::pause();
        }}.detach();
        ::syscall(SYS_exit, 0); // ends this thread alone
        return 0;
    });
}

} // namespace

TEST_CASE("badness kills the process that holds most, not one of the largest cgroup") {
    crowded_tree tree;
    deciding<badness> policy{tree.parent.open()};

    tree.run_out_of_memory();

    CHECK(tree.lonely.was_killed());
    CHECK(tree.first.lives());
    CHECK(tree.second.lives());
    CHECK(policy.decisions().front().victim_pid() == tree.lonely.pid());
}

TEST_CASE("badness heeds oom_score_adj, and kills one process of a cgroup") {
    crowded_tree tree{-500};
    deciding<badness> policy{tree.parent.open()};

    tree.run_out_of_memory();

    CHECK(tree.first.was_killed());
    CHECK(tree.second.lives());
    CHECK(tree.lonely.lives());
}

TEST_CASE("badness with granularity cgroup kills all that share the cgroup of the worst process") {
    crowded_tree tree{-500};
    deciding<badness> policy{tree.parent.open(), {.ranking = {.granularity = granularity::cgroup}}};

    tree.run_out_of_memory();

    CHECK(tree.first.was_killed());
    CHECK(tree.second.was_killed());
    CHECK(tree.lonely.lives());
}

TEST_CASE("badness has the whole memory.oom.group of the worst process die") {
    crowded_tree tree{-500};
    tree.crowd.set("memory.oom.group", "1");
    deciding<badness> policy{tree.parent.open()};

    tree.run_out_of_memory();

    CHECK(tree.first.was_killed());
    CHECK(tree.second.was_killed());
    CHECK(tree.lonely.lives());
}

TEST_CASE("badness takes a process whose first thread has ended for what the others hold") {
    crowded_tree tree;
    auto headless = headless_process(tree.single, 16_MiB);
    deciding<badness> policy{tree.parent.open()};

    tree.parent.set("memory.max", 44_MiB);

    CHECK(headless.ended_within(std::chrono::seconds{30}));
    CHECK(headless.killed_by() == SIGKILL);
    CHECK(policy.decisions().front().victim_pid() == headless.pid());
    CHECK(tree.first.lives());
    CHECK(tree.second.lives());
    // The kernel does not list such a process while its last thread gives the memory back, so the
    // next one may die.
}

TEST_CASE("badness declines when all have oom_score_adj -1000") {
    auto parent = control_group::make("parent");
    auto leaf = parent.child("leaf");
    auto only = hog::start(leaf, -1000);
    only.grow(10_MiB);
    deciding<badness> policy{parent.open()};

    parent.set("memory.max", 5_MiB);
    parent.set("memory.max", "max"); // or it could not even answer

    CHECK(only.lives());
    CHECK(policy.decisions().front().outcome() == oomx::outcome::no_victim);
}
