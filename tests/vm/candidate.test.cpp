// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// bpf_templates/include/oomx/candidate.h: each field, as a policy in the kernel reads it, is what
// user space reads of the same cgroup.
#include <chrono>
#include <cstdint>
#include <fstream>
#include <string>

#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>

#include <oomx/candidate.h>
#include <oomx/oomx.hpp>

#include "bpf/policies.hpp"
#include "support.hpp"

using namespace oomx::test;
using namespace oomx::literals;

namespace {

/// A process that holds anonymous, shared and mapped memory.
struct measured_tree {
    control_group outer = control_group::make("outer");
    control_group parent = outer.child("parent");
    control_group inner = parent.child("inner");
    control_group measured = inner.child("measured");
    control_group other = parent.child("other");
    std::chrono::nanoseconds before = monotonic();
    hog holder = hog::start(measured);
    std::chrono::nanoseconds after = monotonic();
    process sharer = share(measured, 3_MiB);
    oomx::loaded_policy<echo> policy =
        must(oomx::load<echo>({.rails = {.mode = oomx::mode::shadow}}));
    oomx::events events = must(policy.events());
    oomx::attachment attachment = must(policy.attach(parent.open()));
    // Who ends the OOMs, and waits for the end of whom it kills: the kernel might kill another.
    deciding<hostile> killer{outer.open(), {.how = OOMX_HOSTILE_KILL, .target = other.id()}};

    measured_tree() {
        holder.grow(5_MiB);
        // All that is above gives as much: a child of the scope has what it is given.
        for (const auto* one : {&inner, &measured}) {
            one->set("memory.min", 1_MiB);
            one->set("memory.low", 2_MiB);
        }
        measured.set("memory.high", 64_MiB);
        measured.set("memory.max", 96_MiB);
        measured.set("memory.oom.group", "1");
        must(policy.prefer(measured.open(), {.tier = 3, .value = 17}));
    }

    [[nodiscard]] static std::chrono::nanoseconds monotonic() {
        timespec now{};
        ::clock_gettime(CLOCK_MONOTONIC, &now);
        return std::chrono::seconds{now.tv_sec} + std::chrono::nanoseconds{now.tv_nsec};
    }

    /// A process with shared memory and an oom_score_adj.
    static process share(const control_group& where, oomx::bytes size) {
        return process::start_ready([&](auto ready) {
            where.set("cgroup.procs", "0");
            std::ofstream{"/proc/self/oom_score_adj"} << 7 << std::flush;
            auto* const pages = static_cast<volatile char*>(::mmap(
                nullptr, size.count(), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0));
            for (std::uint64_t at = 0; at < size.count(); at += 4096) {
                pages[at] = 1;
            }
            ready();
            ::pause();
            return 0;
        });
    }

    /// The score of the cgroup that is measured, at an OOM of the parent.
    std::uint64_t read(oomx_echo_field field) {
        must(policy.reconfigure({.field = field, .rails = {.mode = oomx::mode::shadow}}));
        auto victim = hog::start(other);
        victim.grow(16_MiB);
        parent.set("memory.max", 20_MiB);
        CHECK(victim.was_killed());
        parent.set("memory.max", "max");
        std::uint64_t score = 0;
        must(events.poll(std::chrono::milliseconds{0}, [&](const oomx::decision& one) {
            for (std::size_t i = 0; score == 0 && i < one.top_count(); ++i) {
                score = one.top(i).id == measured.id() ? one.top(i).score : 0;
            }
        }));
        CHECK(score != 0);
        return score == OOMX_NO_LIMIT ? score : score - 1;
    }
};

/// Whether two sizes are the same but for what processors have not added up yet.
bool close(std::uint64_t a, oomx::bytes b) {
    const auto other = b.count();
    return (a > other ? a - other : other - a) <= (256 << 10);
}

} // namespace

TEST_CASE("A candidate's sizes are those of memory.stat and memory.current") {
    measured_tree tree;
    const auto cgroup = tree.measured.open();
    const auto stat = must(cgroup.memory_stat());

    CHECK(stat.shmem >= 3_MiB);
    const auto usage = tree.read(OOMX_ECHO_USAGE);
    CAPTURE(usage, must(cgroup.memory_current()).count());
    CHECK(close(usage, must(cgroup.memory_current())));
    CHECK(close(tree.read(OOMX_ECHO_ANON), stat.anon));
    CHECK(close(tree.read(OOMX_ECHO_FILE), stat.file));
    CHECK(close(tree.read(OOMX_ECHO_SHMEM), stat.shmem));
    CHECK(close(tree.read(OOMX_ECHO_KERNEL), stat.kernel.value()));
    CHECK(tree.read(OOMX_ECHO_SWAP) == 0); // the VM has none
}

TEST_CASE("A candidate's limits and protection are those of its files") {
    measured_tree tree;

    CHECK(tree.read(OOMX_ECHO_HIGH) == (64_MiB).count());
    CHECK(tree.read(OOMX_ECHO_MAX) == (96_MiB).count());
    CHECK(tree.read(OOMX_ECHO_MIN) == (1_MiB).count());
    CHECK(tree.read(OOMX_ECHO_LOW) == (2_MiB).count());
    CHECK(tree.read(OOMX_ECHO_PROTECTION) == (2_MiB).count());
    tree.inner.set("memory.low", 1_MiB);
    CHECK(tree.read(OOMX_ECHO_LOW) == (1_MiB).count());
    tree.measured.set("memory.max", "max");
    CHECK(tree.read(OOMX_ECHO_MAX) == OOMX_NO_LIMIT);
}

TEST_CASE("A candidate's place, preference and processes are what they are") {
    measured_tree tree;

    CHECK(tree.read(OOMX_ECHO_DEPTH) == 2);
    CHECK(tree.read(OOMX_ECHO_PROCESSES) == 2);
    CHECK(tree.read(OOMX_ECHO_OOM_GROUP) == 1);
    CHECK(tree.read(OOMX_ECHO_TIER) == 3);
    CHECK(tree.read(OOMX_ECHO_PREFERENCE) == 17);
    tree.measured.set("memory.oom.group", "0");
    CHECK(tree.read(OOMX_ECHO_OOM_GROUP) == 0);
}

TEST_CASE("A candidate is as old as its oldest process, and that since it was forked") {
    measured_tree tree;
    for (const auto field : {OOMX_ECHO_AGE, OOMX_ECHO_PROCESS_AGE}) {
        const auto asked = measured_tree::monotonic();
        const std::chrono::nanoseconds age{static_cast<std::int64_t>(tree.read(field))};
        const auto answered = measured_tree::monotonic();
        CHECK(age >= asked - tree.after);
        CHECK(age <= answered - tree.before);
    }
}

TEST_CASE("What a process is ranked by is what /proc says of it") {
    measured_tree tree;
    const auto status = [&](const std::string& key) {
        std::ifstream file{fmt::format("/proc/{}/status", tree.holder.pid())};
        std::string word;
        std::uint64_t kib = 0;
        while (file >> word && word != key) {
        }
        file >> kib;
        return oomx::bytes{kib << 10};
    };

    // Each time the process is the first that has most of it.
    CHECK(tree.read(OOMX_ECHO_PROCESS_PID) == static_cast<std::uint64_t>(tree.sharer.pid()));
    CHECK(tree.read(OOMX_ECHO_PROCESS_ADJ) == 7);
    // Before an OOM the kernel takes mapped files back. Each of two processors keeps up to 32 pages
    // of each of three counters for itself, and /proc alone adds them (percpu_counter_batch).
    constexpr std::uint64_t slack = 2 * 3 * 32 * 4096;
    const auto before = status("VmRSS:").count();
    const auto rss = tree.read(OOMX_ECHO_PROCESS_RSS);
    const auto after = status("VmRSS:").count();
    CHECK(rss <= before + slack);
    CHECK(rss + slack >= after);
    CHECK(close(tree.read(OOMX_ECHO_PROCESS_TABLES), status("VmPTE:")));
    CHECK(tree.read(OOMX_ECHO_PROCESS_TABLES) > 0);
    CHECK(tree.read(OOMX_ECHO_PROCESS_SWAP) == 0); // the VM has none
    CHECK(tree.read(OOMX_ECHO_PROCESS_SCOPE) == (20_MiB).count());
}
