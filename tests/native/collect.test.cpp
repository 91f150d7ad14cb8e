// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// bpf_templates/include/oomx/collect.bpf.h: which cgroups are candidates, and what those above them
// hand down.
#include <cstdint>
#include <string>

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>

#include <oomx/policies/largest_leaf.hpp>
#include <oomx/policies/tiers.hpp>

#include "asked.hpp"
#include "vm/bpf/policies.hpp"

using namespace oomx::literals;
using namespace oomx::test;
using oomx::bytes;
using oomx::outcome;
using oomx::native::machine_options;
using oomx::native::model;
using oomx::policies::largest_leaf;
using oomx::policies::tiers;

namespace {

/// A cgroup so many levels below the root; "top" is the first.
std::string path_of_level(int level) {
    std::string path = "top";
    for (int i = 1; i < level; ++i) {
        path += "/c";
    }
    return path;
}

/// A leaf so deep below "top" that holds 2 MiB.
model with_deep_leaf(int level) {
    tree made;
    for (int i = 2; i < level; ++i) {
        made.add(path_of_level(i));
    }
    made.add(path_of_level(level), {.processes = {{.name = "deep", .anon = 2_MiB}}});
    return made.take();
}

/// What a candidate is said to have of its memory.low.
bytes low_of(model& where, std::string_view path) {
    auto policy =
        make_policy<echo>({.field = OOMX_ECHO_LOW, .rails = {.mode = oomx::mode::shadow}});
    const auto came = ask(policy, where);
    for (std::size_t i = 0; i < came.record().top_count(); ++i) {
        if (came.record().top(i).id == model::id_of(path)) {
            return bytes{came.record().top(i).score - 1};
        }
    }
    FAIL("no candidate " << path);
    std::unreachable();
}

/// Two children that use 6 and 2 MiB, below a parent with that memory.low of its own.
model protected_pair(const machine_options& machine, bytes parent, bytes first, bytes second) {
    return tree{machine}
        .add("top/parent", {.low = parent})
        .add("top/parent/first", {.low = first, .anon = 6_MiB})
        .add("top/parent/second", {.low = second, .anon = 2_MiB})
        .take();
}

} // namespace

TEST_CASE("Who is 65 levels deep, or a thousand, dies") {
    for (const int level : {63, 64, 65, 66, 1000}) {
        INFO(level);
        auto policy = make_policy<largest_leaf>();
        auto where = with_deep_leaf(level);

        const auto came = ask(policy, where);

        CHECK(came.record().outcome() == outcome::killed);
        CHECK(came.record().victim() == model::id_of(path_of_level(level)));
    }
}

TEST_CASE("Who is deep below its scope is not safe from an OOM of its own, either") {
    auto policy = make_policy<largest_leaf>();
    const auto path = path_of_level(65);
    auto where = with_deep_leaf(65);
    where.find(path)->memcg.memory.max = 1;

    CHECK(ask(policy, where, {.scope = path}).record().outcome() == outcome::killed);
}

TEST_CASE("What is never to be killed on account of a cgroup above lives at any level") {
    for (const int said : {1, 30, 63, 64, 65, 66, 70, 80}) {
        INFO(said);
        auto policy = make_policy<largest_leaf>();
        REQUIRE(policy.prefer(model::id_of(path_of_level(said)), {.never_kill = true}));
        auto where = with_deep_leaf(80);

        CHECK_FALSE(ask(policy, where).claimed);
        CHECK(lives(where, "deep"));
    }
}

TEST_CASE("What is said above the scope holds in it") {
    auto policy = make_policy<largest_leaf>();
    REQUIRE(policy.prefer(model::id_of("top"), {.never_kill = true}));
    auto where =
        tree{}.add("top/parent", {.max = 1_MiB}).add("top/parent/leaf", {.anon = 2_MiB}).take();

    const auto came = ask(policy, where, {.scope = "top/parent"});

    CHECK(came.record().outcome() == outcome::no_victim);
    CHECK(came.record().count(oomx::verdict::spared_never_kill) == 1);
}

TEST_CASE("What is said of one parent does not hold for the children of another") {
    auto policy = make_policy<largest_leaf>();
    REQUIRE(policy.prefer(model::id_of("top/a"), {.never_kill = true}));
    auto where = tree{}
                     .add("top/a")
                     .add("top/a/leaf", {.anon = 3_MiB})
                     .add("top/a/other", {.anon = 3_MiB})
                     .add("top/b")
                     .add("top/b/leaf", {.anon = 2_MiB})
                     .add("top/c", {.anon = 1_MiB})
                     .take();

    const auto came = ask(policy, where);

    CHECK(came.record().victim() == model::id_of("top/b/leaf"));
    CHECK(came.record().count(oomx::verdict::spared_never_kill) == 2);
    CHECK(came.record().eligible() == 2);
}

TEST_CASE("Nobody has more of its protection than it uses") {
    auto where = protected_pair({}, 100_MiB, 50_MiB, 0_MiB);

    CHECK(low_of(where, "top/parent/first") == 6_MiB);
    CHECK(low_of(where, "top/parent/second") == 0_MiB);
}

TEST_CASE("Children share what their parent really has by what they claim of it") {
    auto where = protected_pair({}, 4_MiB, 50_MiB, 50_MiB);

    CHECK(low_of(where, "top/parent/first") == 3_MiB);
    CHECK(low_of(where, "top/parent/second") == 1_MiB);
}

TEST_CASE("A child of the scope has what it was given, and the scope itself nothing") {
    auto where = tree{{}, {.max = 1_MiB, .low = 9_MiB}}
                     .add("top/child", {.low = 8_MiB, .anon = 2_MiB})
                     .take();
    auto alone = tree{{}, {.max = 1_MiB, .low = 9_MiB, .anon = 2_MiB}}.take();

    CHECK(low_of(where, "top/child") == 8_MiB);
    CHECK(low_of(alone, "top") == 0_MiB);
}

TEST_CASE("With memory_recursiveprot children share by their use what none of them claims") {
    auto with = protected_pair({.recursive_protection = true}, 4_MiB, 0_MiB, 0_MiB);
    auto without = protected_pair({.recursive_protection = false}, 4_MiB, 0_MiB, 0_MiB);
    // Of 4 MiB one is claimed; the rest goes by what is used beyond the claims, 6 and 1 MiB.
    auto partly = protected_pair({.recursive_protection = true}, 8_MiB, 0_MiB, 1_MiB);

    CHECK(low_of(with, "top/parent/first") == 3_MiB);
    CHECK(low_of(with, "top/parent/second") == 1_MiB);
    CHECK(low_of(without, "top/parent/first") == 0_MiB);
    CHECK(low_of(partly, "top/parent/first") == 6_MiB);
    CHECK(low_of(partly, "top/parent/second") == 2_MiB);
}

TEST_CASE("A tenant that claims more protection than it was given is not safe by that") {
    auto policy = make_policy<tiers>();
    REQUIRE(policy.prefer(model::id_of("top"), {.tier = 1}));
    auto where = tree{}
                     .add("top/tenant", {.low = 1_MiB})
                     .add("top/tenant/liar", {.low = 1_GiB, .anon = 8_MiB})
                     .add("top/neighbour", {.anon = 4_MiB})
                     .take();

    const auto came = ask(policy, where);

    CHECK(came.record().victim() == model::id_of("top/tenant/liar"));
    CHECK(lives(where, "neighbour"));
}

TEST_CASE("max_candidates keeps the older cgroups, and looks at the largest of the others") {
    auto policy = make_policy<largest_leaf>({.rails = {.max_candidates = 2}});
    auto where = tree{}
                     .add("top/1", {.anon = 2_MiB})
                     .add("top/2", {.anon = 1_MiB})
                     .add("top/3", {.anon = 3_MiB})
                     .add("top/4", {.anon = 9_MiB})
                     .add("top/5", {.anon = 3_MiB})
                     .take();

    const auto came = ask(policy, where);

    CHECK(came.record().victim() == model::id_of("top/4"));
    CHECK(came.record().considered() == 5);
    CHECK(came.record().eligible() == 3);
    CHECK(came.record().count(oomx::verdict::over_bound) == 2);
    CHECK(lives(where, "3"));
}

TEST_CASE("Who stands behind ten thousand small cgroups is not safe by that") {
    auto policy = make_policy<largest_leaf>();
    tree made;
    made.add("top/decoys");
    for (int i = 0; i < OOMX_CANDIDATES + 100; ++i) {
        made.add(fmt::format("top/decoys/{}", i));
    }
    made.add("top/large", {.anon = 8_MiB});
    auto where = made.take();

    const auto came = ask(policy, where);

    CHECK(came.record().victim() == model::id_of("top/large"));
    CHECK(came.record().considered() == OOMX_CANDIDATES + 101);
    CHECK(came.record().count(oomx::verdict::over_bound) == 100);
}
