// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// bpf_templates/include/oomx/victims.bpf.h: who was killed is waited for until the memory is back.
#include <chrono>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <fmt/format.h>

#include <oomx/policies/largest_leaf.hpp>

#include "asked.hpp"

using namespace std::chrono_literals;
using namespace oomx::literals;
using namespace oomx::test;
using oomx::outcome;
using oomx::native::machine_options;
using oomx::native::model;
using oomx::native::process_options;
using oomx::native::detail::phase;
using oomx::policies::largest_leaf;

namespace {

/// A victim of so many threads, somebody innocent, and what takes long about a death.
model with_victim(const machine_options& machine, int threads) {
    return tree{machine}
        .add("top/victim", {.processes = {{.name = "victim", .anon = 8_MiB, .threads = threads}}})
        .add("top/innocent", {.anon = 4_MiB})
        .take();
}

} // namespace

TEST_CASE("A victim is waited for while its memory is torn down, shown by the kernel or not") {
    const bool hides = GENERATE(false, true);
    const int threads = GENERATE(1, 8);
    const bool as_posted = GENERATE(false, true);
    auto policy = make_policy<largest_leaf>();
    auto where =
        with_victim({.dies_after = 10ms, .teardown = 10ms, .hides_exiting = hides}, threads);
    REQUIRE(ask(policy, where, {.as_posted = as_posted}).claimed);

    REQUIRE(where.advance(15ms));
    REQUIRE(task_of(where, "victim").phase == phase::exiting);
    const auto again = ask(policy, where, {.as_posted = as_posted});

    CHECK(again.claimed);
    CHECK(again.record().outcome() == outcome::waiting);
    CHECK(again.record().victim() == model::id_of("top/victim"));
    CHECK(again.record().considered() == 0); // no walk
    CHECK(lives(where, "innocent"));
}

TEST_CASE("Once a victim is gone the next one dies") {
    auto policy = make_policy<largest_leaf>();
    auto where = with_victim({.dies_after = 10ms}, 1);
    REQUIRE(ask(policy, where).claimed);

    REQUIRE(where.advance(10ms));

    CHECK(ask(policy, where).record().victim() == model::id_of("top/innocent"));
}

TEST_CASE("A victim that was reaped is waited for no longer") {
    auto policy = make_policy<largest_leaf>();
    auto where = with_victim({.dies_after = 1min, .reaped_after = 2s}, 4);
    REQUIRE(ask(policy, where).claimed);

    REQUIRE(where.advance(2s));

    REQUIRE(task_of(where, "victim").phase == phase::reaped);
    CHECK(ask(policy, where).record().victim() == model::id_of("top/innocent"));
}

TEST_CASE("The victim of another OOM is waited for as long as it is of this scope") {
    auto policy = make_policy<largest_leaf>();
    auto where = tree{{.dies_after = 1s}}
                     .add("top/inner", {.max = 1_MiB})
                     .add("top/inner/victim", {.anon = 4_MiB})
                     .add("top/larger", {.anon = 8_MiB})
                     .add("other", {.max = 1_MiB, .anon = 4_MiB})
                     .take();
    REQUIRE(ask(policy, where, {.scope = "top/inner"}).claimed);

    CHECK(ask(policy, where).record().outcome() == outcome::waiting);
    CHECK(ask(policy, where, {.scope = "other"}).record().outcome() == outcome::killed);
    CHECK(lives(where, "larger"));
}

TEST_CASE("Of more victims than a policy keeps each is waited for") {
    const bool hides = GENERATE(false, true);
    auto policy = make_policy<largest_leaf>();
    std::vector<process_options> many;
    for (int i = 0; i < 40; ++i) {
        // Who was killed first, and is kept no longer, is the last to go.
        many.push_back({.name = fmt::format("{}", i), .anon = 1_MiB, .dies_after = (40 - i) * 1ms});
    }
    auto where = tree{{.teardown = 1ms, .hides_exiting = hides}}
                     .add("top/victims", {.processes = many})
                     .add("top/innocent", {.anon = 4_MiB})
                     .take();
    REQUIRE(ask(policy, where).record().killed() == 40);

    while (task_of(where, "0").phase != phase::gone) {
        CHECK(ask(policy, where).claimed);
        REQUIRE(where.advance(500us));
    }
    CHECK(lives(where, "innocent"));
    CHECK(ask(policy, where).record().victim() == model::id_of("top/innocent"));
}

TEST_CASE("In shadow mode the victim of another killer is waited for, and not claimed") {
    auto kills = make_policy<largest_leaf>();
    auto shadow = make_policy<largest_leaf>({.rails = {.mode = oomx::mode::shadow}});
    auto where = with_victim({.dies_after = 1s}, 1);
    REQUIRE(ask(kills, where).claimed);

    const auto again = ask(shadow, where);

    CHECK_FALSE(again.claimed);
    CHECK(again.record().outcome() == outcome::waiting);
}

TEST_CASE("A policy forgets the victims of a model that is gone, and of another one") {
    auto policy = make_policy<largest_leaf>();
    for (int n = 0; n < 3; ++n) {
        auto where = with_victim({.dies_after = 1h}, 1);
        auto other = with_victim({.dies_after = 1h}, 1);
        CHECK(ask(policy, where).record().outcome() == outcome::killed);
        CHECK(ask(policy, other).record().outcome() == outcome::killed);
    }
}
