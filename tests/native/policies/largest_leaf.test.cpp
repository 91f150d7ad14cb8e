// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/policies/largest_leaf.hpp>

#include <catch2/catch_test_macros.hpp>

#include "asked.hpp"

using namespace oomx::literals;
using namespace oomx::test;
using oomx::verdict;
using oomx::native::model;
using oomx::policies::largest_leaf;

TEST_CASE("largest_leaf does not count files in a tmpfs, which stay, nor page cache") {
    auto policy = make_policy<largest_leaf>();
    auto where = tree{}
                     .add("top/tmpfs", {.shmem = 9_MiB, .anon = 1_MiB})
                     .add("top/cache", {.file = 9_MiB, .anon = 1_MiB})
                     .add("top/anon", {.anon = 2_MiB})
                     .take();

    CHECK(ask(policy, where).record().victim() == model::id_of("top/anon"));
    CHECK(lives(where, "tmpfs"));
}

TEST_CASE("largest_leaf counts shared memory that its processes have mapped") {
    auto policy = make_policy<largest_leaf>();
    auto where = tree{}
                     .add("top/mapped", {.shmem = 9_MiB, .processes = {{.shmem = 3_MiB}}})
                     .add("top/anon", {.anon = 2_MiB})
                     .take();

    const auto came = ask(policy, where);

    CHECK(came.record().victim() == model::id_of("top/mapped"));
    CHECK(came.record().victim_score() == (3_MiB).count());
}

TEST_CASE("largest_leaf kills who fills a tmpfs, and not its neighbours") {
    auto policy = make_policy<largest_leaf>();
    auto where = tree{}
                     .add("top/tmpfs", {.shmem = 9_MiB, .processes = {{.name = "writer"}}})
                     .add("top/anon", {.anon = 2_MiB})
                     .take();

    const auto came = ask(policy, where, {.asking = "writer"});

    CHECK(came.record().victim() == model::id_of("top/tmpfs"));
    CHECK(came.record().victim_score() == (9_MiB).count());
}

TEST_CASE("largest_leaf spares a cgroup of which a kill gets less than min_usage, or nothing") {
    auto policy = make_policy<largest_leaf>({.min_usage = 2_MiB});
    auto where = tree{}
                     .add("top/1", {.shmem = 9_MiB, .processes = {{.name = "1"}}})
                     .add("top/2", {.processes = {{.name = "2", .anon = 1_MiB}}})
                     .take();

    CHECK(ask(policy, where).record().count(verdict::spared_by_policy) == 2);
    REQUIRE(policy.reconfigure({}));
    const auto came = ask(policy, where);
    CHECK(came.record().count(verdict::spared_by_policy) == 1);
    CHECK(came.record().victim() == model::id_of("top/2"));
}
