// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/machine_files.hpp>

#include <cerrno>
#include <filesystem>
#include <fstream>
#include <string>

#include <catch2/catch_test_macros.hpp>

#include "support/temporary_directory.hpp"

using oomx::capability;
using oomx::machine_files;
using enum oomx::capability::state;
namespace privileges = oomx::privileges;

namespace {

oomx::result<std::string> unreadable(int cause) { return oomx::cannot_read("/a/file", cause); }

constexpr const char* mounts = "/dev/vda / ext4 rw 0 0\n"
                               "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n";

/// A machine that has everything.
machine_files complete() {
    return {.status = "Name:\tagent\nCapEff:\t000001ffffffffff\nSeccomp:\t0\n",
            .user_namespace = "user:[4026531837]",
            .lockdown = "[none] integrity confidentiality\n",
            .jit = "1\n",
            .pressure = "some avg10=0.00 avg60=0.00 avg300=0.00 total=0\n",
            .mounts = mounts,
            .controllers = "cpuset cpu io memory pids\n"};
}

machine_files with_privileges(const char* mask) {
    auto files = complete();
    files.status = std::string{"Name:\tagent\nCapEff:\t"} + mask + "\n";
    return files;
}

} // namespace

TEST_CASE("A small file is read whole") {
    const oomx::test::temporary_directory directory;
    const std::string text(10000, 'x');
    std::ofstream{directory.path() / "file"} << text;
    CHECK(oomx::read_text(directory.path() / "file") == text);
}

TEST_CASE("A file that cannot be read names itself and the reason") {
    const auto missing = oomx::read_text("/nonexistent/file");
    REQUIRE(!missing);
    CHECK(missing.error().code() == oomx::errc::not_found);
    CHECK(missing.error().message() == "/nonexistent/file cannot be read (ENOENT)");
    CHECK(unreadable(EACCES).error().code() == oomx::errc::not_permitted);
    CHECK(unreadable(EIO).error().code() == oomx::errc::system);
    CHECK(oomx::read_text("/").error().system_error() == EISDIR);
}

TEST_CASE("A link is read as it says") {
    const oomx::test::temporary_directory directory;
    std::filesystem::create_symlink("user:[7]", directory.path() / "user");
    CHECK(oomx::read_link(directory.path() / "user") == "user:[7]");
    CHECK(oomx::read_link(directory.path() / "none").error().system_error() == ENOENT);
}

TEST_CASE("A machine that has everything is told so") {
    const auto files = complete();
    CHECK(judge(privileges::bpf, files));
    CHECK(judge(privileges::perfmon, files));
    CHECK(judge(privileges::sys_resource, files));
    CHECK(judge_lockdown(files));
    CHECK(judge_jit(files));
    CHECK(judge_psi(files));
    CHECK(judge_memory_controller(files));
}

TEST_CASE("A process without privileges holds none, and is told which to get") {
    const auto files = with_privileges("0000000000000000");
    const auto bpf = judge(privileges::bpf, files);
    CHECK(bpf.has == no);
    CHECK(bpf.because == "this process does not hold it");
    CHECK(bpf.remedy == "run as root, or with CAP_BPF");
    CHECK(judge(privileges::sys_resource, files).has == no);
}

TEST_CASE("Each privilege is told by its own bit") {
    const auto bpf_alone = with_privileges("0000008000000000");
    CHECK(judge(privileges::bpf, bpf_alone));
    CHECK(!judge(privileges::perfmon, bpf_alone));
    CHECK(judge(privileges::perfmon, with_privileges("0000004000000000")));
    CHECK(judge(privileges::sys_resource, with_privileges("0000000001000000")));
}

TEST_CASE("CAP_SYS_ADMIN includes the privileges for BPF, and no others") {
    const auto files = with_privileges("0000000000200000");
    CHECK(judge(privileges::bpf, files).because == "held, as part of CAP_SYS_ADMIN");
    CHECK(judge(privileges::perfmon, files));
    CHECK(!judge(privileges::sys_resource, files));
}

TEST_CASE("A privilege in a user namespace is none") {
    auto files = complete();
    files.user_namespace = "user:[4026532301]";
    CHECK(judge(privileges::bpf, files).has == no);
    CHECK(judge(privileges::bpf, files).because ==
          "this process holds it only in a user namespace");
}

TEST_CASE("Privileges cannot be told from a status that is not there or has no such line") {
    auto files = complete();
    files.status = unreadable(ENOENT);
    CHECK(judge(privileges::bpf, files).has == unknown);
    CHECK(judge(privileges::bpf, files).because == "/a/file cannot be read (ENOENT)");
    files.status = "Name:\tCapEff\n";
    CHECK(judge(privileges::bpf, files).has == unknown);
    files.status = "Name:\tagent\nCapEff:\tnone\n";
    CHECK(judge(privileges::bpf, files).has == unknown);
    files = complete();
    files.user_namespace = unreadable(EACCES);
    CHECK(judge(privileges::bpf, files).has == unknown);
}

TEST_CASE("Only lockdown for confidentiality keeps BPF from reading the kernel") {
    auto files = complete();
    files.lockdown = "none [integrity] confidentiality\n";
    CHECK(judge_lockdown(files));
    files.lockdown = "none integrity [confidentiality]\n";
    CHECK(judge_lockdown(files).has == no);
    CHECK(judge_lockdown(files).remedy == "boot with lockdown=integrity or lockdown=none");
}

TEST_CASE("Lockdown cannot be told where securityfs is not mounted") {
    auto files = complete();
    files.lockdown = unreadable(ENOENT);
    CHECK(judge_lockdown(files).has == unknown);
    CHECK(judge_lockdown(files).remedy == "mount -t securityfs securityfs /sys/kernel/security");
}

TEST_CASE("The JIT is on unless its setting is 0") {
    auto files = complete();
    files.jit = "2\n";
    CHECK(judge_jit(files));
    files.jit = "0\n";
    CHECK(judge_jit(files).has == no);
    CHECK(judge_jit(files).remedy == "sysctl net.core.bpf_jit_enable=1");
    files.jit = unreadable(ENOENT);
    CHECK(judge_jit(files).has == unknown);
}

TEST_CASE("Pressure is off where its file is missing or refuses to be read") {
    auto files = complete();
    files.pressure = unreadable(ENOENT);
    CHECK(judge_psi(files).has == no);
    files.pressure = unreadable(EOPNOTSUPP);
    CHECK(judge_psi(files).has == no);
    CHECK(judge_psi(files).remedy == "boot with psi=1 a kernel built with CONFIG_PSI=y");
    files.pressure = unreadable(EACCES);
    CHECK(judge_psi(files).has == unknown);
}

TEST_CASE("A hierarchy without the memory controller is told how to get it") {
    auto files = complete();
    files.controllers = "cpuset memory_pressure pids\n";
    CHECK(judge_memory_controller(files).has == no);
    CHECK(judge_memory_controller(files).remedy ==
          "if cgroup v1 holds it, boot with cgroup_no_v1=memory or "
          "systemd.unified_cgroup_hierarchy=1");
    files.controllers = "memory\n";
    CHECK(judge_memory_controller(files));
}

TEST_CASE("Without a cgroup v2 mount there is no memory controller") {
    auto files = complete();
    files.mounts = "";
    CHECK(judge_memory_controller(files).has == no);
    CHECK(judge_memory_controller(files).remedy == "mount -t cgroup2 none /sys/fs/cgroup");
}

TEST_CASE("The memory controller cannot be told from files that cannot be read") {
    auto files = complete();
    files.controllers = unreadable(EACCES);
    CHECK(judge_memory_controller(files).has == unknown);
    files = complete();
    files.mounts = unreadable(ENOENT);
    CHECK(judge_memory_controller(files).has == unknown);
}

TEST_CASE("The files of this machine are read, whatever they are") {
    const auto files = machine_files::read();
    CHECK(files.status);
    CHECK(files.mounts);
    CHECK(judge(privileges::bpf, files).is_conclusive());
}
