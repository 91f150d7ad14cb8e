// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// bpf_templates/include/oomx/survey.bpf.h: who of all processes is dying, and who shares memory.
#include <chrono>
#include <string>
#include <string_view>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <fmt/format.h>

#include <oomx/policies/largest_leaf.hpp>

#include "asked.hpp"

using namespace std::chrono_literals;
using namespace oomx::literals;
using namespace oomx::test;
using oomx::outcome;
using oomx::native::model;
using oomx::policies::largest_leaf;

namespace {

/// A process of that size which takes ten seconds to end, and somebody innocent. The scope may hold
/// 64 MiB.
model with_leaver(oomx::bytes size) {
    return tree{{}, {.max = 64_MiB}}
        .add("top/leaver", {.processes = {{.name = "leaver", .anon = size, .dies_after = 10s}}})
        .add("top/innocent", {.anon = 80_MiB})
        .take();
}

} // namespace

TEST_CASE("Whom user space has killed is waited for") {
    const bool as_posted = GENERATE(false, true);
    auto policy = make_policy<largest_leaf>();
    auto where = with_leaver(2_MiB);
    where.end_by_itself(task_of(where, "leaver"), "user");

    const auto came = ask(policy, where, {.as_posted = as_posted});

    CHECK(came.claimed);
    CHECK(came.record().outcome() == outcome::waiting);
    CHECK(came.record().victim() == model::id_of("top/leaver"));
    CHECK(lives(where, "innocent"));
}

TEST_CASE("Who ends and holds no more than a 64th of the scope is not waited for") {
    auto policy = make_policy<largest_leaf>();
    auto where = with_leaver(1_MiB);
    where.end_by_itself(task_of(where, "leaver"), "user");

    CHECK(ask(policy, where).record().victim() == model::id_of("top/innocent"));
}

TEST_CASE("Who ends outside the scope is not waited for") {
    auto policy = make_policy<largest_leaf>();
    auto where = tree{{}, {.max = 64_MiB}}
                     .add("top/innocent", {.anon = 80_MiB})
                     .add("other", {.processes = {{.name = "leaver", .anon = 40_MiB}}})
                     .take();
    where.end_by_itself(task_of(where, "leaver"), "user");

    CHECK(ask(policy, where).record().victim() == model::id_of("top/innocent"));
}

TEST_CASE("Who ends outside the scope hides nobody who ends in it") {
    auto policy = make_policy<largest_leaf>();
    auto where = tree{{}, {.max = 64_MiB}}
                     .add("other", {.processes = {{.name = "stranger", .anon = 40_MiB}}})
                     .add("top/leaver", {.processes = {{.name = "leaver", .anon = 2_MiB}}})
                     .add("top/innocent", {.anon = 80_MiB})
                     .take();
    where.end_by_itself(task_of(where, "stranger"), "user");
    where.end_by_itself(task_of(where, "leaver"), "user");

    CHECK(ask(policy, where).record().victim() == model::id_of("top/leaver"));
    CHECK(lives(where, "innocent"));
}

TEST_CASE("Those who end by themselves put off a kill for a second, however many they are") {
    // In shadow mode nobody becomes a victim by being waited for.
    auto policy = make_policy<largest_leaf>({.rails = {.mode = oomx::mode::shadow}});
    auto where = with_leaver(2_MiB);
    for (int i = 0; i < 20; ++i) {
        const auto pid = where.add_process(
            "top/leaver", {.name = fmt::format("{}", i), .anon = 2_MiB, .dies_after = 200ms});
        REQUIRE(pid);
        where.end_by_itself(*where.find_task(*pid), "user");
        if (i == 0) {
            CHECK(ask(policy, where).record().outcome() == outcome::waiting);
        } else {
            const auto came = ask(policy, where);
            CHECK((came.records.empty() || came.record().outcome() == outcome::shadow) == true);
            CHECK(came.records.empty() == (i < 10));
        }
        REQUIRE(where.advance(100ms));
    }
}

TEST_CASE("Who ends at a later OOM is waited for, though nobody was killed at the one before") {
    auto policy = make_policy<largest_leaf>({.rails = {.mode = oomx::mode::shadow}});
    auto where = with_leaver(2_MiB);
    where.end_by_itself(task_of(where, "leaver"), "user");
    REQUIRE(ask(policy, where).record().outcome() == outcome::waiting);
    REQUIRE(where.advance(1min));
    const auto pid = where.add_process("top/leaver", {.anon = 2_MiB});
    REQUIRE(pid);
    where.end_by_itself(*where.find_task(*pid), "user");

    const auto came = ask(policy, where);

    CHECK(policy.counters().waited == 2);
    CHECK((came.records.empty() || came.record().outcome() == outcome::waiting));
}

TEST_CASE("A victim is found by a policy that did not kill it, shown by the kernel or not") {
    const bool hides = GENERATE(false, true);
    auto kills = make_policy<largest_leaf>();
    auto comes_later = make_policy<largest_leaf>();
    auto where =
        tree{{.dies_after = 10ms, .teardown = 10ms, .hides_exiting = hides}}
            .add("top/victim", {.processes = {{.name = "victim", .anon = 8_MiB, .threads = 4}}})
            .add("top/innocent", {.anon = 4_MiB})
            .take();
    REQUIRE(ask(kills, where).claimed);
    REQUIRE(where.advance(15ms));

    CHECK(ask(comes_later, where).record().outcome() == outcome::waiting);
    CHECK(lives(where, "innocent"));
}

TEST_CASE("More address spaces are shared than can be remembered: somebody dies all the same") {
    auto policy = make_policy<largest_leaf>();
    tree many;
    many.add("top/many").add("top/large", {.anon = 8_MiB});
    for (int i = 0; i < 1500; ++i) {
        many.add_process("top/many", {.name = fmt::format("{}", i), .pid = 10 + 2 * i});
        many.add_process("top/many", {.pid = 11 + 2 * i, .shares_memory_of = 10 + 2 * i});
    }
    auto where = many.take();

    const auto came = ask(policy, where);

    CHECK(came.record().victim() == model::id_of("top/large"));
    CHECK(came.record().killed() == 1);
}
