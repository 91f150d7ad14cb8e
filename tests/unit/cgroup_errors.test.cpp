// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// What a host's filesystem does not give by itself; the rest is in cgroup.test.cpp.
#include <oomx/cgroup_errors.hpp>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string_view>

#include <catch2/catch_test_macros.hpp>

#include "support/fake_cgroup.hpp"

using oomx::cgroup_open_error;
using oomx::errc;
using oomx::error;
using oomx::test::fake_cgroup;

namespace {

/// Of a cgroup somewhere below the root of its hierarchy.
error read_error(const fake_cgroup& tree, std::string_view file, int cause) {
    return oomx::cgroup_read_error(tree.open().native_handle(), oomx::cgroup_id{42}, file, cause);
}

} // namespace

TEST_CASE("A kernel without openat2 is named as the reason") {
    const auto why = cgroup_open_error(ENOSYS);
    CHECK(why.code() == errc::unsupported);
    CHECK(why.message() == "this kernel has no openat2() (ENOSYS); run Linux 5.6 or newer, without "
                           "a system call filter that hides it");
}

TEST_CASE("Too many open files come with the limit to raise") {
    CHECK(cgroup_open_error(EMFILE).code() == errc::exhausted);
    CHECK(cgroup_open_error(EMFILE).message() ==
          "too many files are open (EMFILE); raise the limit (ulimit -n), or hold fewer cgroups at "
          "a time");
}

TEST_CASE("A file of a cgroup that was removed while it was read is not found") {
    const fake_cgroup tree;
    std::filesystem::remove(tree.path() / "cgroup.controllers");
    const auto why = read_error(tree, "memory.current", ENODEV);
    CHECK(why.code() == errc::not_found);
    CHECK(why.message() == "the cgroup was removed (ENODEV); open it again");
}

TEST_CASE("Pressure that is off in the whole kernel is turned on by booting") {
    const fake_cgroup tree{{"memory.pressure", ""}, {"cgroup.pressure", "1\n"}};
    const auto why = read_error(tree, "memory.pressure", EOPNOTSUPP);
    CHECK(why.code() == errc::unsupported);
    CHECK(why.message() == "pressure is not counted here (EOPNOTSUPP); boot with psi=1, with a "
                           "kernel built with CONFIG_PSI=y");
}

TEST_CASE("A threaded cgroup does not list processes") {
    const auto why = read_error(fake_cgroup{}, "cgroup.procs", EOPNOTSUPP);
    CHECK(why.code() == errc::unsupported);
    CHECK(why.message() == "it is a threaded cgroup (EOPNOTSUPP); ask the cgroup above that is the "
                           "threads' domain");
}

TEST_CASE("A file that the root of the hierarchy lacks is to be read below it") {
    const fake_cgroup tree;
    const auto why = oomx::cgroup_read_error(tree.open().native_handle(), oomx::root_cgroup,
                                             "memory.current", ENOENT);
    CHECK(why.code() == errc::not_found);
    CHECK(why.message() == "the root of the hierarchy has no such file (ENOENT); read that of a "
                           "cgroup below it");
}

TEST_CASE("A read that is refused for another reason keeps its errno") {
    const auto why = read_error(fake_cgroup{}, "memory.current", EIO);
    CHECK(why.code() == errc::system);
    CHECK(why.system_error() == EIO);
}
