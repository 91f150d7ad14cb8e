// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/native/policy.hpp>

#include <cstddef>
#include <cstdint>
#include <span>
#include <stdexcept>
#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include <oomx/native/simulation.hpp>
#include <oomx/policies/largest_leaf.hpp>

#include "careless.hpp"
#include "vm/bpf/policies.hpp"

using namespace oomx::literals;
using namespace oomx::native;
using oomx::errc;
using oomx::policies::largest_leaf;
using oomx::test::careless;
using oomx::test::echo;

namespace {

template <typename P>
oomx::native::policy<P> make(const typename P::options& options = {}) {
    auto made = oomx::native::policy<P>::make(options);
    REQUIRE(made);
    return std::move(*made);
}

/// A cgroup that is over its limit, with these options.
model over_limit(const cgroup_options& options) {
    auto made = model::make();
    REQUIRE(made);
    REQUIRE(made->add_cgroup("a", options));
    return std::move(*made);
}

} // namespace

TEST_CASE("A native policy takes the options of the BPF build, and refuses the same") {
    const auto refused = oomx::native::policy<largest_leaf>::make({.rails = {.max_processes = 0}});

    REQUIRE(!refused);
    CHECK(refused.error().code() == errc::invalid_argument);
    CHECK(refused.error().message() == "make native policy 'largest_leaf': rails.max_processes is "
                                       "0: nobody could be killed; give one or more, or use shadow "
                                       "mode");
}

TEST_CASE("An instance goes on from where it was, its author's own variables included") {
    auto first = make<careless>({.how = OOMX_CARELESS_COUNTS});
    auto second = make<careless>({.how = OOMX_CARELESS_COUNTS});
    simulation one{
        over_limit({.max = 1_MiB, .processes = {{.anon = 2_MiB, .oom_score_adj = -1000}}})};
    REQUIRE(one.attach(first, "a"));
    REQUIRE(one.attach(second, "/"));

    // first, second, first, second, second
    REQUIRE(one.out_of_memory("a"));
    REQUIRE(one.out_of_memory("a"));
    REQUIRE(one.out_of_memory("/"));

    std::vector<std::pair<std::uint32_t, std::uint32_t>> of_first;
    std::vector<std::pair<std::uint32_t, std::uint32_t>> of_second;
    const auto after = one.so_far();
    for (const auto& each : after->decisions()) {
        (each.attached_to() == oomx::no_cgroup ? of_second : of_first)
            .emplace_back(each.refused(), each.killed());
    }
    using counts = std::vector<std::pair<std::uint32_t, std::uint32_t>>;
    CHECK(of_first == counts{{1, 1001}, {2, 1002}});
    CHECK(of_second == counts{{1, 1001}, {2, 1002}, {3, 1003}});
}

TEST_CASE("A policy is reconfigured between two decisions, and its records say so") {
    auto policy = make<largest_leaf>({.min_usage = 1_GiB});
    simulation running{over_limit({.max = 1_MiB, .anon = 2_MiB})};
    REQUIRE(running.attach(policy, "a"));
    CHECK(running.out_of_memory("a") == oom_end::killed); // by the kernel
    running.settle();

    REQUIRE(policy.reconfigure({.min_usage = 1_MiB}));
    REQUIRE(running.over().add_process("a", {.anon = 2_MiB}));
    CHECK(running.out_of_memory("a") == oom_end::handled);

    const auto decisions = running.so_far()->decisions();
    REQUIRE(decisions.size() == 2);
    CHECK(decisions[0].generation() == 1);
    CHECK(decisions[1].generation() == 2);
    CHECK(policy.reconfigure({.rails = {.max_processes = 0}}).error().code() ==
          errc::invalid_argument);
}

TEST_CASE("A field that is fixed at load is not reconfigured, and the policy goes by what it had") {
    auto policy = make<echo>({.field = OOMX_ECHO_USAGE});
    REQUIRE(policy.reconfigure({.field = OOMX_ECHO_ANON}));
    const auto refused =
        policy.reconfigure({.field = OOMX_ECHO_FILE, .rails = {.max_processes = 7}});
    REQUIRE_FALSE(refused);
    CHECK(
        refused.error().message() ==
        "reconfigure native policy 'echo': a field that is fixed at load would change; load the "
        "policy with these options and let attachment::replace() put it in the place of this one");
}

TEST_CASE(
    "A receiver's exception reaches who drains, and the records after that one come next time") {
    auto policy = make<largest_leaf>();
    for (int i = 0; i < 3; ++i) {
        std::uint64_t record = 0;
        REQUIRE(policy.output(&record, sizeof record) == 0);
    }
    int seen = 0;
    const auto throws_at_the_second = [&](std::span<const std::byte>) {
        if (++seen == 2) {
            throw std::runtime_error{"enough"};
        }
    };

    CHECK_THROWS_AS(policy.drain_raw(throws_at_the_second), std::runtime_error);

    CHECK(policy.drain_raw(throws_at_the_second) == 1);
    CHECK(seen == 3);
}

TEST_CASE("Records beyond the room for them are lost and counted") {
    auto policy = make<careless>();
    const std::vector<std::byte> record(1000);
    std::size_t kept = 0;

    while (policy.output(record.data(), record.size()) == 0) {
        ++kept;
    }

    CHECK(kept == instance::record_room / 1008);
    std::size_t read = policy.drain_raw([](auto) {});
    CHECK(read == kept);
    CHECK(policy.output(record.data(), record.size()) == 0);
}

TEST_CASE("A decision whose record finds no room is made all the same, and counted as dropped") {
    auto policy = make<largest_leaf>();
    const std::vector<std::byte> record(instance::record_room - 64);
    REQUIRE(policy.output(record.data(), record.size()) == 0);
    simulation running{over_limit({.max = 1_MiB, .anon = 2_MiB})};
    REQUIRE(running.attach(policy, "a"));

    CHECK_FALSE(running.out_of_memory("a")); // what filled the room is no record

    CHECK(policy.counters().dropped == 1);
    CHECK(policy.counters().handled == 1);
}

TEST_CASE("A preference that cannot be is refused as in the BPF build") {
    auto policy = make<largest_leaf>();

    const auto refused = policy.prefer(oomx::cgroup_id{2}, {.tier = OOMX_MAX_TIER + 1});

    REQUIRE(!refused);
    CHECK(refused.error().code() == errc::invalid_argument);
    CHECK(policy.preferred(2) == nullptr);
}

TEST_CASE("Preferences have the bound of the BPF build") {
    auto policy = make<largest_leaf>();
    for (std::uint64_t id = 2; id < 2 + OOMX_PREFERENCES; ++id) {
        if (!policy.prefer(oomx::cgroup_id{id}, {.tier = 1})) {
            FAIL("refused too early");
        }
    }

    const auto refused = policy.prefer(oomx::cgroup_id{1}, {.tier = 1});

    REQUIRE(!refused);
    CHECK(refused.error().code() == errc::exhausted);
    CHECK(policy.prefer(oomx::cgroup_id{2}, {.tier = 2}));
}
