// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The stream of events, where it has too little room.
#include <catch2/catch_test_macros.hpp>

#include <oomx/oomx.hpp>
#include <oomx/policies/largest_leaf.hpp>

#include "support.hpp"

using namespace oomx::test;
using namespace oomx::literals;
using oomx::policies::largest_leaf;

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
