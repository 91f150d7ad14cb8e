// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/policies/pressure_kill.hpp>

#include <chrono>
#include <cstring>
#include <string_view>

#include <bpf/libbpf.h>
#include <catch2/catch_test_macros.hpp>

#include <oomx/load.hpp>

using namespace std::chrono_literals;
using oomx::cgroup_id;
using oomx::policies::pressure_kill;

TEST_CASE("pressure_kill hands its watches to the BPF side") {
    const auto config = pressure_kill::configure({.watched = {{cgroup_id{42}, {.stall = 1s}}}});
    REQUIRE(config);
    CHECK(config->watches.count == 1);
    CHECK(config->watches.watch[0].cgroup_id == 42);
}

TEST_CASE("pressure_kill is not loaded without something to watch") {
    const auto loaded = oomx::load<pressure_kill>();
    REQUIRE(!loaded);
    CHECK(loaded.error().code() == oomx::errc::invalid_argument);
    CHECK(loaded.error().message() ==
          "configure policy 'pressure_kill': 0 cgroups are to be watched; name one to 64");
}

TEST_CASE("A window that the kernel would not take is refused before anything is loaded") {
    const auto loaded =
        oomx::load<pressure_kill>({.watched = {{cgroup_id{42}, {.stall = 1ms, .window = 11s}}}});
    REQUIRE(!loaded);
    CHECK(loaded.error().message() ==
          "configure policy 'pressure_kill': watch 0, cgroup 42: pressure.window is not from 1 us "
          "to 10 s; the kernel takes no other");
}

TEST_CASE("The compiled pressure_kill names itself where the kernel wants to write") {
    auto policy = oomx::open<pressure_kill>();
    REQUIRE(policy);
    CHECK(std::string_view{policy->native_handle()->data->oomx_constraint} ==
          "pressure (pressure_kill)");
}

TEST_CASE("pressure_kill has all the callbacks the kernel calls unasked, and they may sleep") {
    auto policy = oomx::open<pressure_kill>();
    REQUIRE(policy);
    auto* const skeleton = policy->native_handle();
    CHECK(bpf_map__type(skeleton->maps.oomx_psi_v2) == BPF_MAP_TYPE_STRUCT_OPS);
    CHECK(!bpf_map__autocreate(skeleton->maps.oomx_psi_v2));
    for (const bpf_program* callback : {skeleton->struct_ops.oomx_psi_v2->init,
                                        skeleton->struct_ops.oomx_psi_v2->handle_psi_event}) {
        REQUIRE(callback != nullptr);
        CHECK(std::string_view{bpf_program__section_name(callback)}.starts_with("struct_ops.s/"));
    }
}
