// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// bpf_templates/include/oomx/rails.bpf.h: who may die, whole or not. In each scene "top/it" holds
// most, and there are a process "large" that may die, a process "small" that may, and for most a
// process "spared" that holds more than both.
#include <string_view>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>

#include <oomx/policies/badness.hpp>
#include <oomx/policies/largest_leaf.hpp>

#include "asked.hpp"
#include "vm/bpf/policies.hpp"

using namespace oomx::literals;
using namespace oomx::test;
using oomx::granularity;
using oomx::outcome;
using oomx::verdict;
using oomx::native::cgroup_options;
using oomx::native::model;
using oomx::native::process_options;
using oomx::policies::badness;
using oomx::policies::largest_leaf;

namespace {

const process_options large{.name = "large", .anon = 6_MiB};
const process_options small{.name = "small", .anon = 5_MiB};

/// "top/it" with these two and others, and a neighbour.
tree scene(std::vector<process_options> others, bool oom_group = false) {
    tree made;
    others.push_back(small);
    others.push_back(large);
    made.add("outside", {.processes = {{.name = "outside", .anon = 1_MiB, .pid = 100}}})
        .add("top/it", {.oom_group = oom_group, .processes = std::move(others)})
        .add("top/neighbour", {.anon = 4_MiB});
    return made;
}

/// One process of it dies, and the record says why only that one.
void check_loses_one(model& where, const answered& came, verdict why) {
    CHECK(came.claimed);
    const auto& record = came.record();
    CHECK(record.outcome() == outcome::killed);
    CHECK(record.victim() == model::id_of("top/it"));
    CHECK(record.granularity() == granularity::process);
    CHECK(record.top(0).only_process == why);
    CHECK(record.victim_comm() == "large");
    CHECK(record.killed() == 1);
    CHECK_FALSE(lives(where, "large"));
    CHECK(lives(where, "small"));
    CHECK(lives(where, "neighbour"));
}

/// Nobody dies by the policy, as with one process the kernel would kill a group that may not die.
void check_declines(model& where, const answered& came, verdict why) {
    CHECK_FALSE(came.claimed);
    CHECK(came.record().outcome() == outcome::spared);
    CHECK(came.record().victim() == model::id_of("top/it"));
    CHECK(came.record().victim_verdict() == why);
    CHECK(lives(where, "large"));
    CHECK(lives(where, "small"));
    CHECK(lives(where, "neighbour"));
}

} // namespace

TEST_CASE("A candidate with somebody at -1000 loses one other process") {
    const bool as_posted = GENERATE(false, true);
    auto policy = make_policy<largest_leaf>();
    auto where = scene({{.name = "spared", .anon = 9_MiB, .oom_score_adj = -1000}}).take();

    check_loses_one(where, ask(policy, where, {.as_posted = as_posted}),
                    verdict::spared_oom_score_adj);
    CHECK(lives(where, "spared"));
}

TEST_CASE("A candidate with process 1 loses one other process") {
    auto policy = make_policy<largest_leaf>();
    auto where = scene({{.name = "spared", .anon = 9_MiB, .pid = 1}}).take();

    check_loses_one(where, ask(policy, where), verdict::spared_init);
    CHECK(lives(where, "spared"));
}

TEST_CASE("A candidate with more than max_processes loses one process") {
    auto policy = make_policy<largest_leaf>({.rails = {.max_processes = 2}});
    auto where = scene({{.name = "third", .anon = 1_MiB}}).take();

    check_loses_one(where, ask(policy, where), verdict::spared_many_processes);
    CHECK(lives(where, "third"));
}

TEST_CASE("A candidate with as many as max_processes dies whole") {
    auto policy = make_policy<largest_leaf>({.rails = {.max_processes = 2}});
    auto where = scene({}).take();

    const auto came = ask(policy, where);

    CHECK(came.record().killed() == 2);
    CHECK(came.record().granularity() == granularity::cgroup);
    CHECK_FALSE(came.record().top(0).only_process);
}

TEST_CASE("A candidate with memory that a process elsewhere uses loses one other process") {
    const bool as_posted = GENERATE(false, true);
    auto policy = make_policy<largest_leaf>();
    auto where = scene({{.name = "spared", .shares_memory_of = 100}}).take();

    check_loses_one(where, ask(policy, where, {.as_posted = as_posted}),
                    verdict::spared_shared_memory);
    CHECK(lives(where, "spared"));
    CHECK(lives(where, "outside"));
}

TEST_CASE("Who shares memory with somebody at -1000 or with process 1 is spared beside it") {
    const bool init = GENERATE(false, true);
    const int pid = init ? 1 : 7;
    auto policy = make_policy<largest_leaf>();
    auto where =
        scene({{.name = "spared", .anon = 9_MiB, .oom_score_adj = init ? 0 : -1000, .pid = pid},
               {.name = "sharer", .shares_memory_of = pid}})
            .take();

    check_loses_one(where, ask(policy, where), verdict::spared_shared_memory);
    CHECK(lives(where, "spared"));
    CHECK(lives(where, "sharer"));
}

TEST_CASE("Memory that processes of one cgroup share goes when all of them die") {
    auto policy = make_policy<largest_leaf>();
    auto where = scene({{.name = "first", .anon = 1_MiB, .pid = 7},
                        {.name = "second", .shares_memory_of = 7}})
                     .take();

    const auto came = ask(policy, where);

    CHECK(came.record().killed() == 4);
    CHECK_FALSE(came.record().top(0).only_process);
}

TEST_CASE("A candidate of which a part cannot be listed loses one process of what can") {
    auto policy = make_policy<largest_leaf>({.ranking = {.level = 1}});
    auto where = tree{}
                     .add("top/it")
                     .add("top/it/seen", {.processes = {small, large}})
                     .add("top/it/unseen", {.anon = 9_MiB})
                     .add("top/neighbour", {.anon = 4_MiB})
                     .take();
    REQUIRE(where.make_unreadable("top/it/unseen"));

    check_loses_one(where, ask(policy, where), verdict::unreadable);
    CHECK(lives(where, "unseen"));
}

TEST_CASE("A candidate of more processes than one decision looks at loses one of them") {
    auto policy = make_policy<hostile>(
        {.how = OOMX_HOSTILE_KILL, .target = model::id_of("top/it"), .rails = {.max_tasks = 2}});
    auto where = tree{}
                     .add("top/it", {.processes = {small, large, {.name = "late", .anon = 9_MiB}}})
                     .add("top/neighbour", {.anon = 4_MiB})
                     .take();

    check_loses_one(where, ask(policy, where), verdict::over_bound);
    CHECK(lives(where, "late"));
}

TEST_CASE("The one process that dies is the one that the policy ranks first") {
    auto policy = make_policy<badness>({.ranking = {.granularity = granularity::cgroup}});
    auto where = scene({{.name = "spared", .oom_score_adj = -1000},
                        {.name = "worst", .anon = 1_MiB, .oom_score_adj = 1000}})
                     .take();
    where.find("top")->memcg.memory.max = 3000; // of which each point is a thousandth

    const auto came = ask(policy, where);

    CHECK(came.record().victim_comm() == "worst");
    CHECK(lives(where, "large"));
}

TEST_CASE("A candidate of which nobody may die is spared, and the next one dies") {
    const auto [options, why] = GENERATE(
        std::pair{process_options{.anon = 9_MiB, .oom_score_adj = -1000},
                  verdict::spared_oom_score_adj},
        std::pair{process_options{.anon = 9_MiB, .pid = 1}, verdict::spared_init},
        std::pair{process_options{.shares_memory_of = 100}, verdict::spared_shared_memory});
    auto policy = make_policy<largest_leaf>();
    auto where = tree{}
                     .add("outside", {.processes = {{.anon = 9_MiB, .pid = 100}}})
                     .add("top/it", {.shmem = 9_MiB, .processes = {options}})
                     .add("top/neighbour", {.anon = 4_MiB})
                     .take();

    const auto came = ask(policy, where);

    CHECK(came.record().victim() == model::id_of("top/neighbour"));
    CHECK(came.record().count(why) == 1);
    CHECK(came.record().spared(0).verdict == why);
}

TEST_CASE("With one process of a memory.oom.group all may die but who is at -1000 or process 1") {
    const bool init = GENERATE(false, true);
    auto policy = make_policy<largest_leaf>();
    auto where = scene({{.name = "spared",
                         .anon = 9_MiB,
                         .oom_score_adj = init ? 0 : -1000,
                         .pid = init ? 1 : 7}},
                       true)
                     .take();

    const auto came = ask(policy, where);

    CHECK(came.record().outcome() == outcome::killed);
    CHECK(came.record().granularity() == granularity::process);
    CHECK_FALSE(lives(where, "large"));
    CHECK_FALSE(lives(where, "small"));
    CHECK(lives(where, "spared"));
}

TEST_CASE("A memory.oom.group that may not lose more than one process loses none") {
    const auto single = GENERATE(granularity::cgroup, granularity::process);
    SECTION("for max_processes") {
        auto policy = make_policy<largest_leaf>(
            {.ranking = {.granularity = single}, .rails = {.max_processes = 2}});
        auto where = scene({{.name = "third"}}, true).take();

        check_declines(where, ask(policy, where), verdict::spared_many_processes);
    }
    SECTION("for memory that is used elsewhere") {
        auto policy = make_policy<largest_leaf>({.ranking = {.granularity = single}});
        auto where = scene({{.name = "spared", .shares_memory_of = 100}}, true).take();

        check_declines(where, ask(policy, where), verdict::spared_shared_memory);
        CHECK(lives(where, "outside"));
    }
    SECTION("for a parent elsewhere that waits in vfork()") {
        auto policy = make_policy<largest_leaf>({.ranking = {.granularity = single}});
        auto where =
            scene({{.name = "child", .shares_memory_of = 100, .in_vfork = true}}, true).take();

        check_declines(where, ask(policy, where), verdict::spared_shared_memory);
        CHECK(lives(where, "outside"));
    }
    SECTION("for a preference") {
        auto policy = make_policy<largest_leaf>({.ranking = {.granularity = single}});
        REQUIRE(policy.prefer(model::id_of("top/it/never"), {.never_kill = true}));
        auto where = tree{}
                         .add("top/it", {.oom_group = true})
                         .add("top/it/never", {.processes = {{.name = "spared"}}})
                         .add("top/it/others", {.processes = {small, large}})
                         .add("top/neighbour", {.anon = 4_MiB})
                         .take();

        check_declines(where, ask(policy, where), verdict::spared_never_kill);
        CHECK(lives(where, "spared"));
    }
}

TEST_CASE("A parent of the same memory.oom.group that waits in vfork() dies with it") {
    auto policy = make_policy<largest_leaf>();
    auto where = scene({{.name = "parent", .pid = 7},
                        {.name = "child", .shares_memory_of = 7, .in_vfork = true}},
                       true)
                     .take();

    CHECK(ask(policy, where).record().killed() == 3);
    CHECK_FALSE(lives(where, "parent"));
}

TEST_CASE("Who cannot be listed is not called nobody, though it is never to be killed") {
    auto policy = make_policy<largest_leaf>();
    REQUIRE(policy.prefer(model::id_of("top/it"), {.never_kill = true}));
    auto where = scene({}).take();
    REQUIRE(where.make_unreadable("top/it"));

    CHECK(ask(policy, where).record().count(verdict::spared_never_kill) == 1);
}

TEST_CASE("Where single processes die no cgroup is said to lose one only") {
    auto policy = make_policy<badness>();
    auto where = tree{}
                     .add("top/it")
                     .add("top/it/unseen")
                     .add("top/it/seen", {.processes = {small, large}})
                     .take();
    REQUIRE(where.make_unreadable("top/it/unseen"));
    REQUIRE(policy.reconfigure({.ranking = {.level = 1, .granularity = granularity::process}}));

    const auto came = ask(policy, where);

    CHECK(came.record().victim_comm() == "large");
    CHECK_FALSE(came.record().top(0).only_process);
}

TEST_CASE("A cgroup that holds memory without a process is named") {
    auto policy = make_policy<largest_leaf>();
    auto where = tree{}
                     .add("top/files", {.shmem = 9_MiB})
                     .add("top/nothing")
                     .add("top/it", {.anon = 1_MiB})
                     .take();

    const auto came = ask(policy, where);

    REQUIRE(came.record().spared_count() == 1);
    CHECK(came.record().spared(0).id == model::id_of("top/files"));
    CHECK(came.record().spared(0).verdict == verdict::empty);
    CHECK(came.record().count(verdict::empty) == 2);
}
