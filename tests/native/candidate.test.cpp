// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// bpf_templates/include/oomx/candidate.h: each field, as a policy reads it of a model. Of real
// cgroups: tests/vm/candidate.test.cpp.
#include <chrono>
#include <cstdint>
#include <utility>

#include <catch2/catch_test_macros.hpp>

#include <oomx/candidate.h>
#include <oomx/native/model.hpp>
#include <oomx/native/simulation.hpp>

#include "vm/bpf/policies.hpp"

using namespace std::chrono_literals;
using namespace oomx::literals;
using namespace oomx::native;
using oomx::test::echo;

namespace {

/// One field of a cgroup that has them all, two levels below the scope.
std::uint64_t read(oomx_echo_field field, bool limited = true) {
    auto where = model::make({.uptime = 1h});
    REQUIRE(where);
    REQUIRE(where->add_cgroup("top", {.max = 8_MiB}));
    REQUIRE(where->add_cgroup("top/inner", {.min = 8_MiB, .low = 8_MiB}));
    cgroup_options measured{.high = 64_MiB,
                            .min = 1_MiB,
                            .low = 2_MiB,
                            .oom_group = true,
                            .preference = oomx::preference{.tier = 3, .value = 17},
                            .file = 5_MiB,
                            .shmem = 6_MiB,
                            .kernel = 7_MiB,
                            .processes = {{.anon = 3_MiB,
                                           .swap = 4_MiB,
                                           .page_tables = 8_KiB,
                                           .oom_score_adj = 7,
                                           .pid = 1234,
                                           .started = 20min},
                                          {.started = 59min}}};
    if (limited) {
        measured.max = 96_MiB;
    }
    REQUIRE(where->add_cgroup("top/inner/measured", measured));
    auto policy = oomx::native::policy<echo>::make({.field = field});
    REQUIRE(policy);
    simulation running{std::move(*where)};
    REQUIRE(running.attach(*policy, "/"));
    REQUIRE(running.out_of_memory("top"));
    const auto first = running.so_far()->decisions().front().top(0);
    CHECK(first.id == model::id_of("top/inner/measured"));
    return first.score == OOMX_NO_LIMIT ? first.score : first.score - 1;
}

std::uint64_t ns(std::chrono::nanoseconds time) { return static_cast<std::uint64_t>(time.count()); }

} // namespace

TEST_CASE("A candidate of a model has the sizes it was given") {
    CHECK(read(OOMX_ECHO_USAGE) == (21_MiB + 8_KiB).count());
    CHECK(read(OOMX_ECHO_ANON) == (3_MiB).count());
    CHECK(read(OOMX_ECHO_FILE) == (11_MiB).count()); // as in the kernel with what is shared
    CHECK(read(OOMX_ECHO_SHMEM) == (6_MiB).count());
    CHECK(read(OOMX_ECHO_KERNEL) == (7_MiB + 8_KiB).count());
    CHECK(read(OOMX_ECHO_SWAP) == (4_MiB).count());
}

TEST_CASE("A candidate of a model has the limits, protection and preference it was given") {
    CHECK(read(OOMX_ECHO_HIGH) == (64_MiB).count());
    CHECK(read(OOMX_ECHO_MAX) == (96_MiB).count());
    CHECK(read(OOMX_ECHO_MAX, false) == OOMX_NO_LIMIT);
    CHECK(read(OOMX_ECHO_MIN) == (1_MiB).count());
    CHECK(read(OOMX_ECHO_LOW) == (2_MiB).count());
    CHECK(read(OOMX_ECHO_PROTECTION) == (2_MiB).count());
    CHECK(read(OOMX_ECHO_TIER) == 3);
    CHECK(read(OOMX_ECHO_PREFERENCE) == 17);
    CHECK(read(OOMX_ECHO_OOM_GROUP) == 1);
}

TEST_CASE("A candidate of a model knows its place, its processes and their age") {
    CHECK(read(OOMX_ECHO_DEPTH) == 2);
    CHECK(read(OOMX_ECHO_PROCESSES) == 2);
    CHECK(read(OOMX_ECHO_AGE) == ns(40min));
}

TEST_CASE("A process of a model is ranked by what it was given") {
    CHECK(read(OOMX_ECHO_PROCESS_PID) == 1234); // the other has the first free one
    CHECK(read(OOMX_ECHO_PROCESS_ADJ) == 7);
    CHECK(read(OOMX_ECHO_PROCESS_RSS) == (3_MiB).count());
    CHECK(read(OOMX_ECHO_PROCESS_SWAP) == (4_MiB).count());
    CHECK(read(OOMX_ECHO_PROCESS_TABLES) == (8_KiB).count());
    CHECK(read(OOMX_ECHO_PROCESS_AGE) == ns(40min));
    CHECK(read(OOMX_ECHO_PROCESS_SCOPE) == (8_MiB).count());
}
