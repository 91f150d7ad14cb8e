// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/bpf/verifier_log.hpp>

#include <string_view>

#include <catch2/catch_test_macros.hpp>

using namespace std::string_view_literals;
using oomx::bpf::last_meaningful_line;

TEST_CASE("The statistics that close a verifier log are not what is wrong") {
    CHECK(last_meaningful_line("0: (79) r1 = *(u64 *)(r1 +0)\n"
                               "R1 invalid mem access 'scalar'\n"
                               "verification time 84 usec\n"
                               "stack depth 64+0\n"
                               "processed 12 insns (limit 1000000) max_states_per_insn 0\n") ==
          "R1 invalid mem access 'scalar'");
}

TEST_CASE("A verifier log ends at its NUL whatever lies behind it") {
    CHECK(last_meaningful_line("unknown func\n\0leftover of an earlier log\n"sv) == "unknown func");
}

TEST_CASE("An empty verifier log has no meaningful line") {
    CHECK(last_meaningful_line("").empty());
    CHECK(last_meaningful_line("\0\0\0"sv).empty());
}

TEST_CASE("A verifier log of blank lines and statistics has no meaningful line") {
    CHECK(last_meaningful_line("\n \t\r\n\nprocessed 0 insns\n").empty());
}

TEST_CASE("A verifier log of one line is that line, with and without its newline") {
    CHECK(last_meaningful_line("Unreleased reference id=3\n") == "Unreleased reference id=3");
    CHECK(last_meaningful_line("Unreleased reference id=3") == "Unreleased reference id=3");
}

TEST_CASE("The last meaningful line is taken without a newline behind it") {
    CHECK(last_meaningful_line("first\nsecond") == "second");
}

TEST_CASE("Statistics words inside a line do not hide it") {
    CHECK(last_meaningful_line("BPF program is too large. Processed 1000001 insn\n"
                               "processed 1000001 insns (limit 1000000)\n") ==
          "BPF program is too large. Processed 1000001 insn");
}
