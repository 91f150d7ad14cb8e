// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/native/model.hpp>

#include <chrono>
#include <cstdint>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

using namespace std::chrono_literals;
using namespace oomx::literals;
using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::StartsWith;
using oomx::errc;
using oomx::native::model;
using oomx::native::detail::phase;

namespace {

model make(const oomx::native::machine_options& machine = {}) {
    auto made = model::make(machine);
    REQUIRE(made);
    return std::move(*made);
}

} // namespace

TEST_CASE("A cgroup is charged for its processes and for what is below it") {
    auto tree = make();
    REQUIRE(tree.add_cgroup("a", {.file = 1_MiB, .kernel = 2_MiB}));
    REQUIRE(tree.add_cgroup("a/b"));
    REQUIRE(tree.add_process("a/b", {.anon = 10_MiB, .shmem = 20_MiB, .page_tables = 40_KiB}));

    CHECK(tree.usage("a/b") == 30_MiB + 40_KiB);
    CHECK(tree.usage("a") == 33_MiB + 40_KiB);
    CHECK(tree.usage("/") == 33_MiB + 40_KiB);
}

TEST_CASE("What processes of the root hold is charged to nobody") {
    auto tree = make();
    REQUIRE(tree.add_process("/", {.anon = 10_MiB}));

    CHECK(tree.usage("/") == 0_MiB);
    CHECK(tree.used() == (10_MiB).count() / oomx::native::page_size);
}

TEST_CASE("A cgroup's id follows from its path") {
    auto one = make();
    auto other = make();
    REQUIRE(one.add_cgroup("a"));
    REQUIRE(one.add_cgroup("b"));
    REQUIRE(other.add_cgroup("b"));
    const auto last = other.add_cgroup("a");

    REQUIRE(last);
    CHECK(*last == model::id_of("a"));
    CHECK(one.path_of(*last) == "a");
    CHECK(model::id_of("/") == oomx::root_cgroup);
    CHECK(one.path_of(oomx::root_cgroup) == "/");
    CHECK(one.path_of(model::id_of("c")).empty());
}

TEST_CASE("A cgroup of a name that is taken is refused") {
    auto tree = make();
    REQUIRE(tree.add_cgroup("a"));

    const auto again = tree.add_cgroup("a");

    REQUIRE(!again);
    CHECK(again.error().code() == errc::busy);
    CHECK(again.error().message() ==
          "add cgroup 'a' to the model: there is one of that name already; give it another name");
    CHECK(tree.add_cgroup("/").error().code() == errc::busy);
}

TEST_CASE("A cgroup below one that is not there is refused") {
    auto tree = make();

    const auto orphan = tree.add_cgroup("a/b");

    REQUIRE(!orphan);
    CHECK(orphan.error().code() == errc::not_found);
    CHECK(orphan.error().message() == "add cgroup 'a/b' to the model: there is no cgroup 'a'; add "
                                      "it first, parents before children");
}

TEST_CASE("A path with an empty name in it is refused") {
    auto tree = make();
    REQUIRE(tree.add_cgroup("a"));

    for (const auto* const path : {"/a", "a/", "a//b", ".", "a/../b"}) {
        const auto refused = tree.add_cgroup(path);
        INFO(path);
        REQUIRE(!refused);
        CHECK(refused.error().code() == errc::invalid_argument);
    }
}

TEST_CASE("A name that the kernel would not take is refused") {
    auto tree = make();

    CHECK(tree.add_cgroup(std::string(255, 'a')));
    CHECK(tree.add_cgroup(std::string(256, 'a')).error().code() == errc::invalid_argument);
    CHECK_THAT(tree.add_cgroup("a\nb").error().message(),
               ContainsSubstring("longer than 255 bytes or has a line break; give one that"));
}

TEST_CASE("A preference out of its range is refused, and leaves nothing behind") {
    auto tree = make();

    const auto refused = tree.add_cgroup("a", {.preference = {{.tier = OOMX_MAX_TIER + 1}}});

    REQUIRE(!refused);
    CHECK(refused.error().message() ==
          "add cgroup 'a' to the model: preference.tier is 65536; give 0 to 65535");
    CHECK(tree.find("a") == nullptr);
}

TEST_CASE("Processes live in leaves, as cgroup v2 wants it") {
    auto tree = make();
    REQUIRE(tree.add_cgroup("inner"));
    REQUIRE(tree.add_cgroup("inner/leaf", {.anon = 1_MiB}));

    const auto in_inner = tree.add_process("inner", {.name = "shell"});
    REQUIRE(!in_inner);
    CHECK_THAT(in_inner.error().message(),
               StartsWith("add process 'shell' to cgroup 'inner' of the model: it has children"));

    const auto below_leaf = tree.add_cgroup("inner/leaf/child");
    REQUIRE(!below_leaf);
    CHECK(below_leaf.error().code() == errc::busy);
    CHECK_THAT(below_leaf.error().message(), ContainsSubstring("'inner/leaf' holds processes"));
}

TEST_CASE("A process that cannot be is refused, and leaves nothing behind") {
    auto tree = make();
    REQUIRE(tree.add_cgroup("a"));
    REQUIRE(tree.add_process("a", {.pid = 7}));
    const auto code = [&](const oomx::native::process_options& options) {
        const auto added = tree.add_process("a", options);
        REQUIRE(!added);
        return added.error().code();
    };

    CHECK(code({.anon = 1_MiB, .oom_score_adj = 1001}) == errc::invalid_argument);
    CHECK(code({.anon = 1_MiB, .oom_score_adj = -1001}) == errc::invalid_argument);
    CHECK(code({.anon = 1_MiB, .pid = 0}) == errc::invalid_argument);
    CHECK(code({.anon = 1_MiB, .pid = 7}) == errc::busy);
    CHECK(code({.anon = 1_MiB, .started = tree.now() + 1s}) == errc::invalid_argument);
    CHECK(code({.anon = 1_MiB, .started = -1s}) == errc::invalid_argument);
    CHECK(tree.usage("a") == 0_MiB);
    CHECK(tree.tasks().size() == 1);
}

TEST_CASE("A machine without memory or with negative times is refused") {
    CHECK(model::make({.ram = 0_MiB}).error().code() == errc::invalid_argument);
    CHECK(model::make({.dies_after = -1ns}).error().code() == errc::invalid_argument);
    CHECK(model::make({.uptime = 0ns}).error().code() == errc::invalid_argument);
}

TEST_CASE("A machine whose memory or time cannot be counted is refused") {
    const oomx::bytes too_much{std::uint64_t{1} << 63};
    CHECK(
        model::make({.ram = too_much}).error().message() ==
        "make model: with it the machine has more memory than can be counted; give smaller sizes, "
        "less than 8 EiB together");
    CHECK(model::make({.ram = 1_GiB, .swap = too_much}).error().code() == errc::invalid_argument);
    CHECK(model::make({.uptime = model::longest + 1ns}).error().code() == errc::invalid_argument);
    CHECK(model::make({.reaped_after = model::longest + 1ns}).error().message() ==
          "make model: one of the machine's times is longer than ten years; give a shorter one");
    CHECK(model::make({.uptime = model::longest, .dies_after = model::longest}));
}

TEST_CASE("More memory than can be counted is refused, and leaves nothing behind") {
    const oomx::bytes half{std::uint64_t{1} << 62};
    auto tree = make();
    REQUIRE(tree.add_cgroup("a", {.shmem = half}));

    CHECK(tree.add_cgroup("b", {.file = half}).error().code() == errc::invalid_argument);
    CHECK(tree.find("b") == nullptr);
    const auto process = tree.add_process("a", {.name = "big", .anon = half});
    REQUIRE(!process);
    CHECK(process.error().message() ==
          "add process 'big' to cgroup 'a' of the model: with it the machine has more memory than "
          "can be counted; give smaller sizes, less than 8 EiB together");
    REQUIRE(tree.add_process("a", {.swap = half}));
    CHECK(tree.add_process("a", {.swap = half}).error().code() == errc::invalid_argument);
    CHECK(tree.usage("/") == half);
}

TEST_CASE("A process that takes less than no time to die, or too long, is refused") {
    auto tree = make();
    REQUIRE(tree.add_cgroup("a"));

    CHECK(tree.add_process("a", {.dies_after = -1ns}).error().code() == errc::invalid_argument);
    CHECK(tree.add_process("a", {.dies_after = model::longest + 1ns}).error().code() ==
          errc::invalid_argument);
}

TEST_CASE("Time does not go backwards, nor on for more than the clock has room for") {
    auto tree = make();
    const auto begin = tree.now();

    CHECK(tree.advance(-1ns).error().code() == errc::invalid_argument);
    REQUIRE(tree.advance(model::longest));
    CHECK(tree.advance(1ns).error().message() ==
          "let time go by in the model: it is negative, or ten years are over; give zero or more, "
          "and less than ten years together");
    CHECK(tree.now() - begin == model::longest);
}

TEST_CASE("A process gets the next pid that is free") {
    auto tree = make();
    REQUIRE(tree.add_cgroup("a"));
    REQUIRE(tree.add_process("a", {.pid = 3}));

    CHECK(tree.add_process("a") == 2);
    CHECK(tree.add_process("a") == 4);
}

TEST_CASE("A cgroup that is removed is offline, and goes on being charged for what it left") {
    auto tree = make();
    REQUIRE(tree.add_cgroup("a"));
    REQUIRE(tree.add_cgroup("a/b", {.shmem = 5_MiB}));
    auto* const node = tree.find("a/b");

    CHECK(tree.remove_cgroup("a").error().code() == errc::busy);
    REQUIRE(tree.remove_cgroup("a/b"));

    CHECK_FALSE(node->is_online());
    CHECK(tree.find("a")->memcg.css.online_cnt.counter == 1);
    CHECK(tree.usage("a") == 5_MiB);
    CHECK(tree.usage("a/b").error().code() == errc::not_found);
    CHECK(tree.remove_cgroup("a/b").error().code() == errc::not_found);
}

TEST_CASE("A victim holds its memory until it has died") {
    auto tree = make({.dies_after = 10ms});
    REQUIRE(tree.add_cgroup("a"));
    const auto pid = tree.add_process("a", {.anon = 10_MiB, .swap = 1_MiB});
    auto* const victim = tree.find_task(*pid);

    tree.kill(*victim, "test");
    REQUIRE(tree.advance(10ms - 1ns));
    CHECK(tree.usage("a") == 10_MiB);
    CHECK(victim->signal->oom_mm == victim->mm);

    REQUIRE(tree.advance(1ns));
    CHECK(tree.usage("a") == 0_MiB);
    CHECK(victim->phase == phase::gone);
    CHECK(tree.find_task(*pid) == nullptr);
    CHECK(tree.find("a")->memcg.swap.usage.counter == 0);
}

TEST_CASE("A victim that does not die is reaped of its anonymous memory") {
    auto tree = make({.dies_after = 1min, .reaped_after = 2s});
    REQUIRE(tree.add_cgroup("a"));
    const auto pid = tree.add_process("a", {.anon = 10_MiB, .shmem = 1_MiB});
    auto* const victim = tree.find_task(*pid);

    tree.kill(*victim, "test");
    REQUIRE(tree.advance(2s));

    CHECK(tree.usage("a") == 1_MiB);
    CHECK(victim->phase == phase::reaped);
    CHECK((victim->memory.flags & (1UL << MMF_OOM_SKIP)) != 0);
    CHECK(victim->mm != nullptr);

    REQUIRE(tree.advance(58s));
    CHECK(tree.usage("a") == 0_MiB);
}

TEST_CASE("An address space that is being torn down still holds its memory") {
    auto tree = make({.dies_after = 10ms, .teardown = 5ms});
    REQUIRE(tree.add_cgroup("a"));
    auto* const victim = tree.find_task(*tree.add_process("a", {.anon = 10_MiB}));

    tree.kill(*victim, "test");
    REQUIRE(tree.advance(12ms));

    CHECK(victim->phase == phase::exiting);
    CHECK(victim->mm == nullptr);
    CHECK(victim->memory.mm_users.counter == 0);
    CHECK(victim->memory.mm_mt.ma_root != nullptr);
    CHECK(tree.usage("a") == 10_MiB);

    REQUIRE(tree.advance(3ms));
    CHECK(tree.usage("a") == 0_MiB);
}

TEST_CASE("Each process may take a time of its own to die") {
    auto tree = make({.dies_after = 10ms});
    REQUIRE(tree.add_cgroup("a"));
    auto* const quick = tree.find_task(*tree.add_process("a", {.dies_after = 1ms}));
    auto* const usual = tree.find_task(*tree.add_process("a"));
    tree.kill(*usual, "test");
    tree.kill(*quick, "test");

    CHECK(tree.next_end() == tree.now() + 1ms);
    REQUIRE(tree.advance(1ms));
    CHECK(quick->phase == phase::gone);
    CHECK(usual->phase == phase::dying);
}

TEST_CASE("Limits are in pages, and none is the kernel's own max") {
    auto tree = make();
    REQUIRE(tree.add_cgroup("a", {.max = 1_GiB, .min = 1_MiB, .low = 2_MiB, .oom_group = true}));
    const auto& memcg = tree.find("a")->memcg;

    CHECK(memcg.memory.max == (1 << 30) / 4096);
    CHECK(memcg.memory.high == LONG_MAX / 4096);
    CHECK(memcg.memory.min == (1 << 20) / 4096);
    CHECK(memcg.memory.low == (2 << 20) / 4096);
    CHECK(memcg.swap.max == LONG_MAX / 4096);
    CHECK(memcg.oom_group);
}

TEST_CASE("Processes with threads or shared memory that cannot be are refused") {
    auto tree = make();
    REQUIRE(tree.add_cgroup("a"));
    REQUIRE(tree.add_process("a", {.pid = 7, .threads = 2, .leader_ended = true}));
    const auto code = [&](const oomx::native::process_options& options) {
        const auto added = tree.add_process("a", options);
        REQUIRE(!added);
        return added.error().code();
    };

    CHECK(code({.threads = 0}) == errc::invalid_argument);
    CHECK(code({.leader_ended = true}) == errc::invalid_argument);
    CHECK(code({.in_vfork = true}) == errc::invalid_argument);
    CHECK(code({.shares_memory_of = 8}) == errc::not_found);
    CHECK(code({.shares_memory_of = 7}) == errc::not_found); // its first thread has ended
    REQUIRE(tree.add_process("a", {.pid = 8}));
    CHECK(code({.anon = 1_MiB, .shares_memory_of = 8}) == errc::invalid_argument);
}

TEST_CASE("Memory that two processes use is held until both are gone") {
    auto tree = make({.dies_after = 10ms});
    REQUIRE(tree.add_cgroup("a", {.processes = {{.anon = 10_MiB, .pid = 7}}}));
    REQUIRE(tree.add_cgroup("b", {.processes = {{.pid = 8, .threads = 3, .shares_memory_of = 7}}}));
    auto* const owner = tree.find_task(7);
    auto* const other = tree.find_task(8);
    CHECK(tree.usage("a") == 10_MiB);
    CHECK(tree.usage("b") == 0_MiB);
    CHECK(owner->mm == other->mm);
    CHECK(owner->memory.mm_users.counter == 4);

    tree.kill(*owner, "test");
    REQUIRE(tree.advance(10ms));
    CHECK(owner->phase == phase::gone);
    CHECK(tree.usage("a") == 10_MiB);

    tree.kill(*other, "test");
    REQUIRE(tree.advance(10ms));
    CHECK(tree.usage("a") == 0_MiB);
}

TEST_CASE("A process that ends by itself is nobody's victim, and the reaper leaves it alone") {
    auto tree = make({.reaped_after = 2s});
    REQUIRE(tree.add_cgroup("a"));
    auto* const process =
        tree.find_task(*tree.add_process("a", {.anon = 10_MiB, .dies_after = 5s}));

    tree.end_by_itself(*process, "user");
    REQUIRE(tree.advance(4s));
    CHECK(process->phase == phase::dying);
    CHECK(process->signal->oom_mm == nullptr);
    CHECK((process->signal->flags & SIGNAL_GROUP_EXIT) != 0);
    CHECK(tree.usage("a") == 10_MiB);

    REQUIRE(tree.advance(1s));
    CHECK(tree.usage("a") == 0_MiB);
}

TEST_CASE("A cgroup knows what its children use of their protection") {
    auto tree = make();
    REQUIRE(tree.add_cgroup("a"));
    REQUIRE(tree.add_cgroup("a/b", {.min = 2_MiB, .low = 8_MiB, .anon = 4_MiB}));
    REQUIRE(tree.add_cgroup("a/c", {.low = 1_MiB, .file = 1_MiB}));
    REQUIRE(tree.add_cgroup("a/d", {.low = 9_MiB}));
    const auto& counter = tree.find("a")->memcg.memory;
    const auto in_mib = [](long pages) { return pages / 256; };

    CHECK(in_mib(counter.children_min_usage.counter) == 2);
    CHECK(in_mib(counter.children_low_usage.counter) == 4 + 1);
    tree.drop_cache(*tree.find("a/c"), 256);
    CHECK(in_mib(counter.children_low_usage.counter) == 4);
}
