// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/decision.hpp>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>

#include "support/decision_record.hpp"

using namespace std::chrono_literals;
using oomx::bytes;
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

TEST_CASE("A decision record is handed over with what it holds") {
    const auto record = decision_record();
    received got;
    REQUIRE(oomx::decode(bytes_of(record), got));
    REQUIRE(got.decided);
    const decision& what = *got.decided;
    CHECK(what.policy() == "largest_leaf");
    CHECK(what.outcome() == oomx::outcome::killed);
    CHECK(what.scope() == cgroup_id{40});
    CHECK(what.scope_usage() == bytes{80 << 20});
    CHECK(what.attached_to() == cgroup_id{39});
    CHECK(what.victim() == cgroup_id{42});
    CHECK(what.victim_size() == bytes{30 << 20});
    CHECK(what.considered() == 4);
    CHECK(what.eligible() == 3);
    CHECK(what.killed() == 2);
    CHECK(what.when() == 5s);
    CHECK(what.decided_in() == 100us);
    CHECK(what.took() == 123'456ns);
    CHECK(what.generation() == 1);
}

TEST_CASE("A decision names the cgroups it looked at in the order of the record") {
    const decision what{decision_record()};
    REQUIRE(what.top_count() == 2);
    CHECK(what.top(0).id == cgroup_id{41});
    CHECK(what.top(0).size == bytes{40 << 20});
    CHECK(what.top(0).processes == 1);
    CHECK(what.top(0).verdict == oomx::verdict::spared_oom_score_adj);
    CHECK(what.top(1).id == cgroup_id{42});
    CHECK(what.top(1).verdict == oomx::verdict::chosen);
}

TEST_CASE("A refusal is given as a positive errno") {
    auto record = decision_record();
    record.refused = 1;
    record.error = -EINVAL;
    const decision what{record};
    CHECK(what.refused() == 1);
    CHECK(what.refusal() == EINVAL);
}

TEST_CASE("A policy's name that fills its field is read without running over it") {
    auto record = decision_record();
    std::ranges::fill(record.policy, 'x');
    CHECK(decision{record}.policy().size() == sizeof record.policy);
}

TEST_CASE("A removed cgroup is handed to a receiver that takes it") {
    received got;
    REQUIRE(oomx::decode(bytes_of(gone_record()), got));
    REQUIRE(got.gone);
    CHECK(got.gone->id == cgroup_id{77});
    CHECK(!got.decided);
}

TEST_CASE("A removed cgroup is passed over for a receiver that takes decisions only") {
    int decisions = 0;
    CHECK(oomx::decode(bytes_of(gone_record()), [&](const decision&) { ++decisions; }));
    CHECK(decisions == 0);
}

TEST_CASE("A declaration record is handed over with what it holds") {
    auto record = declaration_record();
    record.error = -EBUSY;
    record.deaf = -ENOSPC;
    received got;
    REQUIRE(oomx::decode(bytes_of(record), got));
    REQUIRE(got.declared);
    const auto& what = *got.declared;
    CHECK(what.policy() == "pressure_kill");
    CHECK(what.answer() == oomx::answer::progress);
    CHECK(what.where() == cgroup_id{40});
    CHECK(what.usage() == bytes{45 << 20});
    CHECK(what.pressure() == oomx::pressure{.stall = 200ms, .window = 1s});
    CHECK(what.refusal() == EBUSY);
    CHECK(what.deaf() == ENOSPC);
    CHECK(what.when() == 5s);
    CHECK(what.took() == 123'456ns);
}

TEST_CASE("A record is passed over for a receiver that takes another kind") {
    int calls = 0;
    CHECK(oomx::decode(bytes_of(declaration_record()), [&](const decision&) { ++calls; }));
    CHECK(oomx::decode(bytes_of(decision_record()), [&](const oomx::declaration&) { ++calls; }));
    CHECK(calls == 0);
}

TEST_CASE("A declaration that no policy writes is malformed") {
    received got;
    const auto record = declaration_record();
    CHECK_FALSE(oomx::decode(bytes_of(record).first(sizeof record - 1), got));
    auto no_error = record;
    no_error.error = 1;
    const auto decoded = oomx::decode(bytes_of(no_error), got);
    REQUIRE(!decoded);
    CHECK(decoded.error().code() == errc::malformed);
    CHECK(decoded.error().message() == "decode event: its errors 1 and 0 are none");
    auto not_deaf = record;
    not_deaf.deaf = -4096;
    CHECK_FALSE(oomx::decode(bytes_of(not_deaf), got));
    auto too_long = record;
    too_long.took_ns = ~0ULL;
    CHECK_FALSE(oomx::decode(bytes_of(too_long), got));
    CHECK(!got.declared);
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
    record.event.version = 2;
    const auto decoded = oomx::decode(bytes_of(record), got);
    REQUIRE(!decoded);
    CHECK(decoded.error().code() == errc::malformed);
    CHECK(decoded.error().message() ==
          "decode event: its version is 2, this library knows 1; build "
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

TEST_CASE("A decision that claims to name more cgroups than it has room for is malformed") {
    received got;
    auto record = decision_record();
    record.top_count = OOMX_TOP + 1;
    const auto decoded = oomx::decode(bytes_of(record), got);
    REQUIRE(!decoded);
    CHECK(decoded.error().code() == errc::malformed);
    CHECK(decoded.error().message() == "decode event: it claims to name 9 cgroups");
    CHECK(!got.decided);
}

TEST_CASE("A decision whose error is no errno is malformed") {
    for (const int error : {1, -4096, std::numeric_limits<int>::min()}) {
        CAPTURE(error);
        received got;
        auto record = decision_record();
        record.error = error;
        const auto decoded = oomx::decode(bytes_of(record), got);
        REQUIRE(!decoded);
        CHECK(decoded.error().code() == errc::malformed);
        CHECK(decoded.error().message() ==
              fmt::format("decode event: its error {} is none", error));
        CHECK(!got.decided);
    }
}

TEST_CASE("A decision that took longer to choose than altogether is malformed") {
    received got;
    auto record = decision_record();
    record.decided_ns = record.took_ns + 1;
    const auto decoded = oomx::decode(bytes_of(record), got);
    REQUIRE(!decoded);
    CHECK(decoded.error().message() == "decode event: its times cannot be: at 5000000000 ns, "
                                       "decided in 123457 ns of 123456 ns");
    CHECK(!got.decided);
}

TEST_CASE("A decision with times that no clock shows is malformed") {
    received got;
    auto record = decision_record();
    record.took_ns = std::numeric_limits<std::uint64_t>::max();
    CHECK(!oomx::decode(bytes_of(record), got));
    record = decision_record();
    record.time_ns = std::numeric_limits<std::uint64_t>::max();
    CHECK(!oomx::decode(bytes_of(record), got));
    CHECK(!got.decided);
}

TEST_CASE("A decision that names as many cgroups as it has room for is whole") {
    received got;
    auto record = decision_record();
    record.top_count = OOMX_TOP;
    REQUIRE(oomx::decode(bytes_of(record), got));
    REQUIRE(got.decided);
    CHECK(got.decided->top_count() == OOMX_TOP);
}

TEST_CASE("A record that is not aligned is read all the same") {
    received got;
    const auto record = decision_record();
    std::vector<std::byte> shifted(sizeof record + 1);
    std::ranges::copy(bytes_of(record), shifted.begin() + 1);
    REQUIRE(oomx::decode(std::span{shifted}.subspan(1), got));
    CHECK(got.decided);
}
