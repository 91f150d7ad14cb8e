// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// What user space says of cgroups, and that a policy in force goes by it.
#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <utility>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <oomx/oomx.hpp>
#include <oomx/policies/largest_leaf.hpp>
#include <oomx/policies/tiers.hpp>

#include "support.hpp"

using namespace oomx::test;
using namespace oomx::literals;
using Catch::Matchers::ContainsSubstring;
using oomx::errc;
using oomx::preference;
using oomx::verdict;
using oomx::policies::largest_leaf;
using oomx::policies::tiers;

namespace {

/// A small leaf and a large one below a parent each.
struct two_services {
    control_group parent = control_group::make("parent");
    control_group small = parent.child("small");
    control_group large = parent.child("large");
    control_group small_leaf = small.child("leaf");
    control_group large_leaf = large.child("leaf");
    hog in_small = hog::start(small_leaf);
    hog in_large = hog::start(large_leaf);

    two_services() {
        in_small.grow(10_MiB);
        in_large.grow(20_MiB);
    }

    void run_out_of_memory() const { parent.set("memory.max", 25_MiB); }
};

/// Writes past the library, so that no 4096 cgroups have to be made.
void fill(int map, std::uint64_t count) {
    const oomx_preference said{};
    for (std::uint64_t i = 0; i < count; ++i) {
        const std::uint64_t nobody = (1ULL << 40) + i;
        REQUIRE(::bpf_map_update_elem(map, &nobody, &said, BPF_ANY) == 0);
    }
}

/// The map of a policy that is loaded, found by its name: nothing but a test wants it.
oomx::unique_fd preferences_map() {
    std::optional<std::uint32_t> newest;
    for (std::uint32_t id = 0; ::bpf_map_get_next_id(id, &id) == 0;) {
        const oomx::unique_fd map{::bpf_map_get_fd_by_id(id)};
        bpf_map_info info{};
        std::uint32_t size = sizeof info;
        REQUIRE(::bpf_obj_get_info_by_fd(map.native_handle(), &info, &size) == 0);
        if (std::string{info.name} == "oomx_preference") {
            newest = id;
        }
    }
    REQUIRE(newest);
    return oomx::unique_fd{::bpf_map_get_fd_by_id(*newest)};
}

} // namespace

TEST_CASE("What is said of a cgroup holds for all below it, also for what comes later") {
    auto parent = control_group::make("parent");
    auto batch = parent.child("batch");
    auto other = parent.child("other");
    auto policy = must(oomx::load<tiers>());
    auto events = must(policy.events());
    must(policy.prefer(batch.open(), {.tier = 7, .value = -5}));
    const auto attachment = must(policy.attach(parent.open()));
    auto job = batch.child("job");
    auto later = job.child("step");
    auto in_later = hog::start(later);
    auto in_other = hog::start(other);
    in_later.grow(10_MiB);
    in_other.grow(20_MiB);

    parent.set("memory.max", 25_MiB);

    CHECK(in_later.was_killed());
    CHECK(in_other.lives());
    std::optional<oomx::decision> first;
    must(events.drain([&](const oomx::decision& one) { first = first.value_or(one); }));
    REQUIRE(first);
    CHECK(first->victim() == later.id());
    CHECK(first->top(0).tier == 7);
    CHECK(first->top(0).preference == -5);
}

TEST_CASE("Of what is said of several upwards the nearest holds, whole") {
    two_services tree;
    auto policy = must(oomx::load<tiers>());
    must(policy.prefer(tree.parent.open(), {.tier = 3}));
    must(policy.prefer(tree.large_leaf.open(), {.tier = 1}));
    const auto attachment = must(policy.attach(tree.parent.open()));

    tree.run_out_of_memory();

    CHECK(tree.in_small.was_killed());
    CHECK(tree.in_large.lives());
}

TEST_CASE("What is said of the whole system holds for everybody") {
    two_services tree;
    auto policy = must(oomx::load<tiers>());
    must(policy.prefer(oomx::cgroup::root(), {.tier = 1}));
    const auto attachment = must(policy.attach(tree.parent.open()));

    tree.run_out_of_memory();

    CHECK(tree.in_large.was_killed());
    CHECK(tree.in_small.lives());
}

TEST_CASE("Nobody below takes never_kill back") {
    two_services tree;
    auto policy = must(oomx::load<largest_leaf>());
    must(policy.prefer(tree.large.open(), {.never_kill = true}));
    must(policy.prefer(tree.large_leaf.open(), {.tier = 1}));
    const auto attachment = must(policy.attach(tree.parent.open()));

    tree.run_out_of_memory();

    CHECK(tree.in_small.was_killed());
    CHECK(tree.in_large.lives());
}

TEST_CASE("What is said while the policy is in force holds for the next decision") {
    two_services tree;
    auto policy = must(oomx::load<largest_leaf>());
    auto events = must(policy.events());
    const auto attachment = must(policy.attach(tree.parent.open()));
    must(policy.prefer(tree.large.open(), {.never_kill = true}));

    tree.run_out_of_memory();

    CHECK(tree.in_small.was_killed());
    CHECK(tree.in_large.lives());
    std::optional<oomx::decision> first;
    must(events.drain([&](const oomx::decision& one) { first = first.value_or(one); }));
    REQUIRE(first);
    REQUIRE(first->spared_count() == 1);
    CHECK(first->spared(0).id == tree.large_leaf.id());
    CHECK(first->spared(0).verdict == verdict::spared_never_kill);
}

TEST_CASE("What is taken back no longer holds") {
    two_services tree;
    auto policy = must(oomx::load<largest_leaf>());
    must(policy.prefer(tree.large.open(), {.never_kill = true}));
    must(policy.forget(tree.large.open()));
    must(policy.forget(tree.small.open())); // nothing was said of it: no error
    const auto attachment = must(policy.attach(tree.parent.open()));

    tree.run_out_of_memory();

    CHECK(tree.in_large.was_killed());
    CHECK(tree.in_small.lives());
}

TEST_CASE("What was said can be listed, and said anew") {
    auto one = control_group::make("one");
    auto two = control_group::make("two");
    auto policy = must(oomx::load<largest_leaf>());
    CHECK(must(policy.preferences()).empty());
    must(policy.prefer(one.open(), {.tier = 1}));
    must(policy.prefer(two.open(), {.tier = 2, .value = -3, .never_kill = true}));
    must(policy.prefer(one.open(), {.tier = 4}));

    const auto said = must(policy.preferences());

    CHECK(said.size() == 2);
    CHECK(said.at(one.id()) == preference{.tier = 4});
    CHECK(said.at(two.id()) == preference{.tier = 2, .value = -3, .never_kill = true});
}

TEST_CASE("Each loaded policy has preferences of its own") {
    auto group = control_group::make("group");
    auto policy = must(oomx::load<largest_leaf>());
    auto other = must(oomx::load<largest_leaf>());
    must(policy.prefer(group.open(), {.tier = 1}));
    CHECK(must(other.preferences()).empty());
}

TEST_CASE("An adopted policy knows what was said, and can be told more") {
    const std::filesystem::path pin = "/sys/fs/bpf/oomx-preferences";
    auto parent = control_group::make("parent");
    {
        auto policy = must(oomx::load<largest_leaf>());
        must(policy.prefer(parent.open(), {.tier = 3}));
        auto attachment = must(policy.attach(parent.open()));
        must(attachment.pin(pin));
    }
    auto back = must(oomx::adopt<largest_leaf>(pin, parent.open()));
    CHECK(must(back.policy.preferences()).at(parent.id()) == preference{.tier = 3});
    must(back.policy.prefer(parent.open(), {.tier = 4}));
    CHECK(must(back.policy.preferences()).at(parent.id()) == preference{.tier = 4});
    must(std::move(back.attachment).detach());
}

TEST_CASE("A tier out of range is refused, and what was said before holds") {
    auto group = control_group::make("group");
    auto policy = must(oomx::load<largest_leaf>());
    must(policy.prefer(group.open(), {.tier = 1}));
    auto refused = policy.prefer(group.open(), {.tier = 65536});
    REQUIRE_FALSE(refused);
    CHECK(refusal(refused) == "set the preference of cgroup /sys/fs/cgroup/group for policy "
                              "'largest_leaf': preference.tier is 65536; give 0 to 65535");
    CHECK(must(policy.preferences()).at(group.id()) == preference{.tier = 1});
}

TEST_CASE("Of a cgroup without the memory controller nothing can be said") {
    auto parent = control_group::make("parent");
    auto without = parent.child_without_memory("without");
    auto policy = must(oomx::load<largest_leaf>());
    auto refused = policy.prefer(without.open(), {.never_kill = true});
    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == errc::unsupported);
}

TEST_CASE("Of a cgroup that was removed nothing can be said") {
    auto group = control_group::make("group");
    const auto opened = group.open();
    group.remove();
    auto policy = must(oomx::load<largest_leaf>());
    CHECK(policy.prefer(opened, {.tier = 1}).error().code() == errc::not_found);
}

TEST_CASE("What was said of removed cgroups is dropped when a program asks for that") {
    auto stays = control_group::make("stays");
    auto goes = control_group::make("goes");
    const auto gone = goes.id();
    auto policy = must(oomx::load<largest_leaf>());
    must(policy.prefer(oomx::cgroup::root(), {.tier = 1}));
    must(policy.prefer(stays.open(), {.tier = 2}));
    must(policy.prefer(goes.open(), {.tier = 3}));
    goes.remove();
    CHECK(must(policy.preferences()).contains(gone));

    CHECK(must(policy.forget_removed()) == 1);

    const auto said = must(policy.preferences());
    CHECK(said.size() == 2);
    CHECK(said.contains(oomx::root_cgroup));
    CHECK(said.contains(stays.id()));
}

TEST_CASE("One preference too many is refused, says so, and changes nothing") {
    auto one = control_group::make("one");
    auto two = control_group::make("two");
    auto policy = must(oomx::load<largest_leaf>());
    must(policy.prefer(one.open(), {.tier = 1}));
    fill(preferences_map().native_handle(), OOMX_PREFERENCES - 1);

    auto refused = policy.prefer(two.open(), {.tier = 1});

    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == errc::exhausted);
    CHECK_THAT(refusal(refused), ContainsSubstring("4096 cgroups have a preference of their own"));
    CHECK(must(policy.preferences()).size() == OOMX_PREFERENCES);
    must(policy.prefer(one.open(), {.tier = 2})); // that one has its place
    CHECK(must(policy.forget_removed()) == OOMX_PREFERENCES - 1);
    must(policy.prefer(two.open(), {.tier = 1}));
    CHECK(must(policy.preferences()).size() == 2);
}
