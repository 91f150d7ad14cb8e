// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// bpf_templates/include/oomx/walk.bpf.h: what a policy is shown, and when that ends.
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>

#include <oomx/policies/largest_leaf.hpp>

#include "asked.hpp"
#include "vm/bpf/policies.hpp"

using namespace oomx::literals;
using namespace oomx::test;
using oomx::outcome;
using oomx::verdict;
using oomx::native::model;
using oomx::native::process_options;
using oomx::policies::largest_leaf;

namespace {

std::vector<process_options> processes(int count, oomx::bytes each) {
    std::vector<process_options> all;
    for (int i = 0; i < count; ++i) {
        all.push_back({.anon = each});
    }
    return all;
}

} // namespace

TEST_CASE("A policy that kills inside its walk kills one candidate, and the walk ends") {
    auto policy = make_policy<kills_in_walk>();
    auto where = tree{}
                     .add("top/nobody")
                     .add("top/first", {.anon = 1_MiB})
                     .add("top/second", {.anon = 8_MiB})
                     .take();

    const auto came = ask(policy, where);

    CHECK(came.claimed);
    CHECK(came.record().outcome() == outcome::killed);
    CHECK(came.record().victim() == model::id_of("top/first"));
    CHECK(came.record().killed() == 1);
    CHECK(came.record().considered() == 2);
    CHECK_FALSE(lives(where, "first"));
    CHECK(lives(where, "second"));
}

TEST_CASE("A policy that kills inside its walk and is refused goes on to no other") {
    auto policy = make_policy<kills_in_walk>({.mode = oomx::mode::shadow});
    auto where = tree{}.add("top/first", {.anon = 1_MiB}).add("top/second", {.anon = 8_MiB}).take();

    const auto came = ask(policy, where);

    CHECK(came.record().outcome() == outcome::shadow);
    CHECK(came.record().victim() == model::id_of("top/first"));
    CHECK(came.record().considered() == 1);
}

TEST_CASE("After max_tasks processes candidates are only counted, but for the largest of them") {
    auto policy = make_policy<largest_leaf>({.rails = {.max_tasks = 4}});
    auto where = tree{}
                     .add("top/1", {.processes = processes(4, 1_MiB)})
                     .add("top/2", {.anon = 5_MiB})
                     .add("top/3", {.processes = processes(3, 3_MiB)})
                     .add("top/4", {.anon = 6_MiB})
                     .take();

    const auto came = ask(policy, where);

    CHECK(came.record().victim() == model::id_of("top/3"));
    CHECK(came.record().killed() == 3);
    CHECK(came.record().considered() == 4);
    CHECK(came.record().eligible() == 2);
    CHECK(came.record().count(verdict::over_bound) == 2);
}

TEST_CASE("Who hides behind many small processes is not safe by that") {
    auto policy = make_policy<largest_leaf>({.rails = {.max_tasks = 100}});
    auto where = tree{}
                     .add("top/decoys", {.processes = processes(200, 4_KiB)})
                     .add("top/large", {.anon = 8_MiB})
                     .take();

    CHECK(ask(policy, where).record().victim() == model::id_of("top/large"));
}

TEST_CASE("A record counts all processes that were looked at") {
    auto policy = make_policy<largest_leaf>();
    auto where = tree{}
                     .add("top/1", {.processes = processes(4, 1_MiB)})
                     .add("top/2", {.processes = processes(2, 3_MiB)})
                     .take();

    CHECK(ask(policy, where).record().tasks() == 4 + 2 + 2); // those of the victim before it dies
}

TEST_CASE("However often a policy goes through the candidates each is counted once") {
    auto policy = make_policy<hostile>({.how = OOMX_HOSTILE_LOOK});
    auto where =
        tree{}.add("top/nobody").add("top/1", {.anon = 1_MiB}).add("top/2", {.anon = 2_MiB}).take();

    const auto came = ask(policy, where);

    CHECK(came.record().considered() == 3);
    CHECK(came.record().eligible() == 2);
    CHECK(came.record().tasks() == 2 * 4); // another walk finds nobody
}

TEST_CASE("Who is left out by a bound is counted once, also if a later walk ends early") {
    auto policy = make_policy<hostile>({.how = OOMX_HOSTILE_LEAVE, .rails = {.max_candidates = 1}});
    auto where = tree{}
                     .add("top/1", {.anon = 1_MiB})
                     .add("top/2", {.anon = 2_MiB})
                     .add("top/3", {.anon = 3_MiB})
                     .take();

    const auto came = ask(policy, where);

    CHECK(came.record().considered() == 3);
    CHECK(came.record().eligible() == 2);
    CHECK(came.record().count(verdict::over_bound) == 1);
}
