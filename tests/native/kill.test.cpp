// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// bpf_templates/include/oomx/kill.bpf.h: whom of a cgroup it kills, and how soon again.
#include <chrono>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <fmt/format.h>

#include <oomx/policies/largest_leaf.hpp>

#include "asked.hpp"
#include "vm/bpf/policies.hpp"

using namespace std::chrono_literals;
using namespace oomx::literals;
using namespace oomx::test;
using oomx::outcome;
using oomx::verdict;
using oomx::native::model;
using oomx::policies::largest_leaf;

namespace {

/// A policy that kills one process of "top/it".
oomx::native::policy<hostile> killer_of(int pid) {
    return make_policy<hostile>(
        {.how = OOMX_HOSTILE_KILL_ONE, .target = model::id_of("top/it"), .pid = pid});
}

} // namespace

TEST_CASE("A policy that names no process of a cgroup has the one killed that holds most") {
    auto policy = killer_of(0);
    auto where = tree{}
                     .add("top/it", {.processes = {{.name = "small", .anon = 1_MiB},
                                                   {.name = "large", .anon = 3_MiB},
                                                   {.name = "other", .anon = 2_MiB}}})
                     .take();

    const auto came = ask(policy, where);

    CHECK(came.claimed);
    CHECK(came.record().outcome() == outcome::killed);
    CHECK(came.record().victim_comm() == "large");
    CHECK_FALSE(lives(where, "large"));
    CHECK(lives(where, "small"));
    CHECK(lives(where, "other"));
}

TEST_CASE("A policy that names a process of a cgroup has that one killed") {
    auto policy = killer_of(7);
    auto where = tree{}
                     .add("top/it", {.processes = {{.name = "named", .anon = 1_MiB, .pid = 7},
                                                   {.name = "large", .anon = 3_MiB}}})
                     .take();

    CHECK(ask(policy, where).record().victim_comm() == "named");
    CHECK_FALSE(lives(where, "named"));
    CHECK(lives(where, "large"));
}

TEST_CASE("A policy that names a process which the rails spare kills nobody") {
    const bool as_posted = GENERATE(false, true);
    const auto [spared, never] = GENERATE(
        std::pair{oomx::native::process_options{.name = "it", .oom_score_adj = -1000, .pid = 7},
                  false},
        std::pair{oomx::native::process_options{.name = "it", .pid = 7, .shares_memory_of = 100},
                  false},
        std::pair{oomx::native::process_options{
                      .name = "it", .pid = 7, .shares_memory_of = 100, .in_vfork = true},
                  false},
        std::pair{oomx::native::process_options{.name = "it", .pid = 7, .kernel_thread = true},
                  false},
        std::pair{oomx::native::process_options{.name = "it", .pid = 7}, true});
    auto policy = killer_of(7);
    auto where = tree{}
                     .add("outside", {.processes = {{.name = "outside", .pid = 100}}})
                     .add("top/it")
                     .add("top/it/a", {.anon = 4_MiB})
                     .add("top/it/b", {.processes = {spared}})
                     .take();
    if (never) {
        REQUIRE(policy.prefer("top/it/b", {.never_kill = true}));
    }

    const auto came = ask(policy, where, {.as_posted = as_posted});

    CHECK_FALSE(came.claimed);
    CHECK(came.record().outcome() == outcome::kill_failed);
    CHECK(lives(where, "it"));
    CHECK(lives(where, "outside"));
    CHECK(lives(where, "a"));
}

TEST_CASE("Process 1 that a policy names lives") {
    auto policy = killer_of(1);
    auto where =
        tree{}.add("top/it", {.processes = {{.name = "init", .pid = 1}, {.name = "a"}}}).take();

    CHECK_FALSE(ask(policy, where).claimed);
    CHECK(lives(where, "init"));
    CHECK(lives(where, "a"));
}

// "top" may hold 1 MiB: 400 thousandths of that are 409.6 KiB.
TEST_CASE("A kill that would free less than min_relief is declined, and says so") {
    auto policy = make_policy<largest_leaf>({.rails = {.min_relief = 400}});
    const auto [size, result] =
        GENERATE(std::pair{408_KiB, outcome::too_little}, std::pair{412_KiB, outcome::killed});
    auto where = tree{}.add("top/it", {.file = 2_MiB, .anon = size}).take();

    const auto came = ask(policy, where);

    CHECK(came.record().outcome() == result);
    CHECK(came.record().victim() == model::id_of("top/it"));
    CHECK(came.claimed == (result == outcome::killed));
    CHECK(lives(where, "it") == (result == outcome::too_little));
}

TEST_CASE("A process that would free less than min_relief lives, whatever its cgroup holds") {
    const auto [pid, result] =
        GENERATE(std::pair{0, outcome::killed}, std::pair{7, outcome::too_little},
                 std::pair{8, outcome::killed});
    auto policy = make_policy<hostile>({.how = OOMX_HOSTILE_KILL_ONE,
                                        .target = model::id_of("top/it"),
                                        .pid = pid,
                                        .rails = {.min_relief = 400}});
    auto where = tree{}
                     .add("top/it", {.processes = {{.name = "small", .anon = 408_KiB, .pid = 7},
                                                   {.name = "large", .anon = 4_MiB, .pid = 8}}})
                     .take();

    CHECK(ask(policy, where).record().outcome() == result);
    CHECK(lives(where, "small"));
    CHECK(lives(where, "large") == (result == outcome::too_little));
}

TEST_CASE("Who needs memory just now dies, even for less than min_relief") {
    auto policy = make_policy<largest_leaf>({.rails = {.min_relief = 1000}});
    auto where = tree{}.add("top/it", {.file = 2_MiB, .anon = 4_KiB}).take();

    CHECK(ask(policy, where, {.asking = "it"}).record().outcome() == outcome::killed);
}

TEST_CASE("A second kill for the same scope within min_interval is declined, for another is not") {
    auto policy = make_policy<largest_leaf>({.rails = {.min_interval = 1s}});
    auto where = tree{{.dies_after = 1ms}}
                     .add("top/1", {.anon = 8_MiB})
                     .add("top/2", {.anon = 4_MiB})
                     .add("other", {.max = 1_MiB, .anon = 2_MiB})
                     .take();
    REQUIRE(ask(policy, where).claimed);
    REQUIRE(where.advance(900ms));

    const auto again = ask(policy, where);
    const auto other = ask(policy, where, {.scope = "other"});

    CHECK_FALSE(again.claimed);
    CHECK(again.record().outcome() == outcome::cooling);
    CHECK(again.record().victim() == model::id_of("top/2"));
    CHECK(other.record().outcome() == outcome::killed);
    REQUIRE(where.advance(100ms));
    CHECK(ask(policy, where).record().outcome() == outcome::killed);
}

TEST_CASE("A kill within an inner scope does not cool the outer one, nor the machine") {
    auto policy = make_policy<largest_leaf>({.rails = {.min_interval = 1h}});
    auto where = tree{{.dies_after = 1ms}}
                     .add("top/1", {.max = 1_MiB})
                     .add("top/1/a", {.anon = 8_MiB})
                     .add("top/2", {.anon = 4_MiB})
                     .add("top/3", {.anon = 3_MiB})
                     .take();
    for (const auto* const scope : {"top/1", "top", "/"}) {
        CHECK(ask(policy, where, {.scope = scope}).record().outcome() == outcome::killed);
        REQUIRE(where.advance(1ms));
    }
}

TEST_CASE("The kill times of the latest 64 scopes are known") {
    auto policy = make_policy<largest_leaf>({.rails = {.min_interval = 1h}});
    tree made{{.dies_after = 1ms}};
    constexpr int scopes = 65;
    for (int i = 0; i < scopes; ++i) {
        made.add(fmt::format("{}", i), {.max = 1_MiB})
            .add(fmt::format("{}/a", i), {.anon = 3_MiB})
            .add(fmt::format("{}/b", i), {.anon = 2_MiB});
    }
    auto where = made.take();
    for (int i = 0; i < scopes; ++i) {
        CHECK(ask(policy, where, {.scope = fmt::format("{}", i)}).claimed);
    }
    REQUIRE(where.advance(1ms));

    CHECK(ask(policy, where, {.scope = "1"}).record().outcome() == outcome::cooling);
    CHECK(ask(policy, where, {.scope = "64"}).record().outcome() == outcome::cooling);
    CHECK(ask(policy, where, {.scope = "0"}).record().outcome() == outcome::killed);
}

TEST_CASE("Whom a policy chooses outside the scope of the OOM lives") {
    const bool as_posted = GENERATE(false, true);
    auto policy =
        make_policy<hostile>({.how = OOMX_HOSTILE_KILL, .target = model::id_of("outside")});
    auto where = tree{}.add("top/it", {.anon = 2_MiB}).add("outside", {.anon = 8_MiB}).take();

    const auto came = ask(policy, where, {.as_posted = as_posted});

    CHECK_FALSE(came.claimed);
    CHECK(came.record().outcome() == outcome::spared);
    CHECK(came.record().victim_verdict() == verdict::out_of_scope);
    CHECK(lives(where, "outside"));
}
