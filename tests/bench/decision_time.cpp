// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// How long the bundled policies take to choose among so many leaves with a process in each, beside
// a C program that only reads memory.current and memory.stat of the same cgroups (read_files.c).
// Root, on a kernel with bpf_oom.
//
// usage: decision_time READ_FILES LEAVES...
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <deque>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include <sys/resource.h>

#include <fmt/format.h>

#include <oomx/oomx.hpp>
#include <oomx/policies/badness.hpp>
#include <oomx/policies/largest_leaf.hpp>
#include <oomx/policies/tiers.hpp>

#include "../support/control_group.hpp"
#include "../support/hog.hpp"
#include "../support/must.hpp"

using namespace oomx::literals;
using namespace oomx::test;

namespace {

constexpr int turns = 9;

long median(std::vector<long> figures) {
    std::ranges::sort(figures);
    return figures.at(figures.size() / 2);
}

/// So many leaves with a process in each, all of the same size.
struct crowd {
    control_group parent = control_group::make("crowd");
    std::deque<control_group> leaves;
    std::deque<std::optional<hog>> hogs;

    explicit crowd(int count) {
        for (int i = 0; i < count; i++) {
            leaves.push_back(parent.child(fmt::format("leaf{}", i)));
            hogs.push_back(start_in(leaves.back()));
            hogs.back()->grow(64_KiB);
        }
    }

    /// With one thread: there are many, and no figure depends on the number of threads.
    static hog start_in(const control_group& leaf) { return hog::start(leaf, {.threads = 1}); }

    /// Another process for each that was killed.
    void refill() {
        for (std::size_t i = 0; i < leaves.size(); i++) {
            if (!hogs[i]->lives()) {
                hogs[i].emplace(start_in(leaves[i]));
                hogs[i]->grow(64_KiB);
            }
        }
    }
};

long read_files(const std::string& program, const crowd& all) {
    FILE* const output = ::popen((program + " " + all.parent.path().native()).c_str(), "re");
    long figure = 0;
    if (std::fscanf(output, "%ld", &figure) != 1 || ::pclose(output) != 0) {
        throw std::runtime_error{"read_files failed"};
    }
    return figure;
}

/// In nanoseconds: to a decision that kills somebody, and of the answer when the kernel asks again
/// before that one is gone.
struct times {
    std::vector<long> decisions;
    std::vector<long> repeated;
};

void decide(crowd& all, oomx::events& events, times& took) {
    const auto before = took.decisions.size();
    while (took.decisions.size() == before) {
        const auto used = must(all.parent.open().memory_current()).count();
        all.parent.set("memory.max", oomx::bytes{used - 32'768});
        all.parent.set("memory.max", "max");
        must(events.poll(std::chrono::milliseconds{0}, [&](const oomx::decision& one) {
            if (one.outcome() == oomx::outcome::killed) {
                took.decisions.push_back(one.decided_in().count());
            } else if (one.outcome() == oomx::outcome::waiting) {
                took.repeated.push_back(one.took().count());
            }
        }));
    }
}

/// One row: turn by turn a decision and the files, so that what else the machine does slows down
/// both.
template <oomx::oom_policy Policy>
void compare(const char* name, const std::string& program, crowd& all,
             oomx::preference preference) {
    const auto policy = must(oomx::load<Policy>({}));
    must(policy.prefer(all.parent.open(), preference));
    auto attachment = must(policy.attach(all.parent.open()));
    auto events = must(policy.events());
    times measured;
    std::vector<long> files;
    for (int i = 0; i < turns; i++) {
        all.refill();
        files.push_back(read_files(program, all));
        decide(all, events, measured);
    }
    must(std::move(attachment).detach()); // as the processes that came since hold it, too
    const auto took = static_cast<double>(median(measured.decisions));
    const auto read = static_cast<double>(median(files));
    const auto leaves = all.leaves.size();
    const auto again =
        measured.repeated.empty()
            ? std::string{"none"}
            : fmt::format("{:.0f}", static_cast<double>(median(measured.repeated)) / 1e3);
    fmt::print("{:>7} {:<14} {:>10.3f} {:>12.0f} {:>12.3f} {:>8.1f} {:>14}\n", leaves, name,
               took / 1e6, took / static_cast<double>(leaves), read / 1e6, read / took, again);
    std::fflush(stdout);
}

} // namespace

int main(int argc, char** argv) try {
    using namespace oomx::policies;
    if (argc < 3) {
        fmt::print(stderr, "usage: decision_time READ_FILES LEAVES...\n");
        return 2;
    }
    // The kernel's report lists all processes, which takes longer than all else.
    std::ofstream{"/proc/sys/vm/oom_dump_tasks"} << 0;
    const rlimit two_for_each_process{20'000, 20'000};
    ::setrlimit(RLIMIT_NOFILE, &two_for_each_process);
    fmt::print("{:>7} {:<14} {:>10} {:>12} {:>12} {:>8} {:>14}\n", "leaves", "policy", "ms",
               "ns a leaf", "C, files: ms", "ratio", "asked again: us");
    for (int i = 2; i < argc; i++) {
        const int count = std::atoi(argv[i]);
        crowd all{count};
        compare<largest_leaf>("largest_leaf", argv[1], all, {});
        compare<badness>("badness", argv[1], all, {});
        compare<tiers>("tiers", argv[1], all, {.tier = 1});
    }
    return 0;
} catch (const std::exception& problem) {
    fmt::print(stderr, "decision_time: {}\n", problem.what());
    return 1;
}
