// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/opened_policy.hpp>

#include <chrono>
#include <cstddef>
#include <string_view>
#include <utility>

#include <bpf/libbpf.h>
#include <catch2/catch_test_macros.hpp>

#include <oomx/load.hpp>
#include <oomx/policies/largest_leaf.hpp>

using namespace std::chrono_literals;
using namespace oomx::literals;
using oomx::policies::largest_leaf;

// libbpf reads the object in this process: opening needs neither privilege nor bpf_oom.

namespace {

/// The policy's descriptor with options that have no default to load it with.
struct with_due_options : largest_leaf {
    static oomx::result<config> configure(const options& chosen) {
        if (chosen.min_usage == oomx::bytes{}) {
            return oomx::failure(oomx::errc::invalid_argument, "min_usage is due");
        }
        return largest_leaf::configure(chosen);
    }
};

/// As a source that uses the name of one of oomx's maps for something else would give.
template <auto Map>
struct with_another_map : largest_leaf {
    struct skeleton {
        using right = largest_leaf::skeleton;

        right* whole;
        bpf_object* obj;
        decltype(right::maps) maps;
        decltype(right::rodata_oomx) rodata_oomx;
        decltype(right::data_oomx) data_oomx;

        static skeleton* open(const bpf_object_open_opts* options = nullptr) {
            auto* const whole = right::open(options);
            auto maps = whole->maps;
            maps.*Map = maps.bss;
            return new skeleton{whole, whole->obj, maps, whole->rodata_oomx, whole->data_oomx};
        }
        static int load(skeleton* opened) { return right::load(opened->whole); }
        static void destroy(skeleton* opened) {
            right::destroy(opened->whole);
            delete opened;
        }
        static const void* elf_bytes(std::size_t* size) { return right::elf_bytes(size); }
    };
};

using maps = decltype(largest_leaf::skeleton::maps);

} // namespace

TEST_CASE("An opened policy takes the config it is given") {
    auto policy = oomx::open<largest_leaf>();
    REQUIRE(policy);
    REQUIRE(policy->configure({.min_usage = 7_KiB}));
    CHECK(policy->native_handle()->data_oomx->oomx_configs[1].min_usage == 7 * 1024);
}

TEST_CASE("A config that is refused leaves the one before") {
    auto policy = oomx::open<largest_leaf>();
    REQUIRE(policy);
    REQUIRE(policy->configure({.min_usage = 7_KiB}));
    const auto refused = policy->configure({.rails = {.min_interval = -1s}});
    REQUIRE(!refused);
    CHECK(refused.error().code() == oomx::errc::invalid_argument);
    CHECK(policy->native_handle()->data_oomx->oomx_configs[1].min_usage == 7 * 1024);
}

TEST_CASE("A policy without usable defaults opens, and is not loaded before it is configured") {
    auto policy = oomx::open<with_due_options>();
    REQUIRE(policy);
    const auto loaded = std::move(*policy).load();
    REQUIRE(!loaded);
    CHECK(loaded.error().message() == "load policy 'largest_leaf': min_usage is due");
}

TEST_CASE("A policy that was loaded cannot be configured or loaded again") {
    auto policy = oomx::open<largest_leaf>();
    REQUIRE(policy);
    REQUIRE(policy->configure({}));
    auto spent = std::move(*policy);
    const auto configured = policy->configure({});
    REQUIRE(!configured);
    CHECK(configured.error().message() ==
          "configure policy 'largest_leaf': it has been loaded already; open it anew");
    const auto loaded = std::move(*policy).load();
    REQUIRE(!loaded);
    CHECK(loaded.error().message() ==
          "load policy 'largest_leaf': it has been loaded already; open it anew");
}

TEST_CASE("An object whose events map is no ring buffer is refused before it is loaded") {
    const auto policy = oomx::open<with_another_map<&maps::oomx_events>>();
    REQUIRE(!policy);
    CHECK(policy.error().code() == oomx::errc::mismatch);
    CHECK(policy.error().message() ==
          "open policy 'largest_leaf': its map oomx_events is no ring buffer; leave that name to "
          "<oomx/policy.bpf.h>");
}

TEST_CASE("An object whose preferences map is of another kind is refused before it is loaded") {
    const auto policy = oomx::open<with_another_map<&maps::oomx_preferences>>();
    REQUIRE(!policy);
    CHECK(policy.error().code() == oomx::errc::mismatch);
    CHECK(policy.error().message() ==
          "open policy 'largest_leaf': its map oomx_preferences is not the one of oomx's; leave "
          "that name to <oomx/policy.bpf.h>");
}

TEST_CASE("The compiled policy's ops are left out of a load unless they are asked for") {
    auto policy = oomx::open<largest_leaf>();
    REQUIRE(policy);
    bpf_map* const ops = policy->native_handle()->maps.oomx_ops_v2;
    CHECK(bpf_map__type(ops) == BPF_MAP_TYPE_STRUCT_OPS);
    CHECK(!bpf_map__autocreate(ops));
}

TEST_CASE("The compiled policy declines everything until it is armed") {
    auto policy = oomx::open<largest_leaf>();
    REQUIRE(policy);
    CHECK(policy->native_handle()->data_oomx->oomx_control.armed == 0);
}
