// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/memory_events.hpp>

#include <catch2/catch_test_macros.hpp>

using oomx::errc;
using oomx::memory_events;
using oomx::parse_memory_events;

TEST_CASE("Memory events are read into their counters") {
    CHECK(
        parse_memory_events("low 1\nhigh 2\nmax 3\noom 4\noom_kill 5\noom_group_kill 6\n") ==
        memory_events{.low = 1, .high = 2, .max = 3, .oom = 4, .oom_kill = 5, .oom_group_kill = 6});
}

TEST_CASE("Memory events of an old kernel have no group kills") {
    const auto events = parse_memory_events("low 0\nhigh 0\nmax 0\noom 0\noom_kill 7\n");
    REQUIRE(events);
    CHECK(events->oom_kill == 7);
    CHECK(!events->oom_group_kill);
}

TEST_CASE("Memory events that a newer kernel adds are passed over, wherever they stand") {
    const auto events = parse_memory_events(
        "sock_throttled 9\nlow 0\nhigh 0\nnew 8\nmax 0\noom 0\noom_kill 1\noom_group_kill 0\n");
    REQUIRE(events);
    CHECK(events->oom_kill == 1);
}

TEST_CASE("Memory events without a counter that every kernel has are malformed") {
    const auto events = parse_memory_events("low 0\nhigh 0\nmax 0\noom_kill 7\n");
    REQUIRE(!events);
    CHECK(events.error().code() == errc::malformed);
    CHECK(events.error().message() == "it has no 'oom'");
}

TEST_CASE("Memory events with a number that is none are malformed") {
    const auto events = parse_memory_events("low 0\nhigh -1\nmax 0\noom 0\noom_kill 0\n");
    REQUIRE(!events);
    CHECK(events.error().message() == "a line of it is \"high -1\", not a name and a number");
}
