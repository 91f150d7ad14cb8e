// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// bpf_templates/include/oomx/inspect.bpf.h: which processes count, and what they hold.
#include <string_view>

#include <catch2/catch_test_macros.hpp>

#include <oomx/policies/badness.hpp>
#include <oomx/policies/largest_leaf.hpp>

#include "asked.hpp"
#include "vm/bpf/policies.hpp"

using namespace oomx::literals;
using namespace oomx::test;
using oomx::granularity;
using oomx::outcome;
using oomx::verdict;
using oomx::native::model;
using oomx::native::detail::task;
using oomx::policies::badness;
using oomx::policies::largest_leaf;

namespace {

/// What largest_leaf records where the largest leaf is `changed` before.
template <typename Change>
oomx::decision decided_after(Change changed) {
    auto where = tree{}.add("top/largest", {.anon = 3_MiB}).add("top/next", {.anon = 2_MiB}).take();
    changed(task_of(where, "largest"));
    auto policy = make_policy<largest_leaf>();
    return ask(policy, where).record();
}

/// What a policy that scores by that field says of "top/it" beside another cgroup.
std::uint64_t read(model& where, oomx_echo_field field) {
    auto policy = make_policy<echo>({.field = field, .rails = {.mode = oomx::mode::shadow}});
    const auto came = ask(policy, where);
    for (std::size_t i = 0; i < came.record().top_count(); ++i) {
        if (came.record().top(i).id == model::id_of("top/it")) {
            return came.record().top(i).score - 1;
        }
    }
    FAIL("it is no candidate");
    std::unreachable();
}

} // namespace

TEST_CASE("A process that ends by itself and has given its memory back is nobody") {
    const auto decision = decided_after([](task& process) {
        process.mm = nullptr;
        process.signals.live.counter = 0;
    });

    CHECK(decision.victim() == model::id_of("top/next"));
    CHECK(decision.count(verdict::empty) == 1);
}

TEST_CASE("A process whose memory the reaper has taken is nobody") {
    const auto decision = decided_after([](task& process) {
        process.signals.oom_mm = process.mm;
        process.memory.flags |= 1UL << MMF_OOM_SKIP;
    });

    CHECK(decision.victim() == model::id_of("top/next"));
    CHECK(decision.count(verdict::empty) == 1);
}

TEST_CASE("A process of which threads are left counts with its memory, and dies") {
    auto policy = make_policy<badness>();
    auto where = tree{}
                     .add("top/it", {.processes = {{.name = "headless",
                                                    .anon = 4_MiB,
                                                    .threads = 3,
                                                    .leader_ended = true},
                                                   {.name = "other", .anon = 2_MiB}}})
                     .take();

    const auto came = ask(policy, where);

    CHECK(came.record().victim_comm() == "headless");
    CHECK_FALSE(lives(where, "headless"));
    CHECK(lives(where, "other"));
}

TEST_CASE("Kernel threads and who is between vfork() and exec() are nobody") {
    auto where =
        tree{}
            .add("top/it", {.processes = {{.name = "parent", .anon = 2_MiB, .pid = 100},
                                          {.shares_memory_of = 100, .in_vfork = true},
                                          {.kernel_thread = true}}})
            .add("top/elsewhere",
                 {.processes = {{.name = "child", .shares_memory_of = 100, .in_vfork = true}}})
            .take();
    auto policy = make_policy<largest_leaf>();

    const auto came = ask(policy, where);

    CHECK(came.record().victim() == model::id_of("top/it"));
    CHECK(came.record().top(0).processes == 1);
    CHECK_FALSE(came.record().top(0).only_process);
    CHECK(came.record().killed() == 1);
    CHECK(came.record().count(verdict::empty) == 1);
    CHECK_FALSE(lives(where, "child")); // by the kernel: its memory was its parent's
}

TEST_CASE("What is said below a candidate holds for all below that, and not beside it") {
    auto policy = make_policy<largest_leaf>({.ranking = {.level = 1}});
    REQUIRE(policy.prefer(model::id_of("top/it/never"), {.never_kill = true}));
    auto where = tree{}
                     .add("top/it")
                     .add("top/it/before", {.anon = 2_MiB})
                     .add("top/it/never")
                     .add("top/it/never/deep", {.anon = 8_MiB})
                     .add("top/it/after", {.anon = 3_MiB})
                     .take();

    const auto came = ask(policy, where);

    CHECK(came.record().top(0).only_process == verdict::spared_never_kill);
    CHECK(came.record().victim_comm() == "after");
    CHECK(lives(where, "deep"));
    CHECK(lives(where, "before"));
}

TEST_CASE("What processes hold that must not die counts: a tenant cannot look small by them") {
    auto where = tree{}
                     .add("top/it", {.shmem = 1_MiB,
                                     .processes = {{.name = "may", .anon = 2_MiB, .swap = 3_MiB},
                                                   {.name = "must not",
                                                    .anon = 8_MiB,
                                                    .shmem = 4_MiB,
                                                    .swap = 5_MiB,
                                                    .oom_score_adj = -1000}}})
                     .take();

    CHECK(read(where, OOMX_ECHO_USAGE) == (15_MiB).count());
    CHECK(read(where, OOMX_ECHO_ANON) == (10_MiB).count());
    CHECK(read(where, OOMX_ECHO_SWAP) == (8_MiB).count());
    CHECK(read(where, OOMX_ECHO_SHMEM) == (5_MiB).count());
}

TEST_CASE("Nobody hides a large process behind memory that is charged elsewhere") {
    auto policy = make_policy<largest_leaf>();
    auto where =
        tree{}
            .add("top/lender", {.processes = {{.name = "lender", .anon = 9_MiB, .pid = 100}}})
            .add("top/liar", {.processes = {{.name = "liar", .anon = 8_MiB},
                                            {.name = "borrower", .shares_memory_of = 100}}})
            .add("top/neighbour", {.anon = 4_MiB})
            .take();

    const auto came = ask(policy, where);

    CHECK(came.record().victim() == model::id_of("top/liar"));
    CHECK(came.record().victim_comm() == "liar");
    CHECK(lives(where, "lender"));
    CHECK(lives(where, "borrower"));
    CHECK(lives(where, "neighbour"));
}

TEST_CASE("A candidate of more cgroups than can be remembered loses one process") {
    auto policy = make_policy<largest_leaf>({.ranking = {.level = 1}});
    tree made;
    made.add("top/it");
    for (int i = 0; i < 1100; ++i) {
        made.add("top/it/" + std::to_string(i));
    }
    made.add("top/it/large", {.anon = 8_MiB}).add("top/it/late", {.anon = 1_MiB});
    auto where = made.take();

    const auto came = ask(policy, where);

    CHECK(came.record().top(0).only_process == verdict::over_bound);
    CHECK(came.record().victim_comm() == "large");
    CHECK(lives(where, "late"));
}
