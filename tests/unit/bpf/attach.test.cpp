// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/bpf/attach.hpp>

#include <bpf/libbpf.h>
#include <catch2/catch_test_macros.hpp>

#include "support/btf_fixture.hpp"

using oomx::errc;

TEST_CASE("Ops cannot be published to a kernel that has none") {
    const auto published =
        oomx::bpf::publish_ops(nullptr, nullptr, oomx::test::kernel_without_bpf_oom());
    REQUIRE(!published);
    CHECK(published.error().code() == errc::unsupported);
    CHECK(published.error().message() == "this kernel has no bpf_oom");
}

TEST_CASE("Ops cannot be published to a kernel whose value does not wrap them") {
    oomx::test::btf_fixture types;
    types.structure("bpf_oom_ops", 80);
    types.structure("bpf_struct_ops_bpf_oom_ops", 128);
    const auto published = oomx::bpf::publish_ops(nullptr, nullptr, types.take());
    REQUIRE(!published);
    CHECK(published.error().code() == errc::unsupported);
}
