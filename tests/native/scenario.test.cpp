// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/native/scenario.hpp>

#include <chrono>
#include <string>
#include <utility>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <fmt/format.h>

#include <oomx/policies/largest_leaf.hpp>
#include <oomx/policies/tiers.hpp>

using namespace std::chrono_literals;
using namespace oomx::literals;
using namespace oomx::native;
using Catch::Matchers::ContainsSubstring;
using oomx::errc;
using oomx::policies::largest_leaf;
using oomx::policies::tiers;

namespace {

template <typename P>
oomx::native::policy<P> make(const typename P::options& options = {}) {
    auto made = oomx::native::policy<P>::make(options);
    REQUIRE(made);
    return std::move(*made);
}

} // namespace

TEST_CASE("A scenario says who died, who survived and why") {
    auto policy = make<largest_leaf>();

    const auto after = simulate(
        {.tree = {{"batch", {.max = 1_GiB}, {{"a", {.anon = 300_MiB}}, {"b", {.anon = 600_MiB}}}},
                  {"web", {.anon = 2_GiB}}},
         .steps = {allocate{"batch/a", 400_MiB}}},
        {{"batch", policy}});

    REQUIRE(after);
    INFO(fmt::format("{}", *after));
    CHECK(after->died("batch/b"));
    CHECK(after->survived("batch/a"));
    CHECK(after->survived("web"));
    CHECK(after->killer_of("batch") == "largest_leaf");
    CHECK(after->killer_of("web").empty());
    REQUIRE(!after->decisions().empty());
    CHECK(after->decisions().front().victim() == model::id_of("batch/b"));
    CHECK(after->decisions().front().victim_usage() == 600_MiB);
}

TEST_CASE("A cgroup died or survived only if there was somebody, and with all of them") {
    const auto after =
        simulate({.tree = {{"top",
                            {.max = 10_MiB},
                            {{"a", {.anon = 8_MiB}}, {"ab", {.anon = 1_MiB}}, {"empty"}}}},
                  .steps = {allocate{"top/a", 4_MiB}}});

    REQUIRE(after);
    CHECK(after->died("top/a"));
    CHECK(after->died("top/a", "a"));
    CHECK_FALSE(after->died("top/a", "b"));
    CHECK(after->survived("top/ab"));
    CHECK_FALSE(after->died("top"));
    CHECK_FALSE(after->survived("top"));
    CHECK_FALSE(after->died("top/empty"));
    CHECK_FALSE(after->survived("top/empty"));
    CHECK_FALSE(after->survived("nowhere"));
    CHECK_FALSE(after->survived("/"));
}

TEST_CASE("Preferences decide, and hold for what is below") {
    auto policy = make<tiers>();
    REQUIRE(policy.prefer(model::id_of("top/batch"), {.tier = 2}));
    REQUIRE(policy.prefer(model::id_of("top/web"), {.tier = 1}));

    const auto after = simulate(
        {.tree = {{"top",
                   {.max = 1_GiB},
                   {{"batch", {}, {{"job", {.anon = 100_MiB}}}}, {"web", {.anon = 800_MiB}}}}},
         .steps = {allocate{"top/web", 150_MiB}}},
        {{"top", policy}});

    REQUIRE(after);
    CHECK(after->died("top/batch"));
    CHECK(after->survived("top/web"));
}

TEST_CASE("Preferences stand in a scenario, and a policy's own of the same cgroup hold instead") {
    const scenario played{
        .tree = {{"top",
                  {.max = 1_GiB},
                  {{"batch", {.preference = {{.tier = 2}}}, {{"job", {.anon = 100_MiB}}}},
                   {"web", {.preference = {{.tier = 1}}, .anon = 800_MiB}}}}},
        .steps = {allocate{"top/web", 150_MiB}}};
    auto plain = make<tiers>();
    auto opposite = make<tiers>();
    REQUIRE(opposite.prefer("top/web", {.tier = 3}));

    const auto after = simulate(played, {{"top", plain}});
    const auto other = simulate(played, {{"top", opposite}});

    REQUIRE(after);
    CHECK(after->died("top/batch"));
    CHECK(after->survived("top/web"));
    REQUIRE(other);
    CHECK(other->died("top/web"));
    CHECK(other->survived("top/batch"));
    CHECK(plain.preferred(std::to_underlying(model::id_of("top/web"))) == nullptr);
}

TEST_CASE("Pids do not depend on the order in which a scenario lists its cgroups") {
    const auto one = model_of({.tree = {{"a", {.anon = 1_MiB}}, {"b", {.anon = 1_MiB}}}});
    const auto other = model_of({.tree = {{"b", {.anon = 1_MiB}}, {"a", {.anon = 1_MiB}}}});

    REQUIRE(one);
    REQUIRE(other);
    CHECK(one->find_task(2)->name == "a");
    CHECK(other->find_task(2)->name == "a");
    CHECK(other->find_task(3)->name == "b");
}

TEST_CASE("A pid that a scenario gives is kept, and nobody else gets it") {
    const auto made = model_of(
        {.tree = {{"a", {.anon = 1_MiB}}, {"b", {.processes = {{.name = "two", .pid = 2}}}}}});

    REQUIRE(made);
    CHECK(made->find_task(2)->name == "two");
    CHECK(made->find_task(3)->name == "a");
}

TEST_CASE("Steps are played one after the other, and time goes by between them") {
    auto policy = make<largest_leaf>({.rails = {.min_interval = 10s}});

    const auto after = simulate(
        {.tree = {{"top",
                   {.max = 10_MiB},
                   {{"a", {.anon = 4_MiB}}, {"b", {.anon = 5_MiB}}, {"c", {.anon = 1_MiB}}}}},
         .steps = {allocate{"top/c", 3_MiB}, elapse{11s}, allocate{"top/c", 3_MiB}}},
        {{"top", policy}});

    REQUIRE(after);
    CHECK(after->died("top/b"));
    CHECK(after->died("top/c"));
    CHECK(after->survived("top/a"));
    CHECK(after->killer_of("top/c") == "largest_leaf");
}

TEST_CASE("A report names every process and every decision") {
    auto policy = make<largest_leaf>();
    const auto after =
        simulate({.tree = {{"a", {.max = 10_MiB, .anon = 8_MiB}}}, .steps = {allocate{"a", 4_MiB}}},
                 {{"a", policy}});

    REQUIRE(after);
    const auto text = fmt::format("{}", *after);
    CHECK_THAT(text, ContainsSubstring("a (pid 2, cgroup "));
    CHECK_THAT(text, ContainsSubstring("in a: killed by largest_leaf"));
    CHECK_THAT(text, ContainsSubstring("largest_leaf killed cgroup "));
}

TEST_CASE("A scenario that cannot be is an error with its cause") {
    const auto twice = simulate({.tree = {{"a"}, {"a"}}});
    REQUIRE(!twice);
    CHECK(twice.error().code() == errc::busy);

    const auto nowhere = simulate({.tree = {{"a"}}, .steps = {run_out{"b"}}});
    REQUIRE(!nowhere);
    CHECK(nowhere.error().message() == "run out of memory in cgroup 'b': there is no such cgroup; "
                                       "add it to the model first");

    auto policy = make<largest_leaf>();
    CHECK(simulate({.tree = {{"a"}}}, {{"b", policy}}).error().code() == errc::not_found);
}
