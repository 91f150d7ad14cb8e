// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// What goes wrong, what is said about it, and that nothing is left behind.
#include <filesystem>
#include <string>

#include <sys/mount.h>
#include <sys/prctl.h>
#include <unistd.h>

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

TEST_CASE("A second policy on a cgroup is refused, and the first stays") {
    auto parent = control_group::make("parent");
    auto leaf = parent.child("leaf");
    auto victim = hog::start(leaf);
    victim.grow(10_MiB);
    deciding<largest_leaf> first{parent.open()};
    auto second = must(oomx::load<decliner>());
    const auto descriptors = open_descriptors();

    auto refused = second.attach(parent.open());

    CHECK(refusal(refused) ==
          "attach policy 'decliner' to /sys/fs/cgroup/parent: another policy is "
          "attached there (EBUSY); detach it first");
    CHECK(refused.error().code() == errc::busy);
    CHECK(open_descriptors() == descriptors);
    parent.set("memory.max", 5_MiB);
    CHECK(victim.was_killed());
    CHECK_FALSE(first.decisions().empty());
}

TEST_CASE("A cgroup whose policy is gone takes another one") {
    auto parent = control_group::make("parent");
    {
        deciding<largest_leaf> first{parent.open()};
    }
    CHECK(must(oomx::load<decliner>()).attach(parent.open()).has_value());
}

TEST_CASE("A cgroup that was removed is refused") {
    auto parent = control_group::make("parent");
    const auto directory = parent.open();
    auto policy = must(oomx::load<largest_leaf>());
    parent.remove();

    auto refused = policy.attach(directory);

    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == errc::not_found);
    CHECK_THAT(refusal(refused),
               ContainsSubstring("attach policy 'largest_leaf' to /sys/fs/cgroup/parent") &&
                   ContainsSubstring("the cgroup was removed"));
}

TEST_CASE("A cgroup made again under the same name is not the one that was opened") {
    auto first = control_group::make("parent");
    const auto directory = first.open();
    first.remove();
    auto second = control_group::make("parent");

    CHECK(second.id() != directory.id());
    CHECK_FALSE(must(oomx::load<largest_leaf>()).attach(directory));
}

TEST_CASE("A cgroup without the memory controller is refused") {
    auto parent = control_group::make("parent");
    auto bare = parent.child_without_memory("bare");

    auto refused = must(oomx::load<largest_leaf>()).attach(bare.open());

    CHECK(
        refusal(refused) ==
        "attach policy 'largest_leaf' to /sys/fs/cgroup/parent/bare: it has no memory controller; "
        "write +memory to its parent's cgroup.subtree_control");
}

TEST_CASE("A cgroup v1 directory is refused as one") {
    const std::filesystem::path mount = "/tmp/cgroup-v1";
    std::filesystem::create_directory(mount);
    REQUIRE(::mount("none", mount.c_str(), "cgroup", 0, "none,name=oomx") == 0);

    auto refused = oomx::cgroup::open(mount);

    CHECK(refusal(refused) ==
          "open cgroup /tmp/cgroup-v1: it is a cgroup v1 directory; name one below the cgroup v2 "
          "mount, /sys/fs/cgroup");
    ::umount(mount.c_str());
}

TEST_CASE("A verifier's refusal shows its last meaningful line and keeps the whole log") {
    const auto descriptors = open_descriptors();

    auto refused = oomx::load<oomx::test::refused>();

    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == errc::rejected);
    CHECK_THAT(
        refusal(refused),
        ContainsSubstring("load policy 'refused': the kernel's verifier refused the program: ") &&
            ContainsSubstring("invalid mem access 'trusted_ptr_or_null_'"));
    CHECK_THAT(refused.error().log(), ContainsSubstring("processed ") && ContainsSubstring("R1"));
    CHECK(open_descriptors() == descriptors);
}

TEST_CASE("A process without privileges is told which ones it needs") {
    auto child = process::start([] {
        if (::setresuid(65534, 65534, 65534) != 0) {
            return 2;
        }
        auto refused = oomx::load<largest_leaf>();
        const std::string expected =
            "load policy 'largest_leaf': this process may not load BPF "
            "programs (EPERM); run as root, or with CAP_BPF and CAP_PERFMON";
        if (refusal(refused) != expected) {
            fmt::print(stderr, "{}\n", refusal(refused));
            return 1;
        }
        return 0;
    });
    REQUIRE(child.ended_within(std::chrono::seconds{30}));
    CHECK(child.exit_status() == 0);
}

TEST_CASE("Options out of range are refused before anything is loaded") {
    auto refused = oomx::load<largest_leaf>({.rails = {.max_processes = 0}});
    CHECK(refusal(refused) ==
          "configure policy 'largest_leaf': rails.max_processes is 0: nobody could be "
          "killed; give one or more, or use shadow mode");
}

TEST_CASE("A pin outside a bpffs is refused, and the policy stays in force") {
    auto parent = control_group::make("parent");
    auto policy = must(oomx::load<largest_leaf>());
    auto attachment = must(policy.attach(parent.open()));

    CHECK_THAT(refusal(attachment.pin("/tmp/no-bpffs")),
               ContainsSubstring("pin link at /tmp/no-bpffs: ") &&
                   ContainsSubstring("pin below a bpffs mount"));
    CHECK_FALSE(std::filesystem::exists("/tmp/no-bpffs"));
    CHECK(policy.attach(parent.open()).error().code() == errc::busy);
}

TEST_CASE("The running kernel is recognised") {
    const auto found = oomx::probe();
    CHECK(found.bpf_oom);
    CHECK(found.revision == oomx::bpf::abi::revision::v2);
}

// On a kernel without the series.
TEST_CASE("A kernel without bpf_oom is named as the reason", "[.][stock]") {
    CHECK_FALSE(oomx::probe().bpf_oom);

    const auto descriptors = open_descriptors();
    auto refused = oomx::load<largest_leaf>();

    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == errc::unsupported);
    CHECK_THAT(refusal(refused),
               ContainsSubstring("load policy 'largest_leaf': this kernel has no "
                                 "bpf_oom: its types lack the struct_ops bpf_oom_ops"));
    CHECK(open_descriptors() == descriptors);
}

// On a kernel booted so that it ignores the cgroup of a struct_ops link.
TEST_CASE("A kernel that would attach system-wide instead is refused", "[.][ignores_cgroup]") {
    auto parent = control_group::make("parent");
    auto policy = must(oomx::load<largest_leaf>());

    auto refused = policy.attach(parent.open());

    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == errc::unsupported);
    CHECK_THAT(refusal(refused),
               ContainsSubstring("this kernel ignores the cgroup of a struct_ops link"));
    // Nothing is attached system-wide: the place is free.
    CHECK(policy.attach(oomx::cgroup::root()).has_value());
}

TEST_CASE("While the system's place is taken such a kernel is not told from others, nor used",
          "[.][ignores_cgroup]") {
    auto parent = control_group::make("parent");
    deciding<decliner> system{oomx::cgroup::root()};

    auto refused = must(oomx::load<largest_leaf>()).attach(parent.open());

    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == errc::busy);
    CHECK_THAT(refusal(refused),
               ContainsSubstring("attach policy 'largest_leaf' to /sys/fs/cgroup/parent: try "
                                 "whether this kernel attaches to cgroups: ") &&
                   ContainsSubstring("detach one of them, and try again"));
}
