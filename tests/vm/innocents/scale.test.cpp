// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// What an unprivileged tenant can make a decision cost. Slow to set up, so in a VM of its own.
#include <algorithm>
#include <chrono>
#include <cstddef>
#include <fstream>
#include <optional>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "../../support/crowd.hpp"
#include "scene.hpp"

using namespace oomx::test;
using namespace oomx::literals;
using oomx::policies::badness;

namespace {

/// A scope where a hog can be killed again and again, and how long the decisions take.
class arena {
public:
    arena() {
        // A report that lists every process takes longer than all the rest.
        std::ofstream{"/proc/sys/vm/oom_dump_tasks"} << 0 << std::flush;
    }

    [[nodiscard]] const control_group& scope() const { return scope_; }

    /// The fastest of some decisions with this crowd in the scope: the machine does other work,
    /// too. Each kills a hog, of one thread so that nothing but the number of others takes time.
    std::chrono::nanoseconds fastest_decision(const control_group& crowd, int of = 5) {
        const auto size = crowd.processes();
        auto fastest = std::chrono::nanoseconds::max();
        for (int n = 0; n < of; ++n) {
            auto victim = hog::start(place_, {.threads = 1});
            victim.grow(40_MiB);
            const auto before = policy_.decisions().size();
            scene::run_out_of_memory(scope_, 10_MiB);
            CHECK(victim.was_killed());
            const auto all = policy_.decisions();
            REQUIRE(all.size() > before);
            CHECK(all[before].outcome() == oomx::outcome::killed);
            CHECK(all[before].victim_pid() == victim.pid());
            REQUIRE(crowd.processes() == size);
            fastest = std::min(fastest, all[before].decided_in());
        }
        return fastest;
    }

private:
    control_group scope_ = control_group::make("scope");
    control_group place_ = scope_.child("place");
    deciding<badness> policy_{scope_.open(), {}};
};

void tell(const char* what, std::size_t count, std::chrono::nanoseconds took) {
    fmt::print("{:>6} {}: decided in {:.1f} ms\n", count, what,
               std::chrono::duration<double, std::milli>{took}.count());
}

void compare(crowd_of kind, const char* what) {
    arena arena;
    std::optional<std::chrono::nanoseconds> half;
    for (const std::size_t count : {500UL, 1000UL, 2000UL, 4000UL}) {
        auto place = arena.scope().child("crowd");
        const auto all = crowd::start(place, count, kind);
        const auto took = arena.fastest_decision(place);
        tell(what, count, took);
        INFO(count << ' ' << what);
        if (half) {
            CHECK(took < *half * 5 / 2);
        }
        half = took;
    }
}

} // namespace

TEST_CASE("Twice as many ended leaders take about twice the time", "[.scale]") {
    compare(crowd_of::ended_leaders, "processes whose first thread has ended");
}

TEST_CASE("Twice as many processes with one memory take about twice the time", "[.scale]") {
    compare(crowd_of::sharers, "processes that share one memory");
}

// The kernel log is a part of the next two: no soft lockup and no RCU stall.
TEST_CASE("A decision with 20,000 tasks in one cgroup stalls no processor", "[.scale]") {
    arena arena;
    auto place = arena.scope().child("crowd");
    const auto all = crowd::start(place, 10'000, crowd_of::ended_leaders);
    const auto took = arena.fastest_decision(place, 1);
    tell("tasks, of each two an ended leader", 20'000, took);
}

TEST_CASE("A decision with 10,000 cgroups stalls no processor", "[.scale]") {
    arena arena;
    std::vector<control_group> groups;
    groups.reserve(10'000);
    for (int n = 0; n < 10'000; ++n) {
        groups.push_back(arena.scope().child(std::to_string(n)));
    }
    const auto all = crowd::start_in_each(groups);
    const auto took = arena.fastest_decision(groups.back(), 1);
    tell("cgroups", groups.size(), took);
}
