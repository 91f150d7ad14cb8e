// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// What keeps a policy in force, and what is left when it ends.
#include <algorithm>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <optional>
#include <set>

#include <bpf/bpf.h>
#include <catch2/catch_test_macros.hpp>

#include <oomx/oomx.hpp>
#include <oomx/policies/largest_leaf.hpp>

#include "bpf/policies.hpp"
#include "support.hpp"

using namespace oomx::test;
using namespace oomx::literals;
using oomx::policies::largest_leaf;

namespace {

/// A cgroup with two leaves of which largest_leaf and the kernel kill different ones: the kernel
/// prefers the higher oom_score_adj.
struct contested_tree {
    control_group parent = control_group::make("parent");
    control_group large = parent.child("large");
    control_group small = parent.child("small");
    hog ours = hog::start(large);
    hog kernels = hog::start(small, 1000);

    contested_tree() {
        ours.grow(20_MiB);
        kernels.grow(10_MiB);
    }

    void run_out_of_memory() const { parent.set("memory.max", 24_MiB); }
};

/// A process that attaches largest_leaf and then hangs, as a stuck agent does.
process start_agent(const control_group& where, std::optional<std::filesystem::path> pin) {
    return process::start_ready([&](auto ready) {
        auto policy = must(oomx::load<largest_leaf>());
        auto attachment = must(policy.attach(where.open()));
        if (pin) {
            must(attachment.pin(*pin));
        }
        ready();
        ::pause();
        return 0;
    });
}

/// The maps, programs and links that the kernel holds, by their ids, which it does not use again.
struct bpf_census {
    std::set<__u32> maps = ids(::bpf_map_get_next_id);
    std::set<__u32> programs = ids(::bpf_prog_get_next_id);
    std::set<__u32> links = ids(::bpf_link_get_next_id);

    /// Whether nothing is in it that was not in the other.
    [[nodiscard]] bool has_none_since(const bpf_census& before) const {
        return std::ranges::includes(before.maps, maps) &&
               std::ranges::includes(before.programs, programs) &&
               std::ranges::includes(before.links, links);
    }

private:
    static std::set<__u32> ids(int (*next)(__u32, __u32*)) {
        std::set<__u32> all;
        for (__u32 id = 0; next(id, &id) == 0;) {
            all.insert(id);
        }
        return all;
    }
};

/// The kernel frees them after grace periods: waits for that, not for a time. What was there before
/// may still be on its way out.
bool nothing_is_left_since(const bpf_census& before) {
    // membarrier's global command waits for a grace period of its own.
    for (int grace_periods = 0; grace_periods < 2000; ++grace_periods) {
        if (bpf_census{}.has_none_since(before)) {
            return true;
        }
        ::syscall(SYS_membarrier, 1 /* MEMBARRIER_CMD_GLOBAL */, 0, 0);
    }
    return false;
}

void load_and_attach(const control_group& where) {
    auto policy = must(oomx::load<decliner>());
    const auto attachment = must(policy.attach(where.open()));
}

/// SUnreclaim of /proc/meminfo.
oomx::bytes unreclaimable_slab() {
    std::ifstream in{"/proc/meminfo"};
    std::string word;
    while (in >> word && word != "SUnreclaim:") {
    }
    std::uint64_t kib = 0;
    in >> kib;
    return oomx::bytes{kib << 10};
}

} // namespace

TEST_CASE("An unpinned policy ends with the agent that is killed") {
    contested_tree tree;
    auto agent = start_agent(tree.parent, std::nullopt);
    agent.kill(SIGKILL);
    REQUIRE(agent.ended_within(std::chrono::seconds{10}));
    kernel_log log;

    tree.run_out_of_memory();

    CHECK(tree.kernels.was_killed());
    CHECK(log.first_killed() == tree.kernels.pid());
    CHECK(log.says("oom_policy=default"));
}

TEST_CASE("A pinned policy still decides after the agent is killed") {
    contested_tree tree;
    const std::filesystem::path pin = "/sys/fs/bpf/oomx-test";
    auto agent = start_agent(tree.parent, pin);
    agent.kill(SIGKILL);
    REQUIRE(agent.ended_within(std::chrono::seconds{10}));
    kernel_log log;

    tree.run_out_of_memory();

    CHECK(tree.ours.was_killed());
    CHECK(tree.kernels.lives());
    CHECK(log.says("oom_policy=largest_leaf"));
    std::filesystem::remove(pin);
}

TEST_CASE("A policy decides while its agent is stopped") {
    contested_tree tree;
    auto agent = start_agent(tree.parent, std::nullopt);
    agent.kill(SIGSTOP);

    tree.run_out_of_memory();

    CHECK(tree.ours.was_killed());
    CHECK(tree.kernels.lives());
}

TEST_CASE("Removing the pin takes the policy out of force") {
    contested_tree tree;
    const std::filesystem::path pin = "/sys/fs/bpf/oomx-test";
    {
        auto policy = must(oomx::load<largest_leaf>());
        must(must(policy.attach(tree.parent.open())).pin(pin));
    }
    std::filesystem::remove(pin);
    kernel_log log;

    tree.run_out_of_memory();

    CHECK(tree.kernels.was_killed());
    CHECK(log.first_killed() == tree.kernels.pid());
}

TEST_CASE("Nothing of a policy is left in the kernel after it is dropped") {
    const bpf_census before;
    {
        auto parent = control_group::make("parent");
        deciding<largest_leaf> policy{parent.open()};
        REQUIRE_FALSE(bpf_census{}.has_none_since(before));
    }
    CHECK(nothing_is_left_since(before));
}

TEST_CASE("Loading, attaching and probing again and again leaves nothing in the kernel") {
    const bpf_census before;
    {
        auto parent = control_group::make("parent");
        for (int i = 0; i < 10; ++i) {
            load_and_attach(parent);
        }
        for (int i = 0; i < 50; ++i) {
            CHECK(oomx::probe_anew().cgroup_attach);
        }
        // Where the places to try are taken, too.
        const auto kernel = must(oomx::btf_view::kernel());
        const auto place = parent.open();
        deciding<decliner> here{place};
        deciding<decliner> everywhere{oomx::cgroup::root()};
        for (int i = 0; i < 10; ++i) {
            const auto tried = oomx::bpf::try_cgroup_scope(kernel, place);
            CHECK((tried || tried.error().code() == oomx::errc::busy));
        }
    }
    CHECK(nothing_is_left_since(before));
}

// A KASAN kernel keeps freed memory back, so that its slab says nothing.
TEST_CASE("Fifty loads and attachments leave nothing in the kernel, and take no slab", "[slab]") {
    auto parent = control_group::make("parent");
    const bpf_census before;
    const auto slab_after = [&](int loads) {
        for (int i = 0; i < loads; ++i) {
            load_and_attach(parent);
        }
        CHECK(nothing_is_left_since(before));
        return unreclaimable_slab();
    };
    const auto at_first = slab_after(10); // its caches fill
    CHECK(slab_after(50).count() < at_first.count() + 50 * (8 << 10));
}

TEST_CASE("A removed cgroup is reported, and nothing of its policy stays behind") {
    const bpf_census before;
    {
        auto parent = control_group::make("parent");
        const auto id = parent.id();
        auto policy = must(oomx::load<largest_leaf>());
        auto events = must(policy.events());
        const auto attachment = must(policy.attach(parent.open()));

        parent.remove();

        std::optional<oomx::cgroup_id> gone;
        struct {
            std::optional<oomx::cgroup_id>* gone;
            void operator()(const oomx::decision&) const {}
            void operator()(const oomx::cgroup_gone& event) const { *gone = event.where(); }
        } receive{&gone};
        must(events.poll(std::chrono::seconds{10}, receive));
        CHECK(gone == id);
    }
    CHECK(nothing_is_left_since(before));
}

TEST_CASE("A stream of events outlives the policy it came from") {
    contested_tree tree;
    std::optional<oomx::attachment> attachment;
    std::optional<oomx::events> events;
    {
        auto policy = must(oomx::load<largest_leaf>());
        events = must(policy.events());
        attachment = must(policy.attach(tree.parent.open()));
    }

    tree.run_out_of_memory();

    CHECK(tree.ours.was_killed());
    CHECK(must(events->poll(std::chrono::milliseconds{0}, [](const oomx::decision&) {})) > 0);
    CHECK(events->dropped() == 0);
}
