// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/cgroup_files.hpp>

#include <set>
#include <string>
#include <vector>

#include <catch2/catch_test_macros.hpp>

using oomx::bytes;
using oomx::errc;
using oomx::limit;

TEST_CASE("An amount of memory is a number on a line of its own") {
    CHECK(oomx::parse_bytes("4096\n") == bytes{4096});
    for (const auto* content :
         {"", "\n", "4096", "4096\n\n", "1\n2\n", "-1\n", "4 KiB\n", "max\n"}) {
        CAPTURE(content);
        const auto amount = oomx::parse_bytes(content);
        REQUIRE(!amount);
        CHECK(amount.error().code() == errc::malformed);
    }
    CHECK(oomx::parse_bytes("much\n").error().message() ==
          R"(it holds "much\n", not a number of bytes)");
}

TEST_CASE("A limit is an amount of memory or max") {
    CHECK(oomx::parse_limit("4096\n") == limit{bytes{4096}});
    CHECK(oomx::parse_limit("max\n") == limit::max());
    CHECK(!oomx::parse_limit("max"));
    CHECK(oomx::parse_limit("none\n").error().message() ==
          R"(it holds "none\n", not 'max' or a number of bytes)");
}

TEST_CASE("A flag is 0 or 1") {
    CHECK(oomx::parse_flag("0\n") == false);
    CHECK(oomx::parse_flag("1\n") == true);
    CHECK(!oomx::parse_flag("2\n"));
    CHECK(oomx::parse_flag("").error().message() == R"(it holds "", not 0 or 1)");
}

TEST_CASE("Names are words on a line") {
    CHECK(oomx::parse_names("cpuset memory pids\n") ==
          std::set<std::string, std::less<>>{"cpuset", "memory", "pids"});
    CHECK(oomx::parse_names("\n")->empty());
    CHECK(oomx::parse_names("")->empty());
    CHECK(!oomx::parse_names("cpuset mem"));
}

TEST_CASE("Processes are in order, and each is there once") {
    CHECK(oomx::parse_processes("30\n4\n30\n1\n") == std::vector<pid_t>{1, 4, 30});
    CHECK(oomx::parse_processes("")->empty());
}

TEST_CASE("What is no number of a process is malformed") {
    CHECK(oomx::parse_processes("12\ninit\n").error().message() ==
          R"(it holds "init", not the number of a process)");
    CHECK(!oomx::parse_processes("-1\n"));
    CHECK(!oomx::parse_processes("4294967296\n"));
}

TEST_CASE("A process of another pid namespace has no number to be signalled by") {
    const auto processes = oomx::parse_processes("12\n0\n");
    REQUIRE(!processes);
    CHECK(processes.error().code() == errc::not_permitted);
    CHECK(processes.error().message() ==
          "it names a process outside this process's pid namespace; run in the host's pid "
          "namespace (hostPID in Kubernetes, --pid=host in Docker)");
}
