// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/bpf/abi.hpp>

#include <array>
#include <bit>
#include <cstdint>

#include <catch2/catch_test_macros.hpp>

#include "support/btf_fixture.hpp"

namespace test = oomx::test;
using oomx::bpf::abi::revision;
using oomx::bpf::abi::revision_of;

TEST_CASE("A handler that takes a bpf_oom_ctx and a cgroup-offline callback are v2") {
    CHECK(revision_of(test::kernel_v2()) == revision::v2);
}

TEST_CASE("A handler that takes a struct_ops link second is v3") {
    CHECK(revision_of(test::kernel_v3()) == revision::v3);
    CHECK(revision_of(test::kernel_v3_with_declared_link()) == revision::v3);
}

TEST_CASE("A handler that takes a cgroup second is the v4 work branch") {
    CHECK(revision_of(test::kernel_v4_wip()) == revision::v4_wip);
}

TEST_CASE("A handler of another form is of an unknown revision") {
    CHECK(revision_of(test::kernel_of_unknown_revision()) == revision::unknown);
}

TEST_CASE("Ops without a handler are of an unknown revision") {
    test::btf_fixture types;
    const auto kernel = test::kernel_with_ops(types, {});
    CHECK(revision_of(kernel) == revision::unknown);
}

TEST_CASE("A kernel without bpf_oom_ops has no revision") {
    CHECK(revision_of(test::kernel_without_bpf_oom()) == revision::none);
}

TEST_CASE("bpf_oom_ops that is not registered as a struct_ops type is no revision") {
    test::btf_fixture types;
    const int handler = types.callback({types.pointer_to_struct("bpf_oom_ctx")});
    types.structure("bpf_oom_ops", 80, {{"handle_out_of_memory", handler, 0}});
    CHECK(revision_of(types.take()) == revision::none);
}

TEST_CASE("v2 is told by its first parameter alone") {
    test::btf_fixture types;
    const int handler = types.callback({types.pointer_to_struct("bpf_oom_ctx")});
    const auto kernel = test::kernel_with_ops(types, {{"handle_out_of_memory", handler, 0}});
    CHECK(revision_of(kernel) == revision::v2);
}

TEST_CASE("v2 is told by its cgroup-offline callback alone") {
    test::btf_fixture types;
    const int offline = types.callback({types.integer("u64", 8)});
    const auto kernel = test::kernel_with_ops(types, {{"handle_cgroup_offline", offline, 0}});
    CHECK(revision_of(kernel) == revision::v2);
}

TEST_CASE("A revision is told through typedefs and const pointers") {
    test::btf_fixture types;
    const int control = types.pointer_to_struct("oom_control");
    const int link =
        types.constant(types.pointer_to(types.constant(types.structure("bpf_struct_ops_link", 8))));
    const int handler = types.alias("oom_handler_t", types.callback({control, link}));
    const auto kernel = test::kernel_with_ops(types, {{"handle_out_of_memory", handler, 0}});
    CHECK(revision_of(kernel) == revision::v3);
}

TEST_CASE("Every revision has a name for people") {
    using oomx::bpf::abi::name;
    CHECK(name(revision::none) == "none");
    CHECK(name(revision::v2) == "v2");
    CHECK(name(revision::v3) == "v3");
    CHECK(name(revision::v4_wip) == "v4-wip");
    CHECK(name(revision::unknown) == "unknown");
}

TEST_CASE("Only links of v4-wip can be given another map") {
    using oomx::bpf::abi::links_are_updated;
    CHECK(!links_are_updated(revision::v2));
    CHECK(!links_are_updated(revision::v3));
    CHECK(links_are_updated(revision::v4_wip));
}

TEST_CASE("v2 calls the policy of a removed cgroup, later revisions hang up its link") {
    using oomx::bpf::abi::links_hang_up;
    CHECK(!links_hang_up(revision::v2));
    CHECK(links_hang_up(revision::v3));
    CHECK(links_hang_up(revision::v4_wip));
}

namespace {

/// The words of the call: map, target, attach type, flags, relative; then nothing.
std::array<std::uint32_t, 8> words_of(const oomx::bpf::abi::link_create& call) {
    return std::bit_cast<std::array<std::uint32_t, 8>>(call);
}

} // namespace

TEST_CASE("v2 is given a cgroup relative to nothing, and 0 for the whole system") {
    using oomx::bpf::abi::link_request;
    CHECK(words_of(link_request(revision::v2, 7, 9)) ==
          std::array{7U, 0U, 44U, 0U, 9U, 0U, 0U, 0U});
    CHECK(words_of(link_request(revision::v2, 7, oomx::bpf::abi::system_wide_fd)) ==
          std::array{7U, 0U, 44U, 0U, 0U, 0U, 0U, 0U});
}

TEST_CASE("v3 is given a cgroup as the target, and told that it is one") {
    CHECK(words_of(oomx::bpf::abi::link_request(revision::v3, 7, 9)) ==
          std::array{7U, 9U, 44U, 128U, 0U, 0U, 0U, 0U});
}

TEST_CASE("v4-wip is given a cgroup as the target") {
    CHECK(words_of(oomx::bpf::abi::link_request(revision::v4_wip, 7, 9)) ==
          std::array{7U, 9U, 44U, 0U, 0U, 0U, 0U, 0U});
}
