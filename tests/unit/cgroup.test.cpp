// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/cgroup.hpp>

#include <cerrno>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <optional>
#include <string>
#include <string_view>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>
#include <sys/stat.h>
#include <unistd.h>

#include "support/temporary_directory.hpp"

using Catch::Matchers::StartsWith;
using oomx::cgroup;
using oomx::errc;
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

/// The first mount of that filesystem type.
std::optional<std::filesystem::path> mount_of(std::string_view wanted) {
    std::ifstream mounts{"/proc/self/mounts"};
    std::string device;
    std::string path;
    std::string type;
    std::string rest;
    while (mounts >> device >> path >> type && std::getline(mounts, rest)) {
        if (type == wanted) {
            return path;
        }
    }
    return std::nullopt;
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
    CHECK(opened.error().message() ==
          "open cgroup " + directory.path().native() +
              ": it is no cgroup directory; name one below the cgroup v2 mount, usually "
              "/sys/fs/cgroup");
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

TEST_CASE("The whole system has no files to read") {
    const auto read = cgroup::root().read("memory.stat");
    REQUIRE(!read);
    CHECK(read.error().code() == errc::invalid_argument);
    CHECK(read.error().message() ==
          "read memory.stat of the whole system: cgroup::root() has no files; open the hierarchy's "
          "mount point to read them");
    CHECK(!cgroup::root().memory_current());
    CHECK(!cgroup::root().has_memory_controller());
}

TEST_CASE("A cgroup v1 directory is told from a cgroup v2 one") {
    const auto mount = mount_of("cgroup");
    if (!mount) {
        SKIP("no cgroup v1 hierarchy is mounted here");
    }
    const auto opened = cgroup::open(*mount);
    REQUIRE(!opened);
    CHECK(opened.error().code() == errc::not_a_cgroup);
    CHECK(opened.error().message() ==
          "open cgroup " + mount->native() +
              ": it is a cgroup v1 directory; name one of the cgroup v2 hierarchy, or boot with "
              "systemd.unified_cgroup_hierarchy=1");
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

TEST_CASE("A file of a cgroup is read whole and a missing one is not found") {
    const auto mount = mount_of("cgroup2");
    if (!mount) {
        SKIP("no cgroup v2 hierarchy is mounted here");
    }
    const auto opened = cgroup::open(*mount);
    REQUIRE(opened);
    CHECK(opened->read("cgroup.controllers"));
    CHECK(opened->has_memory_controller());
    const auto missing = opened->read("no.such.file");
    REQUIRE(!missing);
    CHECK(missing.error().code() == errc::not_found);
    CHECK_THAT(missing.error().message(),
               StartsWith("read no.such.file of " + mount->native() +
                          ": the cgroup was removed or lacks the controller (ENOENT); "));
}
