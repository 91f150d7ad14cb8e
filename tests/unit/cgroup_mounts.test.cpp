// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/cgroup_mounts.hpp>

#include <catch2/catch_test_macros.hpp>

using oomx::parse_cgroup_mounts;

TEST_CASE("On a machine with cgroup v2 alone the remedy names its mount") {
    const auto found = parse_cgroup_mounts("proc /proc proc rw,nosuid 0 0\n"
                                           "cgroup2 /sys/fs/cgroup cgroup2 rw,nsdelegate 0 0\n");
    CHECK(found.v2 == "/sys/fs/cgroup");
    CHECK(!found.memory_on_v1);
    CHECK(found.remedy() == "name one below the cgroup v2 mount, /sys/fs/cgroup");
}

TEST_CASE("On a hybrid machine the remedy says where v2 is and what it lacks") {
    const auto found = parse_cgroup_mounts("tmpfs /sys/fs/cgroup tmpfs rw 0 0\n"
                                           "cgroup /sys/fs/cgroup/cpu cgroup rw,cpu 0 0\n"
                                           "cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n"
                                           "cgroup2 /sys/fs/cgroup/unified cgroup2 rw 0 0\n");
    CHECK(found.v2 == "/sys/fs/cgroup/unified");
    CHECK(found.memory_on_v1);
    CHECK(found.remedy() ==
          "cgroup v2 is mounted at /sys/fs/cgroup/unified, but cgroup v1 holds the memory "
          "controller: boot with systemd.unified_cgroup_hierarchy=1");
}

TEST_CASE("A v1 hierarchy without the memory controller takes nothing from v2") {
    const auto found = parse_cgroup_mounts("cgroup /sys/fs/cgroup/a cgroup rw,name=memory 0 0\n"
                                           "cgroup2 /sys/fs/cgroup cgroup2 rw 0 0\n");
    CHECK(!found.memory_on_v1);
}

TEST_CASE("On a machine with cgroup v1 alone the remedy is how to get v2") {
    const auto found = parse_cgroup_mounts("cgroup /sys/fs/cgroup/memory cgroup rw,memory 0 0\n");
    CHECK(!found.v2);
    CHECK(found.remedy() ==
          "no cgroup v2 is mounted here: boot with systemd.unified_cgroup_hierarchy=1, or mount it "
          "(mount -t cgroup2)");
}

TEST_CASE("The first of several cgroup v2 mounts is named") {
    CHECK(parse_cgroup_mounts("a /one cgroup2 rw 0 0\nb /two cgroup2 rw 0 0\n").v2 == "/one");
}

TEST_CASE("A mount point with spaces and backslashes is named as it is") {
    CHECK(parse_cgroup_mounts("a /my\\040cgroups\\134x cgroup2 rw 0 0\n").v2 == "/my cgroups\\x");
    CHECK(parse_cgroup_mounts("a /end\\04 cgroup2 rw 0 0\n").v2 == "/end\\04");
}

TEST_CASE("Lines of another form are passed over") {
    for (const auto* content : {"", "\n", "cgroup2", "a b", "a /mnt cgroup2x rw 0 0\n"}) {
        CAPTURE(content);
        CHECK(!parse_cgroup_mounts(content).v2);
    }
}
