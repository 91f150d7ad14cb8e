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

TEST_CASE("The cause is the same with the report that Linux 7 puts below it, and without") {
    constexpr auto cause = "kernel func bpf_flush is sleepable within rcu_read_lock region"sv;
    constexpr auto linux_6 = "; flush(root); @ walk.bpf.c:21\n"
                             "14: (85) call bpf_flush#4711\n"
                             "kernel func bpf_flush is sleepable within rcu_read_lock region\n"
                             "processed 15 insns (limit 1000000) max_states_per_insn 0\n"sv;
    constexpr auto linux_7 =
        "; flush(root); @ walk.bpf.c:21\n"
        "14: (85) call bpf_flush#4711\n"
        "kernel func bpf_flush is sleepable within rcu_read_lock region\n"
        "\n"
        "Verification failed: Execution Context Safety: Operation in forbidden context\n"
        "\n"
        "Reason:\n"
        "  The operation bpf_flush may sleep, and this path is in an RCU section.\n"
        "\n"
        "At:\n"
        "  walk @ walk.bpf.c:21:2\n"
        "     21 | flush(root);\n"
        "        | ^ error: not allowed here\n"
        "\n"
        "Suggestion:\n"
        "  Call it outside of the section.\n"
        "\n"
        "processed 15 insns (limit 1000000) max_states_per_insn 0\n"sv;
    CHECK(last_meaningful_line(linux_6) == cause);
    CHECK(last_meaningful_line(linux_7) == cause);
}

TEST_CASE("A report without a line above it says in its heading what is wrong") {
    CHECK(last_meaningful_line("14: (85) call bpf_flush#4711\n"
                               "\n"
                               "Verification failed: Policy: Operation is not allowed\n"
                               "\n"
                               "Suggestion:\n"
                               "  Leave it out.\n") == "Policy: Operation is not allowed");
    CHECK(last_meaningful_line("\nVerification failed: Policy\n\nSuggestion:\n  None.\n") ==
          "Policy");
}

TEST_CASE("The words of a report's heading inside a line do not end the log") {
    CHECK(last_meaningful_line("first\nlibbpf: Verification failed: see above\n") ==
          "libbpf: Verification failed: see above");
}
