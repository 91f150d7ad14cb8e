// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// bpf_templates/include/oomx/kill.bpf.h: whom of a cgroup it kills.
#include <utility>

#include <catch2/catch_test_macros.hpp>

#include <oomx/native/model.hpp>
#include <oomx/native/simulation.hpp>

#include "vm/bpf/policies.hpp"

using namespace oomx::literals;
using namespace oomx::native;
using oomx::outcome;
using oomx::test::hostile;

TEST_CASE("A policy that names no process of a cgroup has the one killed that holds most") {
    auto where = model::make();
    REQUIRE(where);
    REQUIRE(where->add_cgroup("a", {.max = 4_MiB,
                                    .processes = {{.name = "small", .anon = 1_MiB},
                                                  {.name = "large", .anon = 3_MiB},
                                                  {.name = "other", .anon = 2_MiB}}}));
    auto policy = oomx::native::policy<hostile>::make(
        {.how = OOMX_HOSTILE_KILL_ONE, .target = model::id_of("a"), .pid = 0});
    REQUIRE(policy);
    simulation running{std::move(*where)};
    REQUIRE(running.attach(*policy, "a"));

    CHECK(running.out_of_memory("a") == oom_end::handled);

    const auto after = running.so_far();
    CHECK(after->died("a", "large"));
    CHECK(after->survived("a", "small"));
    CHECK(after->survived("a", "other"));
    CHECK(after->decisions().front().outcome() == outcome::killed);
    CHECK(after->decisions().front().victim_comm() == "large");
}
