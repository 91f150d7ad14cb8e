// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/capabilities.hpp>

#include <catch2/catch_test_macros.hpp>

#include "support/btf_fixture.hpp"

namespace test = oomx::test;
using oomx::capability;
using oomx::probe;
using oomx::bpf::abi::revision;

TEST_CASE("A kernel with v2 of the series can run policies") {
    const auto found = probe(test::kernel_v2());
    CHECK(found.bpf_oom);
    CHECK(found.bpf_oom.has == capability::state::yes);
    CHECK(found.bpf_oom.because == "struct bpf_oom_ops as in v2 of the series");
    CHECK(found.bpf_oom.remedy.empty());
    CHECK(found.revision == revision::v2);
}

TEST_CASE("A kernel without bpf_oom cannot run policies and says what to run instead") {
    const auto found = probe(test::kernel_without_bpf_oom());
    CHECK(!found.bpf_oom);
    CHECK(found.bpf_oom.has == capability::state::no);
    CHECK(found.bpf_oom.because ==
          "this kernel has no bpf_oom: its types lack the struct_ops bpf_oom_ops");
    CHECK(found.bpf_oom.remedy ==
          "run a kernel with the \"mm: BPF OOM\" series, such as oomx's test "
          "kernel (./dev kernel)");
    CHECK(found.revision == revision::none);
}

TEST_CASE("Later revisions are taken on, with a word of warning") {
    const auto v3 = probe(test::kernel_v3());
    CHECK(v3.bpf_oom);
    CHECK(v3.revision == revision::v3);
    CHECK(v3.bpf_oom.because ==
          "struct bpf_oom_ops as in v3 of the series, on which oomx was never run");
    CHECK(probe(test::kernel_v4_wip()).bpf_oom.because ==
          "struct bpf_oom_ops as in v4-wip of the series, on which oomx was never run");
}

TEST_CASE("A kernel whose ops nobody has described is refused") {
    const auto found = probe(test::kernel_of_unknown_revision());
    CHECK(found.bpf_oom.has == capability::state::no);
    CHECK(found.bpf_oom.because ==
          "this kernel's struct bpf_oom_ops is of a form that oomx does not know");
    CHECK(found.bpf_oom.remedy == "run a kernel with v2 of the \"mm: BPF OOM\" series");
    CHECK(found.revision == revision::unknown);
}

TEST_CASE("Asking the running kernel gives a reason whatever the answer is") {
    CHECK(!probe().bpf_oom.because.empty());
}

TEST_CASE("A capability that could not be told counts as missing") {
    CHECK(!capability{});
    CHECK(capability{}.has == capability::state::unknown);
}
