// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Puts the bundled policy largest_leaf in force for one cgroup, or for the whole system, and prints
// every decision until it is interrupted:
//
//     01_attach_bundled /sys/fs/cgroup/batch.slice
//     01_attach_bundled --system
//
// Interrupting it takes the policy out of force: the kernel's own killer decides again.

#include <csignal>
#include <cstdio>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <oomx/oomx.hpp>
#include <oomx/policies/largest_leaf.hpp>

using namespace oomx::literals;
using namespace std::chrono_literals;

namespace {

// NOLINTNEXTLINE(cppcoreguidelines-avoid-non-const-global-variables): all a handler may write to
volatile std::sig_atomic_t interrupted = 0;

int fail(const oomx::error& why) {
    fmt::print(stderr, "01_attach_bundled: {}\n", why);
    return 1;
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        fmt::print(stderr, "usage: 01_attach_bundled CGROUP_DIRECTORY | --system\n");
        return 2;
    }
    const std::string_view where = argv[1];
    auto cgroup = where == "--system" ? oomx::cgroup::root() : oomx::cgroup::open(where);
    if (!cgroup) {
        return fail(cgroup.error());
    }
    // A leaf below 1 MiB is not worth a kill.
    auto policy = oomx::load<oomx::policies::largest_leaf>({.min_usage = 1_MiB});
    if (!policy) {
        return fail(policy.error());
    }
    // Open the stream first: then no decision is made unseen.
    auto events = policy->events();
    if (!events) {
        return fail(events.error());
    }
    auto attachment = policy->attach(*cgroup);
    if (!attachment) {
        return fail(attachment.error());
    }
    fmt::print("largest_leaf is in force for {}\n", cgroup->path().native());
    std::fflush(stdout);

    std::signal(SIGINT, [](int) { interrupted = 1; });
    std::signal(SIGTERM, [](int) { interrupted = 1; });
    while (interrupted == 0) {
        auto polled = events->poll(1s, [](const oomx::decision& decision) {
            fmt::print("{}\n", decision);
            // A record has ids only; while the cgroup exists it can be found by its id.
            if (auto victim = oomx::cgroup::open(decision.victim())) {
                fmt::print("  cgroup {} is {}\n", std::to_underlying(decision.victim()),
                           victim->path().native());
            }
            std::fflush(stdout);
        });
        if (!polled) {
            return fail(polled.error());
        }
    }
    return 0;
}
