// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/native/scenario_file.hpp>

#include <chrono>
#include <fstream>
#include <string>
#include <string_view>

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>

#include <oomx/policies/tiers.hpp>

#include "support/document.hpp"
#include "unit/support/temporary_directory.hpp"

using namespace std::chrono_literals;
using namespace oomx::literals;
using namespace oomx::native;
using oomx::errc;
using oomx::test::document;

namespace {

constexpr std::string_view complete = R"(
[machine]
ram = "8 GiB"
dies_after = "20 ms"

[cgroup.batch]
max = "1 GiB"
oom_group = false

[cgroup."batch/a"]
anon = "300 MiB"
low = "64 MiB"

[[cgroup."batch/b".process]]
name = "worker"
anon = "600 MiB"
oom_score_adj = -500
dies_after = "1 s"

[[step]]
allocate = "400 MiB"
cgroup = "batch/a"

[[step]]
wait = "5 ms"

[[step]]
run_out = "/"
)";

/// The message of the error that this text is.
std::string refused(std::string_view text) {
    const auto read = parse_scenario(text, "bad.toml");
    REQUIRE(!read);
    CHECK(read.error().code() == errc::malformed);
    return read.error().message();
}

} // namespace

TEST_CASE("A scenario file says what a scenario in C++ says") {
    const auto read = parse_scenario(complete, "complete.toml");

    if (!read) {
        FAIL(read.error().message());
    }
    CHECK(read->machine.ram == 8_GiB);
    CHECK(read->machine.dies_after == 20ms);
    REQUIRE(read->tree.size() == 1);
    const auto& batch = read->tree[0];
    CHECK(batch.name == "batch");
    CHECK(batch.options.max == 1_GiB);
    REQUIRE(batch.below.size() == 2);
    CHECK(batch.below[0].options.anon == 300_MiB);
    CHECK(batch.below[0].options.low == 64_MiB);
    REQUIRE(batch.below[1].options.processes.size() == 1);
    const auto& worker = batch.below[1].options.processes[0];
    CHECK(worker.name == "worker");
    CHECK(worker.oom_score_adj == -500);
    CHECK(worker.dies_after == 1s);
    REQUIRE(read->steps.size() == 3);
    CHECK(std::get<allocate>(read->steps[0]).amount == 400_MiB);
    CHECK(std::get<elapse>(read->steps[1]).time == 5ms);
    CHECK(std::get<run_out>(read->steps[2]).cgroup == "/");
}

TEST_CASE("A scenario that is read is played") {
    const auto read = parse_scenario(complete, "complete.toml");
    REQUIRE(read);

    const auto after = simulate(*read);

    REQUIRE(after);
    CHECK(after->died("batch/a"));
    CHECK(after->killer_of("batch/a") == "kernel");
}

TEST_CASE("The scenario file of simulator.md says preferences, and tiers goes by them") {
    const auto examples = document{"simulator.md"}.examples("toml");
    REQUIRE(examples.size() == 1);
    const auto read = parse_scenario(examples.front(), "simulator.md");
    if (!read) {
        FAIL(read.error().message());
    }
    const auto& top = read->tree[0];
    CHECK(top.options.preference == std::nullopt);
    CHECK(top.below[0].options.preference == oomx::preference{.tier = 2});
    CHECK(top.below[1].options.preference == oomx::preference{.tier = 1, .value = -100});
    auto policy = oomx::native::policy<oomx::policies::tiers>::make();
    REQUIRE(policy);

    const auto after = simulate(*read, {{"top", *policy}});

    REQUIRE(after);
    INFO(fmt::format("{}", *after));
    CHECK(after->died("top/batch/job"));
    CHECK(after->survived("top/batch/database"));
    CHECK(after->survived("top/web"));
}

TEST_CASE("A preference out of its range is refused with its line") {
    CHECK(refused("[cgroup.a]\ntier = 65536\n") ==
          "read scenario bad.toml: line 2: tier of cgroup 'a' is 65536; give 0 to 65535");
    CHECK(refused("[cgroup.a]\ntier = -1\n") ==
          "read scenario bad.toml: line 2: tier of cgroup 'a' is -1; give 0 to 65535");
    CHECK(refused("[cgroup.a]\ntier = 4294967296\n") ==
          "read scenario bad.toml: line 2: tier of cgroup 'a' is 4294967296; give 0 to 65535");
    CHECK(refused("[cgroup.a]\ntier = \"high\"\n") ==
          "read scenario bad.toml: line 2: tier of cgroup 'a' is not a whole number; write it so");
    CHECK(
        refused("[cgroup.a]\npreference = 2147483648\n") ==
        "read scenario bad.toml: line 2: preference of cgroup 'a' is 2147483648; give -2147483648 "
        "to 2147483647");
    CHECK(refused("[cgroup.a]\nnever_kill = 1\n") ==
          "read scenario bad.toml: line 2: never_kill of cgroup 'a' is not true or false; write it "
          "so");
}

TEST_CASE("More preferences than a policy has room for are refused with the line") {
    std::string text;
    for (int i = 0; i <= OOMX_PREFERENCES; ++i) {
        text += fmt::format("[cgroup.c{:04}]\ntier = 1\n", i);
    }
    const auto read = parse_scenario(text, "bad.toml");
    REQUIRE(!read);
    CHECK(read.error().code() == errc::exhausted);
    CHECK(read.error().message() ==
          "read scenario bad.toml: line 8193: add cgroup 'c4096' to the model: 4096 cgroups have a "
          "preference already; give preferences to whole subtrees");
}

TEST_CASE("A key is named once where its table's keys are listed") {
    CHECK(
        refused("[[step]]\nkill = \"a\"\nwait = \"1 s\"\n") ==
        "read scenario bad.toml: line 2: a step has no key 'kill'; its keys are allocate, run_out, "
        "wait, cgroup");
    CHECK(refused("[[cgroup.a.process]]\nrss = 1\npid = 7\n")
              .ends_with("oom_score_adj, pid, started, kernel_thread, dies_after"));
}

TEST_CASE("A limit of max is none") {
    const auto read = parse_scenario("[cgroup.a]\nmax = \"max\"\n", "max.toml");

    REQUIRE(read);
    CHECK_FALSE(read->tree[0].options.max.has_value());
}

TEST_CASE("An empty file is an empty scenario") {
    const auto read = parse_scenario("", "empty.toml");
    REQUIRE(read);
    CHECK(read->tree.empty());
}

TEST_CASE("What is no TOML is refused with its line") {
    CHECK(refused("[cgroup.a]\nmax = \n")
              .starts_with("read scenario bad.toml: line 2: it is no "
                           "TOML: "));
}

TEST_CASE("Unknown keys are refused with their line and those that there are") {
    CHECK(refused("[cgroup.a]\nanon = \"1 MiB\"\nmaxx = \"1 GiB\"\n") ==
          "read scenario bad.toml: line 3: cgroup 'a' has no key 'maxx'; its keys are max, high, "
          "min, low, swap_max, oom_group, tier, preference, never_kill, file, shmem, kernel, anon, "
          "swap, process");
    CHECK(refused("title = \"x\"\n") == "read scenario bad.toml: line 1: the file has no key "
                                        "'title'; its keys are machine, cgroup, step");
    CHECK(refused("[machine]\ncpus = 4\n")
              .starts_with("read scenario bad.toml: line 2: the machine has no key 'cpus'; "));
    CHECK(refused("[[cgroup.a.process]]\nrss = \"1 MiB\"\n")
              .starts_with("read scenario bad.toml: line 2: a process of cgroup 'a' has no key "
                           "'rss'; its keys are name, "));
    CHECK(refused("[[step]]\nkill = \"a\"\nwait = \"1 s\"\n")
              .starts_with("read scenario bad.toml: line 2: a step has no key 'kill'; "));
}

TEST_CASE("Values of another form are refused with their line and how to write them") {
    CHECK(refused("[cgroup.a]\nanon = \"300 MB\"\n") ==
          "read scenario bad.toml: line 2: anon of cgroup 'a' is not a size, such as \"300 MiB\"; "
          "write a whole number, a space and a unit, in quotes");
    CHECK(refused("[cgroup.a]\nmax = \"-1 GiB\"\n")
              .starts_with("read scenario bad.toml: line 2: max of cgroup 'a' is not a size"));
    CHECK(refused("[cgroup.a]\nmax = -1\n") ==
          "read scenario bad.toml: line 2: max of cgroup 'a' is below zero; give zero or more");
    CHECK(refused("[cgroup.a]\nmax = \"99999999999 TiB\"\n")
              .starts_with("read scenario bad.toml: line 2: max of cgroup 'a' is not a size"));
    CHECK(refused("[cgroup.a]\noom_group = 1\n") ==
          "read scenario bad.toml: line 2: oom_group of cgroup 'a' is not true or false; write it "
          "so");
    CHECK(refused("[[step]]\nwait = \"1 day\"\n")
              .starts_with("read scenario bad.toml: line 2: wait of a step is not a time, such as "
                           "\"10 ms\"; "));
    CHECK(refused("cgroup = 1\n") ==
          "read scenario bad.toml: line 1: cgroup is no table; write [cgroup.<name>] above each");
    CHECK(refused("[cgroup]\na = 1\n") ==
          "read scenario bad.toml: line 2: cgroup 'a' is no table; write [cgroup.\"a\"] above it");
    CHECK(refused("machine = 1\n") ==
          "read scenario bad.toml: line 1: machine is no table; write [machine] above its keys");
    CHECK(refused("step = 1\n") == "read scenario bad.toml: line 1: step of the file is no list of "
                                   "tables; write [[step]] above each");
}

TEST_CASE("What cannot be is refused with its line") {
    const auto code = [](std::string_view text) {
        const auto read = parse_scenario(text, "bad.toml");
        REQUIRE(!read);
        return read.error().code();
    };

    const auto orphan = parse_scenario("[cgroup.\"a/b\"]\n", "bad.toml");
    REQUIRE(!orphan);
    CHECK(orphan.error().message() ==
          "read scenario bad.toml: line 1: add cgroup 'a/b' to the model: there is no cgroup 'a'; "
          "add it first, parents before children");
    CHECK(code("[[cgroup.a.process]]\noom_score_adj = 2000\n") == errc::invalid_argument);
    CHECK(code("[cgroup.a]\nanon = \"1 MiB\"\n[cgroup.\"a/b\"]\n") == errc::busy);
    CHECK(code("[machine]\nram = \"0 B\"\n") == errc::invalid_argument);
    CHECK(refused("[cgroup.a]\n[cgroup.a]\n").starts_with("read scenario bad.toml: line 2: "));
}

TEST_CASE("A pid that a file gives is kept, whatever is listed before it") {
    const auto read = parse_scenario(
        "[cgroup.a]\nanon = \"1 MiB\"\n[[cgroup.b.process]]\npid = 2\n", "pids.toml");

    REQUIRE(read);
    CHECK(model_of(*read)->find_task(2)->name == "process");
}

TEST_CASE("Times and sizes that overflow are refused with their line") {
    const std::string at_line = "read scenario bad.toml: line ";
    const auto message = [](std::string_view text) {
        const auto read = parse_scenario(text, "bad.toml");
        REQUIRE(!read);
        return read.error().message();
    };

    CHECK(message("[machine]\nuptime = \"2562047 h\"\n") ==
          at_line + "1: make model: one of the machine's times is longer than ten years; give a "
                    "shorter one");
    CHECK(message("[machine]\nram = \"8388607 TiB\"\nswap = \"9223372036854775807 B\"\n")
              .starts_with(at_line + "1: make model: with it the machine has more memory than"));
    CHECK(message("[cgroup.a]\nanon = \"8000000 TiB\"\n[cgroup.b]\nanon = \"8000000 TiB\"\n")
              .starts_with(at_line + "3: add process 'b' to cgroup 'b' of the model: with it "));
    CHECK(message("[[step]]\nwait = \"80000 h\"\n[[step]]\nwait = \"80000 h\"\n") ==
          at_line + "3: let time go by in the model: it is negative, or ten years are over; give "
                    "zero or more, and less than ten years together");
}

TEST_CASE("Nesting deeper than a stack is refused with its line") {
    std::string dotted = "a";
    for (int i = 0; i < 100'000; ++i) {
        dotted += ".a";
    }
    CHECK(refused("\n" + dotted + " = 1\n") ==
          "read scenario bad.toml: line 2: it has more than 32 "
          "dots; use fewer dotted keys");
    CHECK(refused("[" + dotted + "]\n").starts_with("read scenario bad.toml: line 1: it has more"));
    CHECK(refused("step = " + std::string(100'000, '['))
              .starts_with("read scenario bad.toml: line 1: "));

    // As deep as it may be: a key of so many dots in each of the values that toml++ nests.
    std::string deep;
    for (int i = 0; i < 127; ++i) {
        deep += "a" + dotted.substr(1, 64) + " = [{\n";
    }
    CHECK(refused(deep).starts_with("read scenario bad.toml: line "));
}

TEST_CASE("A header without a name, on which toml++ fails an assertion, is refused with its line") {
    for (const auto* const header : {"[", "[[", "[[[step]]]", "[ $]", "[[=", "\t[.a]", "[]"}) {
        INFO(header);
        CHECK(refused("[cgroup.a]\n" + std::string{header} + "\n") ==
              "read scenario bad.toml: line 2: no name comes after its bracket; write [machine], "
              "[cgroup.<name>] or [[step]]");
    }
    CHECK(parse_scenario(" [ cgroup.\"a\" ]\n\t[[step]]\nwait = \"1 s\"\n", "good.toml"));
}

TEST_CASE("A brace after no value, on which toml++ fails an assertion, is refused with its line") {
    for (const auto* const text :
         {"\nstep = [}]", "\nstep = [{}, }]", "step = [\n}]", "step = [{}, # two\n\t}]"}) {
        INFO(text);
        CHECK(refused(text) == "read scenario bad.toml: line 2: it has a } too many; write a value "
                               "before it, and none at the beginning of a line");
    }
    CHECK(parse_scenario("cgroup = {a = {}, b = { }} # {,}\n", "good.toml"));
}

TEST_CASE("A date or time, of which half fails an assertion of toml++, is refused with its line") {
    for (const auto* const value : {"1979-05-27 5 ", "1979-05-27", "1979-05-27Tx", "78------_x= 5 ",
                                    "{a = 1979-05-27}", "[0, 1979-05-27]"}) {
        INFO(value);
        CHECK(refused(fmt::format("\nx ={}\n", value)) ==
              "read scenario bad.toml: line 2: it has a number that goes on with -; write a whole "
              "number, or a text in quotes");
    }
    for (const auto* const text :
         {"x = 07:32", "x = [\n07:32]", "x = 1'79-05-27_ 5 ", "x = 1\"\""}) {
        INFO(text);
        CHECK(refused(text).contains(": it has a number that goes on with "));
    }
    CHECK(parse_scenario("[cgroup.\"a 07:32\"]\n[cgroup.1-1-1]\n[cgroup.2]\nlow = \"1 B\" # 1:2\n"
                         "[[cgroup.pod-1-2.process]]\noom_score_adj = -5\n",
                         "good.toml"));
}

TEST_CASE("A control character is refused with its line") {
    using namespace std::string_view_literals;
    for (const auto text : {"\n\0"sv, "\n# \x01"sv, "\na = \"\x1b\""sv, "\n[\ra]"sv, "\n\x7f"sv}) {
        INFO(text);
        CHECK(refused(text) == "read scenario bad.toml: line 2: it has a control character; write "
                               "it in quotes as \\u and four hexadecimal digits");
    }
    CHECK(parse_scenario("[cgroup.a]\r\n\tanon = \"1 MiB\"\r\n", "good.toml"));
}

TEST_CASE("A text of several lines is refused with its line") {
    for (const auto* const quotes : {R"(""")", "'''"}) {
        INFO(quotes);
        CHECK(refused(fmt::format("\nx = {}\n[}}]\n{}\n", quotes, quotes)) ==
              "read scenario bad.toml: line 2: it begins a text of several lines; write it in one, "
              "with \\n");
    }
}

TEST_CASE("What a text in quotes or a comment says is not taken for TOML") {
    const auto read = parse_scenario(R"([cgroup."[}] 1.5.3 \" # ,} '''"] # [}, """
[cgroup.'"""\']
)",
                                     "good.toml");
    REQUIRE(read);
    REQUIRE(read->tree.size() == 2);
    CHECK(read->tree[0].name == R"("""\)");
    CHECK(read->tree[1].name == R"([}] 1.5.3 " # ,} ''')");
}

TEST_CASE(
    "What is not ASCII, which toml++ has no defined behaviour for, is refused with its line") {
    for (const auto* const text :
         {"\n \xef\xbb\xbd", "\n\xc3\xa9 = 1", "\n# \xff", "\n[\xc3\xa9]"}) {
        INFO(text);
        CHECK(refused(text) ==
              "read scenario bad.toml: line 2: it has a character that is not ASCII; "
              "write it in quotes as \\u and four hexadecimal digits");
    }
    const auto escaped = parse_scenario("[cgroup.\"caf\\u00e9\"]\n", "good.toml");
    REQUIRE(escaped);
    CHECK(escaped->tree[0].name == "caf\xc3\xa9");
}

TEST_CASE("More than a machine of reasonable size is refused with its line") {
    std::string processes = "[cgroup.a]\nprocess = [";
    for (int i = 0; i <= 10'000; ++i) {
        processes += "{},";
    }
    processes += "]\n";
    CHECK(refused(processes) ==
          "read scenario bad.toml: line 2: process of cgroup 'a' has more than "
          "10000 tables; describe a smaller machine");

    std::string spread;
    for (int i = 0; i < 2; ++i) {
        spread += fmt::format("[cgroup.c{}]\nprocess = [", i);
        for (int j = 0; j <= 5'000; ++j) {
            spread += "{},";
        }
        spread += "]\n";
    }
    CHECK(refused(spread) ==
          "read scenario bad.toml: line 3: process of the file has more than 10000 "
          "tables; describe a smaller machine");

    std::string cgroups;
    std::string steps;
    for (int i = 0; i <= 10'000; ++i) {
        cgroups += fmt::format("[cgroup.c{}]\n", i);
        steps += "[[step]]\nwait = \"1 s\"\n";
    }
    CHECK(refused(cgroups).ends_with("cgroup of the file has more than 10000 tables; describe a "
                                     "smaller machine"));
    CHECK(
        refused(steps).ends_with("step of the file has more than 10000 tables; describe a smaller "
                                 "machine"));
}

TEST_CASE("A file that is too long is refused with the line, and not read to its end") {
    CHECK(
        refused(std::string(std::size_t{1} << 20, '\n') + std::string(std::size_t{2} << 20, ' ')) ==
        "read scenario bad.toml: line 1048577: the file is longer than 2.0 MiB; describe a smaller "
        "machine");
    const auto endless = read_scenario("/dev/zero");
    REQUIRE(!endless);
    CHECK(endless.error().message().starts_with("read scenario /dev/zero: line 1: it has a "));
}

TEST_CASE("A step that does nothing, or too much, is refused") {
    CHECK(refused("[[step]]\n") == "read scenario bad.toml: line 1: a step does not say what "
                                   "happens; write allocate and cgroup, or run_out, or wait");
    CHECK(refused("[cgroup.a]\n[[step]]\nallocate = \"1 MiB\"\n")
              .starts_with("read scenario bad.toml: line 2: a step does not say what happens"));
    CHECK(refused("[[step]]\nwait = \"1 s\"\nrun_out = \"/\"\n")
              .starts_with("read scenario bad.toml: line 1: a step does not say what happens"));
    CHECK(refused("[[step]]\nrun_out = \"a\"\n") ==
          "read scenario bad.toml: line 1: there is no cgroup 'a'; name one that the file has");
}

TEST_CASE("A scenario is read from a file, and the error names the file") {
    const oomx::test::temporary_directory directory;
    const auto path = (directory.path() / "one.toml").string();
    std::ofstream{path} << complete;

    CHECK(read_scenario(path));
    const auto missing = read_scenario(path + ".none");
    REQUIRE(!missing);
    CHECK(missing.error().code() == errc::system);
    CHECK(missing.error().message() ==
          "read scenario " + path +
              ".none: the file cannot be read (ENOENT); look at its path and its permissions");
}
