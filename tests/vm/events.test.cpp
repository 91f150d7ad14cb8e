// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The stream of events: where it has too little room, and what a receiver does to it.
#include <stdexcept>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include <oomx/oomx.hpp>
#include <oomx/policies/largest_leaf.hpp>

#include "support.hpp"

using namespace oomx::test;
using namespace oomx::literals;
using oomx::policies::largest_leaf;

namespace {

/// A policy that finds nobody to kill, and so many decisions of it that nobody has read.
struct undecided {
    control_group parent = control_group::make("parent");
    control_group leaf = parent.child("leaf");
    hog spared = hog::start(leaf, -1000);
    oomx::loaded_policy<largest_leaf> policy = must(oomx::load<largest_leaf>());
    oomx::events events = must(policy.events());
    oomx::attachment attachment = must(policy.attach(parent.open()));

    explicit undecided(int decisions) {
        spared.grow(10_MiB);
        for (int i = 0; i < decisions; ++i) {
            parent.set("memory.max", 5_MiB);
            parent.set("memory.max", "max");
        }
    }
};

} // namespace

TEST_CASE(
    "A receiver's exception reaches who polls, and the events after that one come next time") {
    undecided some{3};
    int seen = 0;
    const auto throws_at_the_second = [&](const oomx::decision&) {
        if (++seen == 2) {
            throw std::runtime_error{"enough"};
        }
    };

    CHECK_THROWS_AS(some.events.drain(throws_at_the_second), std::runtime_error);

    CHECK(seen == 2);
    CHECK(must(some.events.drain(throws_at_the_second)) == 1);
    CHECK(seen == 3);
}

TEST_CASE("A receiver that polls is refused, and the events come all the same") {
    undecided some{2};
    std::vector<oomx::errc> refusals;

    const auto count = must(some.events.drain([&](const oomx::decision&) {
        const auto again = some.events.drain([](const oomx::decision&) {});
        REQUIRE_FALSE(again);
        refusals.push_back(again.error().code());
    }));

    CHECK(count == 2);
    CHECK(refusals == std::vector{oomx::errc::busy, oomx::errc::busy});
}

TEST_CASE("A decision for which the ring buffer has no room is counted, and the next is read") {
    auto parent = control_group::make("parent");
    auto leaf = parent.child("leaf");
    auto protected_one = hog::start(leaf, -1000);
    protected_one.grow(10_MiB);
    auto opened = must(oomx::open<largest_leaf>());
    // Of one page: room for a few decisions.
    REQUIRE(::bpf_map__set_max_entries(opened.native_handle()->maps.oomx_events, 4096) == 0);
    auto policy = must(std::move(opened).load());
    auto events = must(policy.events());
    const auto attachment = must(policy.attach(parent.open()));
    // One OOM, which ends without a kill as nobody is eligible.
    const auto run_out_of_memory = [&] {
        parent.set("memory.max", 5_MiB);
        parent.set("memory.max", "max");
    };

    for (int i = 0; i < 10; ++i) {
        run_out_of_memory();
    }

    const auto made = policy.counters().declined;
    const auto lost = policy.counters().dropped;
    CHECK(made == 10);
    CHECK(lost > 0);
    CHECK(events.dropped() == lost);
    std::size_t read = 0;
    const auto count = [&](const oomx::decision& one) {
        CHECK(one.outcome() == oomx::outcome::no_victim);
        ++read;
    };
    CHECK(must(events.drain(count)) == made - lost);
    CHECK(read == made - lost);

    run_out_of_memory();

    CHECK(must(events.drain(count)) == 1);
    CHECK(policy.counters().dropped == lost);
    CHECK(protected_one.lives());
}
