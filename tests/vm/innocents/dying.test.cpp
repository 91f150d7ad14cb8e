// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// While a victim gives back its memory the kernel asks for the next one, again and again. Nobody
// else may die then, however long it takes and whoever has killed the victim. The limits are such
// that most of the memory has to come back first.
#include <chrono>
#include <csignal>
#include <filesystem>
#include <string>

#include <sys/ptrace.h>
#include <sys/wait.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include "scene.hpp"

using namespace oomx::test;
using namespace oomx::literals;
using oomx::policies::largest_leaf;

namespace {

/// One that is not the first, or 0.
pid_t other_thread_of(pid_t process) {
    for (const auto& thread :
         std::filesystem::directory_iterator{fmt::format("/proc/{}/task", process)}) {
        const auto id = std::stoi(thread.path().filename());
        if (id != process) {
            return id;
        }
    }
    return 0;
}

} // namespace

TEST_CASE("A large victim dies alone, however many threads it has") {
    const auto who = GENERATE(from_range(killers({killer::largest_leaf, killer::badness})));
    const int threads = GENERATE(1, 8, 64);
    scene scene{who, fmt::format("300 MiB in {} threads", threads)};
    while (scene.next_round()) {
        auto victim = scene.add("victim", 300_MiB, {.threads = threads});
        auto neighbour = scene.add("neighbour", 20_MiB);

        scene.run_out_of_memory(250_MiB);

        CHECK(scene.was_killed(victim));
        CHECK(scene.survived(neighbour));
    }
}

TEST_CASE("A victim whose first thread has ended dies alone") {
    const auto who = GENERATE(from_range(killers({killer::largest_leaf, killer::badness})));
    scene scene{who, "first thread has ended"};
    while (scene.next_round()) {
        auto victim = scene.add("victim", 100_MiB, {.leader_ends = true});
        auto neighbour = scene.add("neighbour", 20_MiB);
        auto other = scene.add("other", 10_MiB, {.leader_ends = true});

        scene.run_out_of_memory(80_MiB);

        CHECK(scene.was_killed(victim));
        CHECK(scene.survived(neighbour));
        CHECK(scene.survived(other));
    }
}

// The first thread is gone, and a tracer holds up the other one, which has the memory still, until
// the OOM reaper has taken that. The posted series kills a first thread without memory once more
// each time it is asked to.
TEST_CASE("A victim that is slow to end is killed once") {
    scene scene{killer::largest_leaf, "first thread has ended, the other one is slow"};
    if (scene.next_round()) {
        auto victim = scene.add("victim", 100_MiB, {.threads = 2, .leader_ends = true});
        auto neighbour = scene.add("neighbour", 20_MiB);
        const auto thread = other_thread_of(victim.process.pid());
        REQUIRE(::ptrace(PTRACE_SEIZE, thread, nullptr, PTRACE_O_TRACEEXIT) == 0);

        scene.run_out_of_memory(80_MiB);

        CHECK(victim.group.event("oom_kill") == 1);
        CHECK(::waitpid(thread, nullptr, __WALL) == thread);
        REQUIRE(::ptrace(PTRACE_DETACH, thread, nullptr, nullptr) == 0);
        CHECK(scene.was_killed(victim));
        CHECK(scene.survived(neighbour));
    }
}

TEST_CASE("A neighbour that asks for memory while a victim dies gets it") {
    const auto who = GENERATE(from_range(killers({killer::largest_leaf, killer::badness})));
    scene scene{who, "a neighbour grows while the victim dies"};
    while (scene.next_round()) {
        scene.scope().set("memory.max", 340_MiB);
        auto victim = scene.add("victim", 300_MiB, {.threads = 8});
        auto other = scene.add("other", 20_MiB);
        auto neighbour = scene.add("neighbour", 10_MiB);

        const bool has_grown = neighbour.process.grow(280_MiB);

        CHECK(scene.survived(has_grown));
        CHECK(scene.was_killed(victim));
        CHECK(scene.survived(neighbour));
        CHECK(scene.survived(other));
    }
}

TEST_CASE("A victim that grew too large by itself dies alone") {
    const auto who = GENERATE(from_range(killers({killer::largest_leaf, killer::badness})));
    scene scene{who, "the victim grows until it is killed"};
    while (scene.next_round()) {
        scene.scope().set("memory.max", 200_MiB);
        auto victim = scene.add("victim", 20_MiB, {.threads = 8});
        auto neighbour = scene.add("neighbour", 20_MiB);
        auto other = scene.add("other", 30_MiB, {.leader_ends = true});

        victim.process.order(300_MiB);

        CHECK(scene.was_killed(victim));
        CHECK(scene.survived(neighbour));
        CHECK(scene.survived(other));
    }
}

// A tracer holds the process up at the very beginning of its end, so that it has its memory still.
// It gets no further until the OOM reaper has taken that.
TEST_CASE("Nobody dies beside a process that user space has killed and that is still ending") {
    scene scene{killer::largest_leaf, "user space has killed the largest"};
    while (scene.next_round()) {
        auto large = scene.add("large", 300_MiB, {.threads = 8});
        auto neighbour = scene.add("neighbour", 20_MiB);
        auto other = scene.add("other", 10_MiB);
        const auto pid = large.process.pid();
        REQUIRE(::ptrace(PTRACE_SEIZE, pid, nullptr, PTRACE_O_TRACEEXIT) == 0);
        large.process.kill();
        int status = 0;
        REQUIRE(::waitpid(pid, &status, __WALL) == pid);
        REQUIRE(status >> 8 == (SIGTRAP | (PTRACE_EVENT_EXIT << 8)));

        scene.run_out_of_memory(250_MiB);

        REQUIRE(::ptrace(PTRACE_DETACH, pid, nullptr, nullptr) == 0);
        CHECK(large.process.was_killed());
        CHECK(scene.survived(neighbour));
        CHECK(scene.survived(other));
    }
    CHECK(scene.ooms() > 0);
}

// Rounds in which the victim was faster than the policy show nothing. In shadow mode the policy
// leaves the first kill to the kernel.
TEST_CASE("Nobody dies beside a victim of the kernel's own killer that is still ending") {
    scene scene{killer::kernel, "the kernel has killed the largest, then largest_leaf"};
    const auto& scope = scene.scope();
    auto loaded = must(oomx::load<largest_leaf>({.rails = {.mode = oomx::mode::shadow}}));
    const auto attachment = must(loaded.attach(scope.open()));
    while (scene.next_round()) {
        must(loaded.reconfigure({.rails = {.mode = oomx::mode::shadow}}));
        auto victim = scene.add("victim", 300_MiB, {.threads = 64});
        auto neighbour = scene.add("neighbour", 20_MiB);
        auto other = scene.add("other", 10_MiB);

        scene::run_out_of_memory(victim.group, 1_MiB);
        must(loaded.reconfigure({}));
        scene.run_out_of_memory(200_MiB);

        CHECK(scene.was_killed(victim));
        CHECK(scene.survived(neighbour));
        CHECK(scene.survived(other));
    }
}

TEST_CASE("Nobody dies beside a dying victim because min_interval has not passed") {
    scene scene{killer::largest_leaf,
                "min_interval, while the victim dies",
                {.min_interval = std::chrono::hours{1}}};
    if (scene.next_round()) { // in the next one it would not have passed since this kill
        auto victim = scene.add("victim", 300_MiB, {.threads = 64});
        auto frontend = scene.add("frontend", 10_MiB, {.oom_score_adj = 1000});

        scene.run_out_of_memory(250_MiB);

        CHECK(scene.was_killed(victim));
        CHECK(scene.survived(frontend));
    }
}

TEST_CASE("min_interval after a kill in one scope leaves the policy to decide in another one") {
    scene scene{
        killer::largest_leaf, "min_interval, two scopes", {.min_interval = std::chrono::hours{1}}};
    if (scene.next_round()) {
        auto one = scene.scope().child("one");
        auto other = scene.scope().child("other");
        auto first = scene::add_below(one, "first", 30_MiB);
        auto second = scene::add_below(other, "second", 30_MiB);
        auto frontend = scene::add_below(other, "frontend", 10_MiB, {.oom_score_adj = 1000});

        scene::run_out_of_memory(one, 5_MiB);
        scene::run_out_of_memory(other, 5_MiB);

        CHECK(scene.was_killed(first));
        CHECK(scene.was_killed(second));
        CHECK(scene.survived(frontend)); // the kernel would take it
    }
}
