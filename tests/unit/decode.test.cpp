// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/decode.hpp>

#include <algorithm>
#include <cstddef>
#include <optional>
#include <span>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include "support/decision_record.hpp"

using oomx::cgroup_id;
using oomx::decision;
using oomx::errc;
using oomx::test::decision_record;
using oomx::test::declaration_record;
using oomx::test::gone_record;

namespace {

template <typename Record>
std::span<const std::byte> bytes_of(const Record& record) {
    return std::as_bytes(std::span{&record, 1});
}

/// What decode() handed over.
struct received {
    std::optional<decision> decided;
    std::optional<oomx::declaration> declared;
    std::optional<oomx::cgroup_gone> gone;

    void operator()(const decision& what) { decided = what; }
    void operator()(const oomx::declaration& what) { declared = what; }
    void operator()(const oomx::cgroup_gone& what) { gone = what; }
};

} // namespace

TEST_CASE("Each record is handed to a receiver that takes its kind") {
    received got;
    REQUIRE(oomx::decode(bytes_of(decision_record()), got));
    REQUIRE(oomx::decode(bytes_of(declaration_record()), got));
    REQUIRE(oomx::decode(bytes_of(gone_record()), got));
    REQUIRE(got.decided);
    CHECK(got.decided->policy() == "largest_leaf");
    REQUIRE(got.declared);
    CHECK(got.declared->policy() == "pressure_kill");
    REQUIRE(got.gone);
    CHECK(got.gone->where() == cgroup_id{77});
}

TEST_CASE("A removed cgroup is passed over for a receiver that takes decisions only") {
    int decisions = 0;
    CHECK(oomx::decode(bytes_of(gone_record()), [&](const decision&) { ++decisions; }));
    CHECK(decisions == 0);
}

TEST_CASE("A record is passed over for a receiver that takes another kind") {
    int calls = 0;
    CHECK(oomx::decode(bytes_of(declaration_record()), [&](const decision&) { ++calls; }));
    CHECK(oomx::decode(bytes_of(decision_record()), [&](const oomx::declaration&) { ++calls; }));
    CHECK(calls == 0);
}

TEST_CASE("A record too short for a header is malformed") {
    received got;
    const auto record = decision_record();
    const auto decoded = oomx::decode(bytes_of(record).first(7), got);
    REQUIRE(!decoded);
    CHECK(decoded.error().code() == errc::malformed);
    CHECK(decoded.error().message() == "decode event: 7 bytes hold no header");
    CHECK(!got.decided);
}

TEST_CASE("An empty record is malformed") {
    received got;
    const auto decoded = oomx::decode({}, got);
    REQUIRE(!decoded);
    CHECK(decoded.error().message() == "decode event: 0 bytes hold no header");
}

TEST_CASE("A record of another version is malformed and says which versions") {
    received got;
    auto record = decision_record();
    record.event.version = 1;
    const auto decoded = oomx::decode(bytes_of(record), got);
    REQUIRE(!decoded);
    CHECK(decoded.error().code() == errc::malformed);
    CHECK(decoded.error().message() ==
          "decode event: its version is 1, this library knows 3; build "
          "the policy and the program with the same oomx");
    CHECK(!got.decided);
}

TEST_CASE("A record of an unknown kind is malformed") {
    received got;
    auto record = gone_record();
    record.event.kind = 9;
    const auto decoded = oomx::decode(bytes_of(record), got);
    REQUIRE(!decoded);
    CHECK(decoded.error().code() == errc::malformed);
    CHECK(decoded.error().message() == "decode event: kind 9 in 88 bytes is unknown");
}

TEST_CASE("A decision that is cut off is malformed") {
    received got;
    const auto record = decision_record();
    const auto decoded = oomx::decode(bytes_of(record).first(sizeof record - 1), got);
    REQUIRE(!decoded);
    CHECK(decoded.error().code() == errc::malformed);
    CHECK(!got.decided);
}

TEST_CASE("A removed-cgroup record that is cut off is malformed") {
    received got;
    const auto record = gone_record();
    const auto decoded = oomx::decode(bytes_of(record).first(sizeof record - 1), got);
    REQUIRE(!decoded);
    CHECK(decoded.error().code() == errc::malformed);
    CHECK(!got.gone);
}

TEST_CASE("A record that is not aligned is read all the same") {
    received got;
    const auto record = decision_record();
    std::vector<std::byte> shifted(sizeof record + 1);
    std::ranges::copy(bytes_of(record), shifted.begin() + 1);
    REQUIRE(oomx::decode(std::span{shifted}.subspan(1), got));
    CHECK(got.decided);
}

TEST_CASE("A record that no policy can have written is malformed and says why") {
    received got;
    auto decided = decision_record();
    decided.top_count = OOMX_TOP + 1;
    const auto decoded = oomx::decode(bytes_of(decided), got);
    REQUIRE(!decoded);
    CHECK(decoded.error().code() == errc::malformed);
    CHECK(decoded.error().message() ==
          "decode event: it claims to name 9 candidates and 1 spared cgroups");
    auto declared = declaration_record();
    declared.error = 1;
    CHECK_FALSE(oomx::decode(bytes_of(declared), got));
    auto gone = gone_record();
    gone.time_ns = ~0ULL;
    CHECK_FALSE(oomx::decode(bytes_of(gone), got));
    CHECK(!got.decided);
    CHECK(!got.declared);
    CHECK(!got.gone);
}

TEST_CASE("A declaration that is cut off is malformed") {
    received got;
    const auto record = declaration_record();
    CHECK_FALSE(oomx::decode(bytes_of(record).first(sizeof record - 1), got));
    CHECK(!got.declared);
}
