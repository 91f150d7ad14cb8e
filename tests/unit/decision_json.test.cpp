// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/decision_json.hpp>

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <initializer_list>
#include <set>
#include <string>
#include <string_view>

#include <catch2/catch_test_macros.hpp>
#include <nlohmann/json.hpp>

#include "../support/document.hpp"
#include "support/decision_record.hpp"

using nlohmann::json;
using oomx::cgroup_gone;
using oomx::decision;
using oomx::declaration;
using oomx::json_line;
using oomx::test::decision_record;
using oomx::test::declaration_record;
using oomx::test::document;
using oomx::test::gone_record;
using oomx::test::nobody_record;
using oomx::test::process_record;

namespace {

/// What a reader gets.
template <typename Event>
json parsed(const Event& event) {
    return json::parse(json_line(event));
}

std::set<std::string> keys_of(const json& object) {
    std::set<std::string> keys;
    for (const auto& [key, value] : object.items()) {
        keys.insert(key);
    }
    return keys;
}

/// What the values of an enum are called in JSON, up to the first that has no name.
template <typename Enum>
std::set<std::string> names_of() {
    std::set<std::string> names;
    for (std::uint32_t i = 0; !oomx::detail::name_of(Enum{i}).empty(); ++i) {
        names.emplace(oomx::detail::name_of(Enum{i}));
    }
    return names;
}

} // namespace

TEST_CASE("A decision is one line, and what is read back is what it holds") {
    const auto line = json_line(decision{process_record()});
    CHECK(!line.contains('\n'));
    const auto read = json::parse(line);
    CHECK(read["schema"] == "oomx.decision/3");
    CHECK(read["policy"] == "largest_leaf");
    CHECK(read["outcome"] == "killed");
    CHECK(read["time_ns"] == "5000000000");
    CHECK(read["decided_ns"] == 100'000);
    CHECK(read["took_ns"] == 123'456);
    CHECK(read["attached_to"] == "39");
    CHECK(read["scope"] == "40");
    CHECK(read["scope_usage"] == 100 << 20);
    CHECK(read["scope_max"] == 100 << 20);
    CHECK(read["victim"] == json{{"cgroup", "42"},
                                 {"score", "31457280"},
                                 {"usage", 31 << 20},
                                 {"pid", 4711},
                                 {"comm", "java"}});
    CHECK(read["granularity"] == "process");
    CHECK(read["killed"] == 1);
    CHECK(read["refused"] == 0);
    CHECK(read["error"] == nullptr);
    CHECK(read["tasks"] == 5);
    CHECK(read["considered"] == 4);
    CHECK(read["eligible"] == 3);
    CHECK(read["verdicts"]["candidate"] == 2);
    CHECK(read["verdicts"]["chosen"] == 1);
    CHECK(read["verdicts"]["spared_oom_score_adj"] == 1);
    CHECK(read["top"].size() == 3);
    CHECK(read["top"][0] == json{{"cgroup", "42"},
                                 {"score", "31457280"},
                                 {"usage", 31 << 20},
                                 {"processes", 2},
                                 {"verdict", "chosen"},
                                 {"tier", 0},
                                 {"preference", 0},
                                 {"only_process", nullptr}});
    CHECK(read["spared"].size() == 1);
    CHECK(read["config"] == json{{"generation", 1},
                                 {"mode", "enforce"},
                                 {"min_interval_ns", "2000000000"},
                                 {"max_processes", 1024},
                                 {"max_candidates", 10'000},
                                 {"max_tasks", 100'000},
                                 {"min_relief", 0}});
}

TEST_CASE("JSON says why a cgroup may lose one process only") {
    auto record = process_record();
    record.top[0].only_process = OOMX_VERDICT_SPARED_SHARED;
    record.top[1].only_process = 98;
    const auto read = parsed(decision{record});
    CHECK(read["top"][0]["only_process"] == "spared_shared_memory");
    CHECK(read["top"][1]["only_process"] == "98");
}

TEST_CASE("A decision without a victim says null, and what it spared with its preference") {
    const auto read = parsed(decision{nobody_record()});
    CHECK(read["outcome"] == "no_victim");
    CHECK(read["victim"] == nullptr);
    CHECK(read["top"] == json::array());
    CHECK(read["spared"][1] == json{{"cgroup", "42"},
                                    {"score", "0"},
                                    {"usage", 30 << 20},
                                    {"processes", 1},
                                    {"verdict", "spared_never_kill"},
                                    {"tier", 3},
                                    {"preference", -100},
                                    {"only_process", nullptr}});
}

TEST_CASE("A victim that was to die whole has no process in JSON") {
    const auto read = parsed(decision{decision_record()});
    CHECK(read["granularity"] == "cgroup");
    CHECK(read["victim"]["pid"] == nullptr);
    CHECK(read["victim"]["comm"] == nullptr);
}

TEST_CASE("The whole system and a place that the kernel does not tell are words in JSON") {
    auto record = decision_record();
    record.scope = 0;
    record.scope_max = 0;
    record.attached_to = OOMX_CGROUP_UNKNOWN;
    const auto read = parsed(decision{record});
    CHECK(read["scope"] == "system");
    CHECK(read["scope_max"] == nullptr);
    CHECK(read["attached_to"] == "unknown");
}

TEST_CASE("No digit of a large id, score or time is lost to a reader of doubles") {
    auto record = decision_record();
    record.victim = (1ULL << 53) + 1;
    record.victim_score = ~0ULL;
    record.time_ns = (1ULL << 62) + 1;
    const auto read = parsed(decision{record});
    CHECK(read["victim"]["cgroup"] == "9007199254740993");
    CHECK(read["victim"]["score"] == "18446744073709551615");
    CHECK(read["time_ns"] == "4611686018427387905");
}

TEST_CASE("What a process calls itself is valid JSON, whatever bytes it holds") {
    auto record = process_record();
    std::ranges::copy(std::string_view{"a\"\n\xff\xc3"}, record.victim_comm);
    const auto line = json_line(decision{record});
    CHECK(!line.contains('\n'));
    CHECK(json::parse(line)["victim"]["comm"] == "a\"\n\xef\xbf\xbd\xef\xbf\xbd");
}

TEST_CASE("A refusal is told by the name of its errno") {
    auto record = decision_record();
    record.refused = 2;
    record.error = -EPERM;
    CHECK(parsed(decision{record})["error"] == "EPERM");
}

TEST_CASE("What a newer policy may say is its number in JSON") {
    auto record = decision_record();
    record.result = 99;
    record.top[0].verdict = 98;
    const auto read = parsed(decision{record});
    CHECK(read["outcome"] == "99");
    CHECK(read["top"][0]["verdict"] == "98");
}

TEST_CASE("A declaration is one line, and what is read back is what it holds") {
    auto record = declaration_record();
    record.error = -EBUSY;
    record.deaf = -ENOSPC;
    CHECK(parsed(declaration{record}) == json{{"schema", "oomx.declaration/3"},
                                              {"policy", "pressure_kill"},
                                              {"answer", "progress"},
                                              {"time_ns", "5000000000"},
                                              {"took_ns", 123'456},
                                              {"cgroup", "40"},
                                              {"usage", 45 << 20},
                                              {"pressure",
                                               {{"resource", "memory"},
                                                {"share", "full"},
                                                {"stall_us", 200'000},
                                                {"window_us", 1'000'000}}},
                                              {"error", "EBUSY"},
                                              {"deaf", "ENOSPC"}});
}

TEST_CASE("A removed cgroup is one line, and what is read back is what it holds") {
    CHECK(parsed(cgroup_gone{gone_record()}) == json{{"schema", "oomx.cgroup_gone/3"},
                                                     {"policy", "largest_leaf"},
                                                     {"time_ns", "5000000000"},
                                                     {"cgroup", "77"}});
}

TEST_CASE("A program can add keys of its own to an event") {
    auto object = oomx::json_of(cgroup_gone{gone_record()});
    object["host"] = "a";
    CHECK(object.dump().ends_with(R"("cgroup":"77","host":"a"})"));
}

TEST_CASE("docs/record.md names exactly the keys that are there") {
    const document page{"record.md"};
    const auto decided = parsed(decision{process_record()});
    CHECK(page.rows_of("oomx.decision/3") == keys_of(decided));
    CHECK(page.rows_of("victim") == keys_of(decided["victim"]));
    CHECK(page.rows_of("verdicts") == keys_of(decided["verdicts"]));
    CHECK(page.rows_of("top and spared") == keys_of(decided["top"][0]));
    CHECK(page.rows_of("top and spared") == keys_of(decided["spared"][0]));
    CHECK(page.rows_of("config") == keys_of(decided["config"]));
    const auto declared = parsed(declaration{declaration_record()});
    CHECK(page.rows_of("oomx.declaration/3") == keys_of(declared));
    CHECK(page.rows_of("pressure") == keys_of(declared["pressure"]));
    CHECK(page.rows_of("oomx.cgroup_gone/3") == keys_of(parsed(cgroup_gone{gone_record()})));
}

TEST_CASE("docs/record.md names every outcome, verdict and answer") {
    const document page{"record.md"};
    CHECK(page.rows_of("outcome") == names_of<oomx::outcome>());
    CHECK(page.rows_of("verdicts") == names_of<oomx::verdict>());
    CHECK(page.rows_of("verdicts").size() == OOMX_VERDICTS);
    CHECK(page.rows_of("answer") == names_of<oomx::answer>());
}

TEST_CASE("The JSON in docs/record.md is what comes out") {
    const auto examples = document{"record.md"}.examples("json");
    REQUIRE(examples.size() == 3);
    CHECK(examples[0] == oomx::json_of(decision{process_record()}).dump(2));
    CHECK(examples[1] == json_line(declaration{declaration_record()}));
    CHECK(examples[2] == json_line(cgroup_gone{gone_record()}));
}
