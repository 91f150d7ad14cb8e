// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// How long it takes to kill so many processes of one cgroup, within the call and so with oom_lock
// held: without the list of all processes in the kernel's reports, and with it (oom_dump_tasks).
// Root, on a kernel with bpf_oom.
//
// usage: kill_time PROCESSES...
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>

#include <fmt/format.h>

#include <oomx/oomx.hpp>
#include <oomx/policies/largest_leaf.hpp>

#include "../support/control_group.hpp"
#include "../support/hog.hpp"
#include "../support/must.hpp"

using namespace oomx::literals;
using namespace oomx::test;

namespace {

void list_tasks_in_reports(bool on) {
    std::ofstream{"/proc/sys/vm/oom_dump_tasks"} << on << std::flush;
}

/// How long the kills of so many processes of one cgroup take: milliseconds.
double kill_all(int count) {
    const auto parent = control_group::make("killed");
    const auto leaf = parent.child("leaf");
    std::deque<hog> hogs;
    for (int i = 0; i < count; ++i) {
        hogs.push_back(hog::start(leaf, {.threads = 1}));
        hogs.back().grow(64_KiB);
    }
    const auto policy = must(oomx::load<oomx::policies::largest_leaf>({}));
    auto attachment = must(policy.attach(parent.open()));
    auto events = must(policy.events());
    // The kernel prints no more than ten full reports in five seconds (oom_rs, mm/oom_kill.c).
    std::this_thread::sleep_for(std::chrono::seconds{6});
    parent.set("memory.max", "64K");
    std::optional<oomx::decision> killed;
    must(events.poll(std::chrono::seconds{10}, [&](const oomx::decision& one) {
        if (one.outcome() == oomx::outcome::killed) {
            killed = killed.value_or(one);
        }
    }));
    must(std::move(attachment).detach());
    if (!killed || killed->killed() != static_cast<unsigned>(count)) {
        throw std::runtime_error{"the policy did not kill all"};
    }
    return std::chrono::duration<double, std::milli>{killed->took() - killed->decided_in()}.count();
}

void compare_reports(int count) {
    list_tasks_in_reports(false);
    const auto without = kill_all(count);
    list_tasks_in_reports(true);
    const auto with = kill_all(count);
    fmt::print("{:>7} {:>14.1f} {:>14.1f} {:>8.1f}\n", count, without, with, with / without);
    std::fflush(stdout);
}

} // namespace

int main(int argc, char** argv) try {
    fmt::print("{:>7} {:>14} {:>14} {:>8}\n", "killed", "ms", "tasks listed", "ratio");
    for (int i = 1; i < argc; ++i) {
        compare_reports(std::atoi(argv[i]));
    }
    return 0;
} catch (const std::exception& problem) {
    fmt::print(stderr, "kill_time: {}\n", problem.what());
    return 1;
}
