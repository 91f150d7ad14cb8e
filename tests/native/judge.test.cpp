// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// bpf_templates/include/oomx/judge.bpf.h: what is looked for above a candidate.
#include <string>
#include <utility>

#include <catch2/catch_test_macros.hpp>

#include <oomx/native/model.hpp>
#include <oomx/native/simulation.hpp>
#include <oomx/policies/largest_leaf.hpp>

using namespace oomx::literals;
using namespace oomx::native;
using oomx::outcome;
using oomx::policies::largest_leaf;

namespace {

/// It and all above it are over their limits.
model with_cgroup(const std::string& path, const cgroup_options& options) {
    auto made = model::make();
    REQUIRE(made);
    for (auto slash = path.find('/'); slash != std::string::npos;
         slash = path.find('/', slash + 1)) {
        REQUIRE(made->add_cgroup(path.substr(0, slash), {.max = 1_MiB}));
    }
    REQUIRE(made->add_cgroup(path, options));
    return std::move(*made);
}

/// A cgroup so many levels below the root.
std::string path_of_depth(int levels) {
    std::string path = "c";
    for (int i = 1; i < levels; ++i) {
        path += "/c";
    }
    return path;
}

/// What largest_leaf records of an OOM of the cgroup at the top of that path, or in it.
oomx::decision decided(const std::string& path, std::string_view where) {
    auto policy = oomx::native::policy<largest_leaf>::make();
    REQUIRE(policy);
    simulation running{with_cgroup(path, {.max = 1_MiB, .anon = 2_MiB})};
    REQUIRE(running.attach(*policy, "/"));
    REQUIRE(running.out_of_memory(where));
    running.settle();
    return running.so_far()->decisions().front();
}

/// What largest_leaf decides where the largest leaf is `changed` before.
template <typename Change>
oomx::decision decided_after(Change changed) {
    auto where = model::make();
    REQUIRE(where);
    REQUIRE(where->add_cgroup("top", {.max = 4_MiB}));
    REQUIRE(where->add_cgroup("top/largest", {.anon = 3_MiB}));
    REQUIRE(where->add_cgroup("top/next", {.anon = 2_MiB}));
    auto policy = oomx::native::policy<largest_leaf>::make();
    REQUIRE(policy);
    simulation running{std::move(*where)};
    REQUIRE(running.attach(*policy, "/"));
    changed(*running.over().find("top/largest")->tasks.front());
    REQUIRE(running.out_of_memory("top"));
    return running.so_far()->decisions().front();
}

} // namespace

TEST_CASE("A process that ends by itself and has given its memory back is nobody") {
    const auto decision = decided_after([](detail::task& process) {
        process.mm = nullptr;
        process.signals.live.counter = 0;
    });

    CHECK(decision.outcome() == outcome::killed);
    CHECK(decision.victim() == model::id_of("top/next"));
    CHECK(decision.raw().verdicts[OOMX_VERDICT_EMPTY] == 1);
}

TEST_CASE("A process whose memory the reaper has taken is nobody") {
    const auto decision = decided_after([](detail::task& process) {
        process.signals.oom_mm = process.mm;
        process.memory.flags |= 1UL << MMF_OOM_SKIP;
    });

    CHECK(decision.outcome() == outcome::killed);
    CHECK(decision.victim() == model::id_of("top/next"));
    CHECK(decision.raw().verdicts[OOMX_VERDICT_EMPTY] == 1);
}

TEST_CASE("A process of which threads are left is somebody, though its first one has ended") {
    const auto decision = decided_after([](detail::task& process) { process.mm = nullptr; });

    CHECK(decision.victim() == model::id_of("top/largest"));
    CHECK(decision.raw().verdicts[OOMX_VERDICT_CHOSEN] == 1);
}

TEST_CASE("Who is 64 levels below the root is spared, as what is above it is not looked for") {
    const auto path = path_of_depth(64);

    const auto of_all = decided(path, "c");
    const auto of_itself = decided(path, path);

    CHECK(of_all.outcome() == outcome::no_victim);
    CHECK(of_all.raw().verdicts[OOMX_VERDICT_UNREADABLE] == 1);
    CHECK(of_itself.outcome() == outcome::no_victim);
    CHECK(of_itself.raw().verdicts[OOMX_VERDICT_UNREADABLE] == 1);
}

TEST_CASE("Who is 63 levels below the root dies") {
    CHECK(decided(path_of_depth(63), "c").outcome() == outcome::killed);
}

TEST_CASE("What is said above the scope holds in it") {
    auto policy = oomx::native::policy<largest_leaf>::make();
    REQUIRE(policy);
    REQUIRE(policy->prefer(model::id_of("top"), {.never_kill = true}));
    simulation running{with_cgroup("top/parent/leaf", {.anon = 2_MiB})};
    REQUIRE(running.attach(*policy, "/"));

    REQUIRE(running.out_of_memory("top/parent"));

    const auto decision = running.so_far()->decisions().front();
    CHECK(decision.outcome() == outcome::no_victim);
    CHECK(decision.raw().verdicts[OOMX_VERDICT_SPARED_NEVER] == 1);
}

TEST_CASE("What is said of one parent does not hold for the children of another") {
    auto policy = oomx::native::policy<largest_leaf>::make();
    REQUIRE(policy);
    REQUIRE(policy->prefer(model::id_of("top/a"), {.never_kill = true}));
    auto where = with_cgroup("top/a/leaf", {.anon = 3_MiB});
    REQUIRE(where.add_cgroup("top/a/other", {.anon = 3_MiB}));
    REQUIRE(where.add_cgroup("top/b"));
    REQUIRE(where.add_cgroup("top/b/leaf", {.anon = 2_MiB}));
    REQUIRE(where.add_cgroup("top/c", {.anon = 1_MiB}));
    simulation running{std::move(where)};
    REQUIRE(running.attach(*policy, "/"));

    REQUIRE(running.out_of_memory("top"));

    const auto decision = running.so_far()->decisions().front();
    CHECK(decision.victim() == model::id_of("top/b/leaf"));
    CHECK(decision.raw().verdicts[OOMX_VERDICT_SPARED_NEVER] == 2);
    CHECK(decision.eligible() == 2);
}
