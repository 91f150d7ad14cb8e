// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/cgroup.hpp>

#include <atomic>
#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "support/fake_cgroup.hpp"
#include "support/mounts.hpp"
#include "support/temporary_directory.hpp"

using Catch::Matchers::EndsWith;
using oomx::bytes;
using oomx::cgroup;
using oomx::errc;
using oomx::limit;
using oomx::test::fake_cgroup;
using oomx::test::mount_of;
using oomx::test::temporary_directory;

namespace {

/// While it lives this process is no root for the filesystem. Nothing to give up where it is not.
class unprivileged {
public:
    unprivileged() : given_up_{::geteuid() == 0 && ::seteuid(nobody) == 0} {}
    ~unprivileged() {
        if (given_up_ && ::seteuid(0) != 0) {
            std::abort(); // the tests after this one would run as somebody else
        }
    }
    unprivileged(const unprivileged&) = delete;
    unprivileged& operator=(const unprivileged&) = delete;

private:
    static constexpr uid_t nobody = 65534;
    bool given_up_;
};

/// While it lives this process may open no more than so many files.
class few_descriptors {
public:
    explicit few_descriptors(rlim_t count) {
        ::getrlimit(RLIMIT_NOFILE, &before_);
        const rlimit limited{count, before_.rlim_max};
        ::setrlimit(RLIMIT_NOFILE, &limited);
    }
    ~few_descriptors() { ::setrlimit(RLIMIT_NOFILE, &before_); }
    few_descriptors(const few_descriptors&) = delete;
    few_descriptors& operator=(const few_descriptors&) = delete;

private:
    rlimit before_{};
};

/// The code of the error that should be there.
template <typename T>
std::optional<errc> refused(const oomx::result<T>& outcome) {
    return outcome ? std::nullopt : std::optional{outcome.error().code()};
}

} // namespace

TEST_CASE("Opening a cgroup that is not there names the path and the remedy") {
    const auto opened = cgroup::open("/nowhere/batch.slice");
    REQUIRE(!opened);
    CHECK(opened.error().code() == errc::not_found);
    CHECK(opened.error().message() == "open cgroup /nowhere/batch.slice: no such directory "
                                      "(ENOENT); check the path, or make it with mkdir");
}

TEST_CASE("A file is no cgroup") {
    const auto opened = cgroup::open("/proc/self/status");
    REQUIRE(!opened);
    CHECK(opened.error().code() == errc::not_a_cgroup);
    CHECK(opened.error().message() ==
          "open cgroup /proc/self/status: it is no directory (ENOTDIR); name the cgroup's "
          "directory, not one of its files");
}

TEST_CASE("A directory outside a cgroup hierarchy is no cgroup") {
    const temporary_directory directory;
    const auto opened = cgroup::open(directory.path());
    REQUIRE(!opened);
    CHECK(opened.error().code() == errc::not_a_cgroup);
    CHECK(opened.error().message() == "open cgroup " + directory.path().native() +
                                          ": it is no cgroup directory; " +
                                          oomx::find_cgroup_mounts().remedy());
}

TEST_CASE("A cgroup that this process may not look into is not permitted") {
    const temporary_directory directory;
    REQUIRE(::chmod(directory.path().c_str(), 0) == 0);
    const unprivileged process;
    if (::euidaccess(directory.path().c_str(), R_OK) == 0) {
        SKIP("this process may read everything and cannot give that up");
    }
    const auto opened = cgroup::open(directory.path());
    REQUIRE(!opened);
    CHECK(opened.error().code() == errc::not_permitted);
    CHECK(opened.error().message() == "open cgroup " + directory.path().native() +
                                          ": no permission (EACCES); run as root, or as the "
                                          "cgroup's owner");
}

TEST_CASE("A cgroup that is none is not looked for by its id") {
    CHECK(refused(cgroup::open(oomx::no_cgroup)) == errc::invalid_argument);
    CHECK(refused(cgroup::open(oomx::unknown_cgroup)) == errc::invalid_argument);
}

TEST_CASE("An id that no cgroup has is not found, if this process may look") {
    const auto opened = cgroup::open(oomx::cgroup_id{1ULL << 40});
    REQUIRE(!opened);
    CAPTURE(opened.error().message());
    if (opened.error().code() != errc::not_found) {
        SKIP("needs a cgroup v2 mount and CAP_DAC_READ_SEARCH: " << opened.error().message());
    }
    CHECK(opened.error().message() == "open cgroup 1099511627776: the cgroup was removed (ESTALE); "
                                      "none: its id is never used again");
}

TEST_CASE("A path that the system refuses for another reason keeps its errno") {
    const auto opened = cgroup::open("/" + std::string(5000, 'x'));
    REQUIRE(!opened);
    CHECK(opened.error().code() == errc::system);
    CHECK(opened.error().system_error() == ENAMETOOLONG);
}

TEST_CASE("The whole system needs no mounted hierarchy") {
    const auto system = cgroup::root();
    CHECK(system.is_root());
    CHECK(system.id() == oomx::root_cgroup);
    CHECK(system.path() == "the whole system");
    CHECK(system.native_handle() == -1);
}

TEST_CASE("The whole system has no files to read and no relatives") {
    const auto read = cgroup::root().read("memory.stat");
    REQUIRE(!read);
    CHECK(read.error().code() == errc::invalid_argument);
    CHECK(read.error().message() ==
          "read memory.stat of the whole system: cgroup::root() has no directory; open the "
          "hierarchy's mount point, usually /sys/fs/cgroup");
    CHECK(refused(cgroup::root().memory_current()) == errc::invalid_argument);
    CHECK(refused(cgroup::root().has_memory_controller()) == errc::invalid_argument);
    CHECK(refused(cgroup::root().child("batch.slice")) == errc::invalid_argument);
    CHECK(refused(cgroup::root().children()) == errc::invalid_argument);
    CHECK(refused(cgroup::root().parent()) == errc::invalid_argument);
}

TEST_CASE("A cgroup v1 directory is told from a cgroup v2 one") {
    const auto mount = mount_of("cgroup");
    if (!mount) {
        SKIP("no cgroup v1 hierarchy is mounted here");
    }
    const auto opened = cgroup::open(*mount);
    REQUIRE(!opened);
    CHECK(opened.error().code() == errc::not_a_cgroup);
    CHECK(opened.error().message() == "open cgroup " + mount->native() +
                                          ": it is a cgroup v1 directory; " +
                                          oomx::find_cgroup_mounts().remedy());
}

TEST_CASE("A cgroup v2 directory opens with its inode as its id") {
    const auto mount = mount_of("cgroup2");
    if (!mount) {
        SKIP("no cgroup v2 hierarchy is mounted here");
    }
    const auto opened = cgroup::open(*mount);
    REQUIRE(opened);
    struct stat status{};
    REQUIRE(::stat(mount->c_str(), &status) == 0);
    CHECK(opened->id() == oomx::cgroup_id{status.st_ino});
    CHECK(opened->path() == *mount);
    CHECK(opened->native_handle() >= 0);
}

TEST_CASE("The topmost cgroup of a mount has no parent") {
    const auto mount = mount_of("cgroup2");
    if (!mount) {
        SKIP("no cgroup v2 hierarchy is mounted here");
    }
    const auto parent = cgroup::open(*mount).value().parent();
    REQUIRE(!parent);
    CHECK(parent.error().code() == errc::not_found);
    CHECK(parent.error().message() == "open the parent of cgroup " + mount->native() +
                                          ": it is the topmost cgroup of this mount");
}

TEST_CASE("A descriptor that is no open one cannot be adopted") {
    CHECK(refused(cgroup::adopt(oomx::unique_fd{}, "nothing")) == errc::system);
}

TEST_CASE("The topmost directory of another filesystem is not taken for the root cgroup") {
    oomx::unique_fd proc{::open("/proc", O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    struct stat status{};
    REQUIRE(::fstat(proc.native_handle(), &status) == 0);
    REQUIRE(status.st_ino == 1);
    const auto adopted = cgroup::adopt(std::move(proc), "/proc");
    REQUIRE(!adopted);
    CHECK(adopted.error().code() == errc::not_a_cgroup);
    CHECK(adopted.error().message().starts_with("adopt cgroup /proc: it is no cgroup directory; "));
}

TEST_CASE("A child is opened by its name or by its way from here") {
    const fake_cgroup tree;
    tree.add("batch.slice/job1");
    const auto top = tree.open();
    const auto batch = top.child("batch.slice").value();
    const auto job = batch.child("job1").value();
    CHECK(batch.path() == tree.path() / "batch.slice");
    CHECK(job.path() == tree.path() / "batch.slice/job1");
    CHECK(batch.id() != job.id());
    CHECK(top.child("batch.slice/job1").value().id() == job.id());
    CHECK(top.child("batch.slice/").value().id() == batch.id());
}

TEST_CASE("A name that leads elsewhere than below is refused") {
    const fake_cgroup tree;
    tree.add("a/b");
    const auto a = tree.open().child("a").value();
    for (const std::string name : {"", ".", "..", "../a", "b/..", "b/../..", "b/../b", "./b", "/",
                                   "/sys/fs/cgroup", "b//b", "/b"}) {
        CAPTURE(name);
        CHECK(refused(a.child(name)) == errc::invalid_argument);
    }
    CHECK(refused(a.child(std::string_view{"b\0c", 3})) == errc::invalid_argument);
    CHECK(a.child("../a").error().message() ==
          "open cgroup \"../a\" below " + a.path().native() +
              ": that is no name of a cgroup below it; give it as child/grandchild");
}

TEST_CASE("A symbolic link is no child, wherever it leads and wherever it stands in the name") {
    const fake_cgroup tree;
    tree.add("a/b");
    std::filesystem::create_directory_symlink("/", tree.path() / "out");
    std::filesystem::create_directory_symlink("a", tree.path() / "in");
    for (const auto* name : {"out", "out/proc", "in", "in/b"}) {
        CAPTURE(name);
        CHECK(refused(tree.open().child(name)) == errc::invalid_argument);
    }
}

TEST_CASE("A child that is not there and a file are told apart") {
    const fake_cgroup tree{{"memory.max", "max\n"}};
    CHECK(refused(tree.open().child("batch.slice")) == errc::not_found);
    CHECK(refused(tree.open().child("memory.max")) == errc::not_a_cgroup);
}

TEST_CASE("The children are those directly below, in the order of their names") {
    const fake_cgroup tree{{"memory.max", "max\n"}};
    tree.add("b");
    tree.add("c/d");
    tree.add("a");
    const auto children = tree.open().children().value();
    REQUIRE(children.size() == 3);
    CHECK(children[0].path() == tree.path() / "a");
    CHECK(children[1].path() == tree.path() / "b");
    CHECK(children[2].path() == tree.path() / "c");
    CHECK(children[2].children().value().size() == 1);
}

TEST_CASE("The children can be asked for again") {
    const fake_cgroup tree;
    tree.add("a");
    const auto top = tree.open();
    CHECK(top.children().value().size() == 1);
    CHECK(top.children().value().size() == 1);
}

TEST_CASE("A cgroup without children has none") {
    CHECK(fake_cgroup{}.open().children().value().empty());
}

TEST_CASE("Children that cannot all be open at once are an error, and none stays open") {
    const fake_cgroup tree;
    for (int i = 0; i < 40; ++i) {
        tree.add(std::to_string(i));
    }
    const auto top = tree.open();
    oomx::result<std::vector<cgroup>> children = oomx::failure(errc::system, "not asked");
    {
        const few_descriptors limited{20};
        children = top.children();
    }
    REQUIRE(!children);
    CHECK(children.error().code() == errc::exhausted);
    CHECK(top.children().value().size() == 40);
}

TEST_CASE("The parent is the cgroup above, whatever path led here") {
    const fake_cgroup tree;
    tree.add("a/b");
    std::filesystem::create_directory_symlink("a/b", tree.path() / "link");
    const auto b =
        cgroup::adopt(oomx::unique_fd{::open((tree.path() / "link").c_str(), O_RDONLY | O_CLOEXEC)},
                      tree.path() / "link");
    const auto parent = b.value().parent().value();
    CHECK(parent.id() == tree.open().child("a").value().id());
    CHECK(parent.path() == std::filesystem::canonical(tree.path()) / "a");
}

TEST_CASE("A directory made again under the same name is not the one that was opened") {
    const fake_cgroup tree;
    tree.add("a", {{"memory.current", "1\n"}});
    const auto first = tree.open().child("a").value();
    std::filesystem::remove_all(tree.path() / "a");
    tree.add("a", {{"memory.current", "2\n"}});

    CHECK(refused(first.memory_current()) == errc::not_found);
    CHECK(refused(first.children()) == errc::not_found);
    CHECK(tree.open().child("a").value().memory_current() == bytes{2});
}

TEST_CASE("What a cgroup holds is read from its files") {
    const fake_cgroup tree{{"cgroup.procs", "12\n7\n"}, {"cgroup.controllers", "memory pids\n"}};
    const auto group = tree.open();
    CHECK(group.processes() == std::vector<pid_t>{7, 12});
    CHECK(group.controllers()->contains("pids"));
    CHECK(group.has_memory_controller() == true);
}

TEST_CASE("A controller with a longer name is not the memory controller") {
    const fake_cgroup tree{{"cgroup.controllers", "memory2 xmemory\n"}};
    CHECK(tree.open().has_memory_controller() == false);
}

TEST_CASE("A cgroup without the memory controller is told apart from one that needs none") {
    const fake_cgroup with{{{"cgroup.controllers", "cpu memory\n"}}};
    CHECK(with.open().require_memory_controller());
    CHECK(cgroup::root().require_memory_controller());
    const fake_cgroup without{{{"cgroup.controllers", "cpu\n"}}};
    const auto required = without.open().require_memory_controller();
    REQUIRE(!required);
    CHECK(required.error().code() == errc::unsupported);
    CHECK(required.error().message() == "it has no memory controller; write +memory to its "
                                        "parent's cgroup.subtree_control");
}

TEST_CASE("A cgroup's memory is read from its files") {
    const fake_cgroup tree{{"memory.current", "1\n"},
                           {"memory.min", "2\n"},
                           {"memory.low", "3\n"},
                           {"memory.high", "4\n"},
                           {"memory.max", "max\n"},
                           {"memory.swap.current", "5\n"},
                           {"memory.swap.max", "6\n"},
                           {"memory.oom.group", "1\n"},
                           {"memory.events", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 7\n"},
                           {"memory.events.local", "low 0\nhigh 0\nmax 0\noom 0\noom_kill 8\n"}};
    const auto group = tree.open();
    CHECK(group.memory_current() == bytes{1});
    CHECK(group.memory_min() == limit{bytes{2}});
    CHECK(group.memory_low() == limit{bytes{3}});
    CHECK(group.memory_high() == limit{bytes{4}});
    CHECK(group.memory_max() == limit::max());
    CHECK(group.memory_swap_current() == bytes{5});
    CHECK(group.memory_swap_max() == limit{bytes{6}});
    CHECK(group.memory_oom_group() == true);
    CHECK(group.memory_events().value().oom_kill == 7);
    CHECK(group.memory_events_local().value().oom_kill == 8);
}

TEST_CASE("A cgroup's memory statistics are read from its files") {
    const fake_cgroup tree{
        {"memory.stat", "anon 1\nfile 0\nshmem 0\nfile_dirty 0\nfile_writeback 0\nactive_file 0\n"
                        "inactive_file 0\nslab 0\nslab_reclaimable 0\n"}};
    CHECK(tree.open().memory_stat().value().anon == bytes{1});
}

TEST_CASE("A cgroup's pressure is read from its files") {
    const fake_cgroup tree{{"memory.pressure", "some avg10=1.00 avg60=0.00 avg300=0.00 total=0\n"},
                           {"io.pressure", "some avg10=2.00 avg60=0.00 avg300=0.00 total=0\n"},
                           {"cpu.pressure", "some avg10=3.00 avg60=0.00 avg300=0.00 total=0\n"}};
    const auto group = tree.open();
    CHECK(group.memory_pressure().value().some.avg10 == 1.0);
    CHECK(group.io_pressure().value().some.avg10 == 2.0);
    CHECK(group.cpu_pressure().value().some.avg10 == 3.0);
}

TEST_CASE("A file in another form than the kernel documents says which file of which cgroup") {
    const fake_cgroup tree{{"memory.max", "much\n"}};
    const auto bound = tree.open().memory_max();
    REQUIRE(!bound);
    CHECK(bound.error().code() == errc::malformed);
    CHECK(bound.error().message() == "read memory.max of " + tree.path().native() +
                                         ": it holds \"much\\n\", not 'max' or a number of bytes");
}

TEST_CASE("Any file is read with a function for its form") {
    const fake_cgroup tree{{"memory.peak", "4096\n"}};
    CHECK(tree.open().read("memory.peak", oomx::parse_bytes) == bytes{4096});
    CHECK(tree.open().read("memory.peak", [](std::string_view content) {
        return oomx::result<std::size_t>{content.size()};
    }) == 5);
}

TEST_CASE("A file that the cgroup lacks is not found and its controller to be enabled") {
    const auto missing = fake_cgroup{}.open().read("pids.max");
    REQUIRE(!missing);
    CHECK(missing.error().code() == errc::not_found);
    CHECK_THAT(missing.error().message(),
               EndsWith(": the cgroup has no such file (ENOENT); enable its controller in the "
                        "parent's cgroup.subtree_control"));
}

TEST_CASE("A file name that leads elsewhere is refused") {
    const fake_cgroup tree{{"memory.max", "max\n"}};
    tree.add("a");
    const auto a = tree.open().child("a").value();
    CHECK(refused(a.read("../memory.max")) == errc::invalid_argument);
    CHECK(refused(a.read("/etc/hostname")) == errc::invalid_argument);
    CHECK(refused(a.read(std::string_view{"x\0y", 3})) == errc::invalid_argument);
    CHECK(!a.read(".."));
}

TEST_CASE("Pressure that is hidden for one cgroup is turned on there") {
    const fake_cgroup tree{{"cgroup.pressure", "0\n"}};
    const auto stat = tree.open().memory_pressure();
    REQUIRE(!stat);
    CHECK(stat.error().code() == errc::unsupported);
    CHECK_THAT(stat.error().message(), EndsWith(": pressure is not counted here (ENOENT); write 1 "
                                                "to its cgroup.pressure"));
}

TEST_CASE("A file that this process may not read is not permitted") {
    const fake_cgroup tree{{"memory.max", "max\n"}};
    REQUIRE(::chmod(tree.path().c_str(), 0755) == 0);
    REQUIRE(::chmod((tree.path() / "memory.max").c_str(), 0) == 0);
    const auto group = tree.open();
    const unprivileged process;
    if (::euidaccess((tree.path() / "memory.max").c_str(), R_OK) == 0) {
        SKIP("this process may read everything and cannot give that up");
    }
    CHECK(refused(group.memory_max()) == errc::not_permitted);
}

TEST_CASE("Several threads read one cgroup at once") {
    const fake_cgroup tree{{"memory.current", "4096\n"}};
    tree.add("a");
    const auto group = tree.open();
    std::atomic<int> right = 0;
    {
        std::vector<std::jthread> threads;
        for (int i = 0; i < 4; ++i) {
            threads.emplace_back([&] {
                for (int n = 0; n < 100; ++n) {
                    right += group.memory_current() == bytes{4096} && group.children()->size() == 1;
                }
            });
        }
    }
    CHECK(right == 400);
}
