// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/native/simulation.hpp>

#include <chrono>
#include <utility>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <oomx/native/scenario.hpp>
#include <oomx/policies/largest_leaf.hpp>
#include <oomx/policies/pressure_kill.hpp>

#include "careless.hpp"

using namespace std::chrono_literals;
using namespace oomx::literals;
using namespace oomx::native;
using Catch::Matchers::ContainsSubstring;
using oomx::errc;
using oomx::outcome;
using oomx::policies::largest_leaf;
using oomx::test::careless;

namespace {

template <typename P>
oomx::native::policy<P> make(const typename P::options& options = {}) {
    auto made = oomx::native::policy<P>::make(options);
    REQUIRE(made);
    return std::move(*made);
}

simulation over(const scenario& described) {
    auto made = model_of(described);
    REQUIRE(made);
    return simulation{std::move(*made)};
}

/// A cgroup with a limit, below a parent without one, and a larger neighbour outside.
scenario limited_child() {
    return {.tree = {{"parent",
                      {},
                      {{"limited", {.max = 24_MiB}, {{"large", {.anon = 20_MiB}}, {"small"}}},
                       {"neighbour", {.anon = 60_MiB}}}}}};
}

constexpr auto everywhere = {"parent/limited", "parent", "/"};

} // namespace

TEST_CASE("An allocation within the limits is granted, and nobody is asked") {
    auto policy = make<largest_leaf>();
    auto running = over({.tree = {{"a", {.max = 10_MiB, .anon = 4_MiB}}}});
    REQUIRE(running.attach(policy, "a"));

    CHECK(running.allocate("a", 6_MiB) == allocation_end::granted);

    CHECK(running.over().usage("a") == 10_MiB);
    CHECK(running.so_far()->decisions().empty());
}

TEST_CASE("Page cache is given back before anybody dies") {
    auto running = over({.tree = {{"a", {.max = 10_MiB, .file = 5_MiB, .anon = 5_MiB}}}});

    CHECK(running.allocate("a", 5_MiB) == allocation_end::granted);

    CHECK(running.over().usage("a") == 10_MiB);
    CHECK(running.so_far()->survived("a"));
}

TEST_CASE("memory.min keeps page cache from being given back") {
    auto running =
        over({.tree = {{"a", {.max = 10_MiB, .min = 10_MiB, .file = 5_MiB, .anon = 5_MiB}}}});

    CHECK(running.allocate("a", 5_MiB) == allocation_end::killed);
}

TEST_CASE("The cgroup that is over its limit is out of memory, not the one that holds it") {
    auto policy = make<largest_leaf>();
    auto running = over(limited_child());
    REQUIRE(running.attach(policy, "parent"));
    REQUIRE(running.over().add_process("parent/limited/small", {.name = "asks"}));

    CHECK(running.allocate("parent/limited/small", 10_MiB) == allocation_end::granted);

    const auto after = running.so_far();
    REQUIRE(after->decisions().size() >= 1);
    CHECK(after->decisions().front().scope() == model::id_of("parent/limited"));
    CHECK(after->decisions().front().attached_to() == model::id_of("parent"));
    CHECK(after->died("parent/limited/large"));
    CHECK(after->survived("parent/limited/small"));
    CHECK(after->survived("parent/neighbour"));
}

TEST_CASE("The nearest policy is asked first, and alone if it handles the OOM") {
    for (const auto* const nearest : everywhere) {
        auto handles = make<largest_leaf>();
        auto declines = make<careless>();
        auto running = over(limited_child());
        bool above = false;
        for (const auto* const where : everywhere) {
            if (where == nearest) {
                REQUIRE(running.attach(handles, where));
                above = true;
            } else if (above) {
                REQUIRE(running.attach(declines, where));
            }
        }

        CHECK(running.allocate("parent/limited/large", 10_MiB) == allocation_end::killed);

        CHECK(declines.counters().declined == 0);
        CHECK(running.so_far()->killer_of("parent/limited") == "largest_leaf");
    }
}

TEST_CASE("Who declines passes the OOM to the ancestor, the system and the kernel") {
    auto declines = make<careless>();
    auto running = over(limited_child());
    for (const auto* const where : everywhere) {
        REQUIRE(running.attach(declines, where));
    }

    CHECK(running.allocate("parent/limited/large", 10_MiB) == allocation_end::killed);

    const auto after = running.so_far();
    CHECK(after->killer_of("parent/limited") == "kernel");
    CHECK(after->survived("parent/neighbour"));
    REQUIRE(after->decisions().size() == 3);
    CHECK(after->decisions()[0].attached_to() == model::id_of("parent/limited"));
    CHECK(after->decisions()[1].attached_to() == model::id_of("parent"));
    CHECK(after->decisions()[2].attached_to() == oomx::no_cgroup);
}

TEST_CASE("Who claims an OOM without a kill has declined it") {
    auto claims = make<careless>({.how = OOMX_CARELESS_CLAIMS});
    auto running = over(limited_child());
    REQUIRE(running.attach(claims, "parent/limited"));

    CHECK(running.allocate("parent/limited/large", 10_MiB) == allocation_end::killed);

    CHECK(running.so_far()->killer_of("parent/limited") == "kernel");
}

TEST_CASE("When the machine is full only the system-wide policy is asked") {
    auto system = make<largest_leaf>();
    auto inner = make<largest_leaf>();
    auto running = over(
        {.machine = {.ram = 100_MiB}, .tree = {{"a", {.anon = 30_MiB}}, {"b", {.anon = 60_MiB}}}});
    REQUIRE(running.attach(inner, "a"));
    REQUIRE(running.attach(system, "/"));

    CHECK(running.allocate("a", 20_MiB) == allocation_end::granted);

    const auto after = running.so_far();
    CHECK(after->died("b"));
    CHECK(after->survived("a"));
    CHECK(after->killer_of("b") == "largest_leaf");
    CHECK(inner.counters().handled == 0);
    REQUIRE(!after->decisions().empty());
    CHECK(after->decisions().front().scope() == oomx::no_cgroup);
}

TEST_CASE("The kernel's own rule kills the largest process, weighed by oom_score_adj") {
    const scenario described{
        .machine = {.ram = 1000_MiB},
        .tree = {{"a",
                  {.processes = {{.name = "large", .anon = 300_MiB},
                                 {.name = "sheltered", .anon = 400_MiB, .oom_score_adj = -500},
                                 {.name = "spared", .anon = 200_MiB, .oom_score_adj = -1000},
                                 {.name = "first", .anon = 10_MiB, .oom_score_adj = 300}}}}}};
    auto running = over(described);

    CHECK(running.out_of_memory("/") == oom_end::killed);

    const auto after = running.so_far();
    CHECK(after->died("a", "first"));
    CHECK(after->survived("a", "large"));
    CHECK(after->survived("a", "sheltered"));
    CHECK(after->survived("a", "spared"));
}

TEST_CASE("The kernel's own rule kills the whole memory.oom.group but who is at -1000") {
    auto running =
        over({.tree = {{"top",
                        {.max = 10_MiB, .oom_group = true},
                        {{"a", {.anon = 8_MiB}},
                         {"b",
                          {.processes = {{.name = "member"},
                                         {.name = "spared", .oom_score_adj = -1000}}}}}}}});

    CHECK(running.allocate("top/a", 4_MiB) == allocation_end::killed);

    const auto after = running.so_far();
    CHECK(after->died("top/a"));
    CHECK(after->died("top/b", "member"));
    CHECK(after->survived("top/b", "spared"));
}

TEST_CASE("memory.oom.group above the cgroup that is out of memory does not count") {
    auto running =
        over({.tree = {{"top",
                        {.oom_group = true},
                        {{"a", {.max = 10_MiB, .anon = 8_MiB}}, {"b", {.anon = 8_MiB}}}}}});

    CHECK(running.allocate("top/a", 4_MiB) == allocation_end::killed);

    CHECK(running.so_far()->survived("top/b"));
}

TEST_CASE("While a victim is dying nobody else is killed, and the kernel asks until it is gone") {
    auto policy = make<largest_leaf>();
    auto running = over(
        {.machine = {.dies_after = 20ms},
         .tree = {{"top", {.max = 50_MiB}, {{"a", {.anon = 30_MiB}}, {"b", {.anon = 20_MiB}}}}}});
    REQUIRE(running.attach(policy, "top"));

    CHECK(running.allocate("top/b", 10_MiB) == allocation_end::granted);

    const auto after = running.so_far();
    CHECK(after->died("top/a"));
    CHECK(after->survived("top/b"));
    CHECK(policy.counters().waited == 19);
    REQUIRE(after->decisions().size() == 2);
    CHECK(after->decisions()[0].outcome() == outcome::killed);
    CHECK(after->decisions()[1].outcome() == outcome::waiting);
}

TEST_CASE("Waiting for each of several victims is recorded once, whose turn it ever is") {
    auto policy = make<largest_leaf>({.rails = {.min_interval = 0ns}});
    auto running = over(
        {.machine = {.dies_after = 1s},
         .tree = {{"a", {.max = 5_MiB, .anon = 6_MiB}}, {"b", {.max = 5_MiB, .anon = 6_MiB}}}});
    REQUIRE(running.attach(policy, "/"));

    for (int turn = 0; turn < 10; ++turn) {
        CHECK(running.out_of_memory("a") == oom_end::handled);
        CHECK(running.out_of_memory("b") == oom_end::handled);
    }

    CHECK(policy.counters().waited == 18);
    const auto after = running.so_far();
    const auto& decisions = after->decisions();
    REQUIRE(decisions.size() == 4);
    CHECK(decisions[0].outcome() == outcome::killed);
    CHECK(decisions[1].outcome() == outcome::killed);
    CHECK(decisions[2].outcome() == outcome::waiting);
    CHECK(decisions[3].outcome() == outcome::waiting);
    CHECK(decisions[2].victim() != decisions[3].victim());
}

TEST_CASE("A victim that does not die is reaped, and then the next one goes") {
    auto policy = make<largest_leaf>();
    auto running = over({.machine = {.reaped_after = 2s},
                         .tree = {{"top",
                                   {.max = 60_MiB},
                                   {{"stuck", {.processes = {{.shmem = 30_MiB, .dies_after = 1h}}}},
                                    {"next", {.anon = 20_MiB}},
                                    {"asks", {.anon = 10_MiB}}}}}});
    REQUIRE(running.attach(policy, "top"));
    const auto begin = running.over().now();

    CHECK(running.allocate("top/asks", 10_MiB) == allocation_end::granted);

    const auto after = running.so_far();
    CHECK(after->died("top/stuck"));
    CHECK(after->died("top/next"));
    CHECK(after->killer_of("top/next") == "largest_leaf");
    CHECK(after->survived("top/asks"));
    CHECK(running.over().now() - begin >= 2s);
}

TEST_CASE("During the end of an address space the policy waits where the kernel kills a sibling") {
    const scenario described{
        .machine = {.dies_after = 1ms, .teardown = 50ms},
        .tree = {{"top", {.max = 50_MiB}, {{"a", {.anon = 30_MiB}}, {"b", {.anon = 20_MiB}}}}}};
    auto policy = make<largest_leaf>();
    auto with = over(described);
    auto without = over(described);
    REQUIRE(with.attach(policy, "top"));

    CHECK(with.allocate("top/b", 10_MiB) == allocation_end::granted);
    CHECK(without.allocate("top/b", 10_MiB) == allocation_end::killed);
}

TEST_CASE("An allocation is refused when there is nobody to kill") {
    auto policy = make<largest_leaf>();
    auto running = over(
        {.tree = {{"a", {.max = 10_MiB, .processes = {{.anon = 8_MiB, .oom_score_adj = -1000}}}}}});
    REQUIRE(running.attach(policy, "a"));

    CHECK(running.allocate("a", 4_MiB) == allocation_end::refused);

    const auto after = running.so_far();
    CHECK(after->survived("a"));
    REQUIRE(after->decisions().size() == 1);
    CHECK(after->decisions().front().outcome() == outcome::no_victim);
}

TEST_CASE("A cgroup that has room is not out of memory") {
    auto policy = make<largest_leaf>();
    auto running = over({.tree = {{"a", {.max = 10_MiB, .anon = 8_MiB}}}});
    REQUIRE(running.attach(policy, "a"));

    CHECK(running.out_of_memory("a") == oom_end::relieved);
    CHECK(policy.counters().declined == 0);
}

TEST_CASE("Who died in a cgroup that is removed since died there") {
    auto running = over({.tree = {{"a", {.max = 1_MiB, .anon = 2_MiB}}}});
    CHECK(running.out_of_memory("a") == oom_end::killed);
    running.settle();
    REQUIRE(running.over().remove_cgroup("a"));

    CHECK(running.so_far()->died("a"));
    CHECK(running.so_far()->fates().front().cgroup == "a");
}

TEST_CASE("Decisions of one moment are in the order in which they were made") {
    auto policy = make<largest_leaf>();
    auto running = over({.tree = {{"a", {.max = 1_MiB, .anon = 2_MiB}},
                                  {"b", {}, {{"c", {.max = 1_MiB, .anon = 2_MiB}}}}}});
    auto inner = make<largest_leaf>();
    REQUIRE(running.attach(policy, "a"));
    REQUIRE(running.attach(inner, "b/c"));

    CHECK(running.out_of_memory("a") == oom_end::handled);
    CHECK(running.out_of_memory("b/c") == oom_end::handled);

    const auto after = running.so_far();
    REQUIRE(after->decisions().size() == 2);
    CHECK(after->decisions()[0].scope() == model::id_of("a"));
    CHECK(after->decisions()[1].scope() == model::id_of("b/c"));
}

TEST_CASE("Two instances of one policy do not share what they count and when they last killed") {
    const largest_leaf::options once{.rails = {.min_interval = 1h}};
    auto first = make<largest_leaf>(once);
    auto second = make<largest_leaf>(once);
    auto running = over(
        {.tree = {{"a", {.max = 5_MiB, .anon = 6_MiB}}, {"b", {.max = 5_MiB, .anon = 6_MiB}}}});
    REQUIRE(running.attach(first, "a"));
    REQUIRE(running.attach(second, "b"));

    CHECK(running.out_of_memory("a") == oom_end::handled);
    CHECK(running.out_of_memory("b") == oom_end::handled);

    CHECK(first.counters().handled == 1);
    CHECK(second.counters().handled == 1);
    const auto after = running.so_far();
    CHECK(after->decisions()[0].outcome() == outcome::killed);
    CHECK(after->decisions()[1].outcome() == outcome::killed);
}

TEST_CASE("A policy that no verifier would load is an error that says what it did") {
    const auto with = [](oomx_careless_how how) {
        auto policy = make<careless>({.how = how});
        auto running = over(limited_child());
        REQUIRE(running.attach(policy, "/"));
        auto ended = running.allocate("parent/limited/large", 10_MiB);
        REQUIRE(!ended);
        CHECK(ended.error().code() == errc::mismatch);
        return ended.error().message();
    };

    CHECK(with(OOMX_CARELESS_SLEEPS_UNDER_RCU) ==
          "allocate 10.0 MiB in cgroup 'parent/limited/large': policy 'careless' is none that a "
          "kernel would load: it called a function that sleeps inside an RCU section; choose "
          "inside the walk and act after it");
    CHECK_THAT(with(OOMX_CARELESS_KEEPS_RCU), ContainsSubstring("each RCU section once"));
    CHECK_THAT(with(OOMX_CARELESS_WALKS_WITHOUT_RCU), ContainsSubstring("outside an RCU section"));
    CHECK_THAT(with(OOMX_CARELESS_KEEPS_ITERATOR), ContainsSubstring("each iterator once"));
    CHECK_THAT(with(OOMX_CARELESS_KEEPS_REFERENCE), ContainsSubstring("kept a reference"));
    CHECK_THAT(with(OOMX_CARELESS_PUTS_TWICE), ContainsSubstring("did not hold"));
    CHECK_THAT(with(OOMX_CARELESS_LISTS_WITHOUT_REFERENCE),
               ContainsSubstring("without a reference to it"));
}

TEST_CASE("What a simulation cannot do is said with a remedy") {
    auto policy = make<largest_leaf>();
    auto watches = make<oomx::policies::pressure_kill>({.watched = {oomx::watch{}}});
    auto running = over({.tree = {{"a", {}, {{"b", {.anon = 1_MiB}}}}}});
    REQUIRE(running.attach(policy, "a"));

    CHECK(running.attach(policy, "c").error().message() ==
          "attach native policy 'largest_leaf' to cgroup 'c': there is no such cgroup; add it to "
          "the model first");
    CHECK(running.attach(policy, "a").error().code() == errc::busy);
    CHECK(running.attach(watches, "a/b").error().code() == errc::invalid_argument);
    CHECK(running.allocate("a", 1_MiB).error().code() == errc::not_found);
    CHECK(running.allocate("c", 1_MiB).error().code() == errc::not_found);
    CHECK(running.out_of_memory("c").error().code() == errc::not_found);
}

TEST_CASE("An allocation does not wait for ever for a victim that takes years to die") {
    auto made = model::make({.dies_after = model::longest, .reaped_after = model::longest});
    REQUIRE(made);
    REQUIRE(made->add_cgroup("top", {.max = 10_MiB}));
    REQUIRE(made->add_cgroup("top/a", {.anon = 8_MiB}));
    REQUIRE(made->add_cgroup("top/b", {.anon = 1_MiB}));
    simulation running{std::move(*made)};

    const auto ended = running.allocate("top/b", 4_MiB);

    REQUIRE(!ended);
    CHECK(ended.error().code() == errc::exhausted);
    CHECK(ended.error().message() ==
          "allocate 4.0 MiB in cgroup 'top/b': allocations have waited for victims for a minute "
          "already; let victims die or be reaped sooner, or more than one of them");
}

TEST_CASE("The kernel's own rule kills all who use the memory of its victim, but process 1") {
    auto running = over(
        {.tree = {
             {"outside", {.processes = {{.name = "lender", .pid = 7}}}},
             {"a", {.max = 4_MiB, .processes = {{.name = "large", .anon = 8_MiB, .pid = 8}}}}}});
    REQUIRE(running.over().add_process(
        "outside", {.name = "sharer", .oom_score_adj = -1000, .shares_memory_of = 8}));
    REQUIRE(
        running.over().add_process("outside", {.name = "init", .pid = 1, .shares_memory_of = 8}));

    CHECK(running.out_of_memory("a") == oom_end::killed);

    const auto after = running.so_far();
    CHECK(after->died("a", "large"));
    CHECK(after->died("outside", "sharer"));
    CHECK(after->survived("outside", "init"));
    CHECK(after->survived("outside", "lender"));
}

TEST_CASE("Whom user space has killed the kernel's own rule takes for its victim, and no other") {
    auto running = over({.tree = {{"a",
                                   {.max = 4_MiB,
                                    .processes = {{.name = "leaver", .anon = 8_MiB, .pid = 7},
                                                  {.name = "other", .anon = 4_MiB}}}}}});
    running.over().end_by_itself(*running.over().find_task(7), "user");

    CHECK(running.out_of_memory("a") == oom_end::killed);
    CHECK(running.out_of_memory("a") == oom_end::waiting);

    CHECK(running.so_far()->survived("a", "other"));
}
