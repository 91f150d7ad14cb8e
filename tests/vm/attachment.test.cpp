// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The end of an attachment, and one policy in the place of another.
#include <algorithm>
#include <array>
#include <chrono>
#include <cstddef>
#include <filesystem>
#include <optional>
#include <utility>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <oomx/oomx.hpp>
#include <oomx/policies/largest_leaf.hpp>

#include "bpf/policies.hpp"
#include "support.hpp"

using namespace oomx::test;
using namespace oomx::literals;
using Catch::Matchers::ContainsSubstring;
using oomx::errc;
using oomx::policies::largest_leaf;

namespace {

const std::filesystem::path pin = "/sys/fs/bpf/oomx-test";

/// A cgroup with one leaf to be killed.
struct doomed_tree {
    control_group parent = control_group::make("parent");
    control_group leaf = parent.child("leaf");
    hog victim = hog::start(leaf);

    doomed_tree() { victim.grow(10_MiB); }

    void run_out_of_memory() const { parent.set("memory.max", 5_MiB); }
};

} // namespace

TEST_CASE("A detached policy decides no more, and its pin is gone") {
    doomed_tree tree;
    auto policy = must(oomx::load<largest_leaf>());
    auto attachment = must(policy.attach(tree.parent.open()));
    must(attachment.pin(pin));
    kernel_log log;

    must(std::move(attachment).detach());

    CHECK_FALSE(std::filesystem::exists(pin));
    tree.run_out_of_memory();
    CHECK(tree.victim.was_killed());
    CHECK(log.says("oom_policy=default"));
    CHECK(policy.counters().handled == 0);
}

TEST_CASE("A policy that somebody else has detached is detached without complaint") {
    auto parent = control_group::make("parent");
    auto policy = must(oomx::load<largest_leaf>());
    auto attachment = must(policy.attach(parent.open()));
    must(attachment.pin(pin));
    auto other = must(oomx::adopt<largest_leaf>(pin, parent.open()));
    must(std::move(other.attachment).detach());

    must(std::move(attachment).detach());

    CHECK(policy.attach(parent.open()).has_value());
}

TEST_CASE("An attachment knows when it is no longer in force") {
    auto parent = control_group::make("parent");
    auto other = control_group::make("other");
    auto policy = must(oomx::load<largest_leaf>());
    const auto on_parent = must(policy.attach(parent.open()));
    const auto on_other = must(policy.attach(other.open()));
    const auto on_system = must(policy.attach(oomx::cgroup::root()));
    must(oomx::bpf::link{must(oomx::duplicate(on_other.native_handle()))}.detach());

    parent.remove();

    CHECK_FALSE(must(on_parent.in_force()));
    CHECK_FALSE(must(on_other.in_force()));
    CHECK(must(on_system.in_force()));
}

TEST_CASE("An attachment has one pin") {
    auto parent = control_group::make("parent");
    auto policy = must(oomx::load<largest_leaf>());
    auto attachment = must(policy.attach(parent.open()));
    must(attachment.pin(pin));

    CHECK_THAT(refusal(attachment.pin("/sys/fs/bpf/oomx-other")),
               ContainsSubstring("it is pinned at /sys/fs/bpf/oomx-test"));
    CHECK_FALSE(std::filesystem::exists("/sys/fs/bpf/oomx-other"));
    must(std::move(attachment).detach());
}

TEST_CASE("A policy takes the place of another") {
    doomed_tree tree;
    auto before = must(oomx::load<decliner>());
    auto after = must(oomx::load<largest_leaf>());
    auto attachment = must(before.attach(tree.parent.open()));
    kernel_log log;

    must(attachment.replace(after));

    tree.run_out_of_memory();
    CHECK(tree.victim.was_killed());
    CHECK(log.says("oom_policy=largest_leaf"));
    CHECK(before.counters().declined == 0);
    CHECK(after.counters().handled > 0);
}

TEST_CASE("A pin moves to the policy that takes the place") {
    doomed_tree tree;
    {
        auto before = must(oomx::load<decliner>());
        auto after = must(oomx::load<largest_leaf>());
        auto attachment = must(before.attach(tree.parent.open()));
        must(attachment.pin(pin));
        must(attachment.replace(after));
        CHECK(attachment.pinned_at() == pin);
    }
    kernel_log log;

    tree.run_out_of_memory();

    CHECK(tree.victim.was_killed());
    CHECK(log.says("oom_policy=largest_leaf"));
    CHECK_FALSE(std::filesystem::exists(pin.native() + "-next"));
    std::filesystem::remove(pin);
}

TEST_CASE("Where a pin could not move, the old policy stays") {
    doomed_tree tree;
    auto before = must(oomx::load<largest_leaf>());
    auto after = must(oomx::load<decliner>());
    auto attachment = must(before.attach(tree.parent.open()));
    must(attachment.pin(pin));
    // Somebody else has the name that the new pin needs for a moment.
    std::filesystem::create_directory(pin.native() + "-next");

    CHECK_THAT(refusal(attachment.replace(after)),
               ContainsSubstring("replace policy 'largest_leaf' on /sys/fs/cgroup/parent by "
                                 "'decliner': ") &&
                   ContainsSubstring("the name is taken"));

    tree.run_out_of_memory();
    CHECK(tree.victim.was_killed());
    CHECK(before.counters().handled > 0);
    CHECK(after.counters().declined == 0);
    std::filesystem::remove(pin.native() + "-next");
    must(std::move(attachment).detach());
}

TEST_CASE("Where a pin turns out not to move, the old policy is back, without it") {
    doomed_tree tree;
    auto before = must(oomx::load<largest_leaf>());
    auto after = must(oomx::load<decliner>());
    auto attachment = must(before.attach(tree.parent.open()));
    must(attachment.pin(pin));
    // Somebody has put a directory in the place of the pin: no pin can be renamed to that.
    std::filesystem::remove(pin);
    std::filesystem::create_directory(pin);

    CHECK_THAT(refusal(attachment.replace(after)),
               ContainsSubstring("the old one is back, but not pinned (rename "));

    CHECK_FALSE(attachment.pinned_at());
    CHECK_FALSE(std::filesystem::exists(pin.native() + "-next"));
    tree.run_out_of_memory();
    CHECK(tree.victim.was_killed());
    CHECK(before.counters().handled > 0);
    CHECK(after.counters().declined == 0);
    std::filesystem::remove(pin);
}

TEST_CASE("A policy whose place somebody else has taken is lost, and the error says so") {
    auto parent = control_group::make("parent");
    auto policy = must(oomx::load<largest_leaf>());
    auto attachment = must(policy.attach(parent.open()));
    must(oomx::bpf::link{must(oomx::duplicate(attachment.native_handle()))}.detach());
    auto other = must(oomx::load<decliner>());
    const auto taken = must(other.attach(parent.open()));

    auto refused = attachment.replace(policy);

    CHECK_THAT(refusal(refused), ContainsSubstring("the old one is lost, too (attach policy "));
    CHECK(refused.error().code() == errc::busy);
    CHECK_FALSE(must(attachment.in_force()));
    CHECK(must(taken.in_force()));
}

TEST_CASE("On a cgroup that was removed nothing is replaced") {
    auto parent = control_group::make("parent");
    auto before = must(oomx::load<largest_leaf>());
    auto after = must(oomx::load<decliner>());
    auto attachment = must(before.attach(parent.open()));
    parent.remove();

    auto refused = attachment.replace(after);

    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == errc::not_found);
}

TEST_CASE("A policy replaces another many times, and leaves nothing behind") {
    auto parent = control_group::make("parent");
    auto one = must(oomx::load<largest_leaf>());
    auto other = must(oomx::load<largest_leaf>({.min_usage = 1_MiB}));
    auto attachment = must(one.attach(parent.open()));
    const auto descriptors = open_descriptors();
    std::array<std::chrono::nanoseconds, 51> took{};

    for (std::size_t i = 0; i < took.size(); ++i) {
        const auto start = std::chrono::steady_clock::now();
        must(attachment.replace(i % 2 == 0 ? other : one));
        took[i] = std::chrono::steady_clock::now() - start;
    }

    std::ranges::sort(took);
    // The gap is a part of it: docs/ownership.md.
    fmt::print("replace() took {} us (median of {}), at most {} us\n",
               took[took.size() / 2].count() / 1000, took.size(), took.back().count() / 1000);
    CHECK(open_descriptors() == descriptors);
}
