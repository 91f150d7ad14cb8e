// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Cgroups of a real kernel, read through the library and set up by other means.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include <sys/mount.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <oomx/oomx.hpp>

#include "support.hpp"

using namespace oomx::test;
using namespace oomx::literals;
using Catch::Matchers::ContainsSubstring;
using oomx::cgroup;
using oomx::errc;
using oomx::limit;

namespace {

std::vector<std::filesystem::path> paths_of(const std::vector<cgroup>& groups) {
    std::vector<std::filesystem::path> paths;
    for (const auto& group : groups) {
        paths.push_back(group.path());
    }
    return paths;
}

} // namespace

TEST_CASE("Limits that were written are read back") {
    auto parent = control_group::make("parent");
    parent.set("memory.min", 1_MiB);
    parent.set("memory.low", 2_MiB);
    parent.set("memory.high", 64_MiB);
    parent.set("memory.max", 128_MiB);
    parent.set("memory.oom.group", "1");
    const auto group = parent.open();

    CHECK(must(group.memory_min()) == limit{1_MiB});
    CHECK(must(group.memory_low()) == limit{2_MiB});
    CHECK(must(group.memory_high()) == limit{64_MiB});
    CHECK(must(group.memory_max()) == limit{128_MiB});
    CHECK(must(group.memory_oom_group()));
}

TEST_CASE("A new cgroup has the kernel's defaults and uses nothing") {
    auto parent = control_group::make("parent");
    const auto group = parent.open();

    CHECK(must(group.memory_min()) == limit{0_MiB});
    CHECK(must(group.memory_high()).is_max());
    CHECK(must(group.memory_max()).is_max());
    CHECK(must(group.memory_swap_max()).is_max());
    CHECK(must(group.memory_swap_current()) == 0_MiB);
    CHECK_FALSE(must(group.memory_oom_group()));
    CHECK(must(group.processes()).empty());
    CHECK(must(group.children()).empty());
    CHECK(must(group.memory_events()) == oomx::memory_events{.oom_group_kill = 0});
}

TEST_CASE("Statistics tell what the memory is used for") {
    auto parent = control_group::make("parent");
    auto holder = hog::start(parent);
    holder.grow(20_MiB);

    const auto stat = must(parent.open().memory_stat());

    CHECK(stat.anon >= 20_MiB);
    CHECK(stat.anon < must(parent.open().memory_current()));
    CHECK(stat.kernel > 0_MiB);
    CHECK(stat.find("pgfault") >= (20_MiB).count() / 4096);
    CHECK_FALSE(stat.find("no_such_counter"));
}

TEST_CASE("An OOM kill is counted where it happened, and above") {
    auto parent = control_group::make("parent");
    auto leaf = parent.child("leaf");
    auto victim = hog::start(leaf);
    leaf.set("memory.max", 10_MiB);

    victim.grow(20_MiB);

    REQUIRE(victim.was_killed());
    const auto events = must(leaf.open().memory_events());
    CHECK(events.oom >= 1);
    CHECK(events.oom_kill == 1);
    CHECK(must(leaf.open().memory_events_local()) == events);
    CHECK(must(parent.open().memory_events()).oom_kill == 1);
    CHECK(must(parent.open().memory_events_local()).oom_kill == 0);
}

TEST_CASE("The processes are those of the cgroup itself") {
    auto parent = control_group::make("parent");
    auto leaf = parent.child("leaf");
    auto one = hog::start(leaf);
    auto other = hog::start(leaf);

    CHECK(must(leaf.open().processes()) ==
          std::vector{std::min(one.pid(), other.pid()), std::max(one.pid(), other.pid())});
    CHECK(must(parent.open().processes()).empty());
}

TEST_CASE("A threaded cgroup's processes are to be asked of the one above") {
    auto parent = control_group::make("parent");
    // No control_group: the kernel would refuse to kill it alone.
    const auto threads = parent.path() / "threads";
    std::filesystem::create_directory(threads);
    std::ofstream{threads / "cgroup.type"} << "threaded" << std::flush;

    const auto processes = must(cgroup::open(threads)).processes();

    REQUIRE_FALSE(processes);
    CHECK(processes.error().code() == errc::unsupported);
    CHECK(refusal(processes) ==
          "read cgroup.procs of /sys/fs/cgroup/parent/threads: it is a threaded cgroup "
          "(EOPNOTSUPP); ask the cgroup above that is the threads' domain");
}

TEST_CASE("Children and parents lead to each other") {
    auto parent = control_group::make("parent");
    auto b = parent.child("b");
    auto a = parent.child("a");
    auto below = a.child("below");
    const auto group = parent.open();

    CHECK(paths_of(must(group.children())) ==
          std::vector<std::filesystem::path>{"/sys/fs/cgroup/parent/a", "/sys/fs/cgroup/parent/b"});
    CHECK(must(group.child("a/below")).id() == below.id());
    CHECK(must(below.open().parent()).id() == a.id());
    CHECK(must(must(below.open().parent()).parent()).path() == "/sys/fs/cgroup/parent");
    CHECK(must(group.parent()).is_root());
}

TEST_CASE("The root of the hierarchy has no parent, and says which files it lacks") {
    const auto top = must(cgroup::open("/sys/fs/cgroup"));

    CHECK(refusal(top.parent()) ==
          "open the parent of cgroup /sys/fs/cgroup: it is the topmost cgroup of this mount");
    CHECK(refusal(top.memory_current()) ==
          "read memory.current of /sys/fs/cgroup: the root of the hierarchy has no such file "
          "(ENOENT); read that of a cgroup below it");
    CHECK(must(top.has_memory_controller()));
    CHECK(top.memory_stat().has_value());
    CHECK(top.memory_pressure().has_value());
}

TEST_CASE("A mount of a part of the hierarchy is not left upwards") {
    auto parent = control_group::make("parent");
    auto leaf = parent.child("leaf");
    const std::filesystem::path mount = "/tmp/part";
    std::filesystem::create_directory(mount);
    REQUIRE(::mount(leaf.path().c_str(), mount.c_str(), nullptr, MS_BIND, nullptr) == 0);

    CHECK(must(cgroup::open(mount)).id() == leaf.id());
    CHECK(must(cgroup::open(mount)).parent().error().code() == errc::not_found);
    ::umount(mount.c_str());
}

TEST_CASE("What is mounted on a cgroup is not its child") {
    auto parent = control_group::make("parent");
    auto leaf = parent.child("leaf");
    REQUIRE(::mount("none", leaf.path().c_str(), "tmpfs", 0, nullptr) == 0);

    CHECK(parent.open().child("leaf").error().code() == errc::invalid_argument);
    ::umount(leaf.path().c_str());
}

TEST_CASE("Controllers are those that the parent has enabled") {
    auto parent = control_group::make("parent");
    auto bare = parent.child_without_memory("bare");

    CHECK(must(parent.open().controllers()).contains("memory"));
    CHECK(must(bare.open().controllers()).empty());
    CHECK_FALSE(must(bare.open().has_memory_controller()));
    CHECK(refusal(bare.open().memory_current()) ==
          "read memory.current of /sys/fs/cgroup/parent/bare: the cgroup has no such file "
          "(ENOENT); enable its controller in the parent's cgroup.subtree_control");
}

TEST_CASE("A cgroup that is removed and made again is not the one that was opened") {
    auto parent = control_group::make("parent");
    auto first = parent.child("leaf");
    const auto opened = first.open();
    first.remove();
    auto second = parent.child("leaf");

    CHECK(second.id() != opened.id());
    CHECK(second.open().memory_current().has_value());
    const auto read = opened.memory_current();
    REQUIRE_FALSE(read);
    CHECK(read.error().code() == errc::not_found);
    CHECK(refusal(read) == "read memory.current of /sys/fs/cgroup/parent/leaf: the cgroup was "
                           "removed (ENOENT); open it again");
    CHECK(refusal(opened.children()) == "open the children of cgroup /sys/fs/cgroup/parent/leaf: "
                                        "no such directory (ENOENT); check the path, or make it "
                                        "with mkdir");
    CHECK_FALSE(opened.child("any"));
}

TEST_CASE("A cgroup is found by its id, wherever it is, until it is removed") {
    auto parent = control_group::make("parent");
    auto child = parent.child("child");
    const auto id = child.id();

    const auto found = must(cgroup::open(id));

    CHECK(found.id() == id);
    CHECK(found.path() == child.path());
    CHECK(must(cgroup::open(oomx::root_cgroup)).path() == "/sys/fs/cgroup");
    child.remove();
    CHECK(refusal(cgroup::open(id)) ==
          fmt::format("open cgroup {}: the cgroup was removed (ESTALE); none: its id is never used "
                      "again",
                      std::to_underlying(id)));
}

TEST_CASE("A removed cgroup still leads to its parent") {
    auto parent = control_group::make("parent");
    auto leaf = parent.child("leaf");
    const auto opened = leaf.open();
    leaf.remove();

    CHECK(must(opened.parent()).id() == parent.id());
}

TEST_CASE("Children that come and go while they are listed are no error") {
    auto parent = control_group::make("parent");
    auto stays = parent.child("stays");
    const auto group = parent.open();
    auto churn = process::start([&] {
        for (;;) {
            const auto goes = parent.child_without_memory("goes");
        }
        return 0;
    });

    for (int i = 0; i < 500; ++i) {
        const auto children = must(group.children());
        CHECK((children.size() == 1 || children.size() == 2));
        CHECK(children.back().id() == stays.id());
    }
    churn.kill(SIGKILL);
    REQUIRE(churn.ended_within(std::chrono::seconds{10}));
}

TEST_CASE("Pressure is told, and not where it is turned off") {
    auto parent = control_group::make("parent");
    const auto group = parent.open();

    const auto memory = must(group.memory_pressure());
    CHECK(memory.some.avg10 <= 100);
    CHECK(memory.full.has_value());
    CHECK(group.io_pressure().has_value());
    CHECK(group.cpu_pressure().has_value());

    parent.set("cgroup.pressure", "0");
    const auto hidden = group.memory_pressure();
    REQUIRE_FALSE(hidden);
    CHECK(hidden.error().code() == errc::unsupported);
    CHECK(refusal(hidden) ==
          "read memory.pressure of /sys/fs/cgroup/parent: pressure is not counted here (ENOENT); "
          "write 1 to its cgroup.pressure");
}

TEST_CASE("Tasks that stand still for want of memory are seen as pressure") {
    auto parent = control_group::make("parent");
    auto starved = hog::start(parent);
    parent.set("memory.high", 10_MiB);

    starved.order(11_MiB);
    starved.answered();

    CHECK(must(parent.open().memory_pressure()).some.total > std::chrono::microseconds{0});
    CHECK(must(parent.open().memory_events()).high > 0);
}

// On a kernel booted with psi=0.
TEST_CASE("Pressure that is off in the whole kernel is named with its boot parameter",
          "[.][without_psi]") {
    auto parent = control_group::make("parent");

    const auto stat = parent.open().memory_pressure();

    REQUIRE_FALSE(stat);
    CHECK(stat.error().code() == errc::unsupported);
    CHECK_THAT(refusal(stat), ContainsSubstring("boot with psi=1"));
}
