// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/bpf/trial.hpp>

#include <bit>
#include <cstdint>

#include <catch2/catch_test_macros.hpp>

#include "support/btf_fixture.hpp"

namespace bpf = oomx::bpf;

TEST_CASE("An instruction is encoded as the kernel decodes it") {
    // code, registers (from, to), offset, immediate: little-endian.
    CHECK(std::bit_cast<std::uint64_t>(bpf::instruction(BPF_LDX | BPF_MEM | BPF_DW, BPF_REG_9,
                                                        BPF_REG_8, 256)) == 0x0000'0000'0100'89'79);
    CHECK(std::bit_cast<std::uint64_t>(bpf::call(oomx::btf_function{.id = 0x5969})) ==
          0x0000'5969'0000'20'85);
    CHECK(std::bit_cast<std::uint64_t>(bpf::call(BPF_FUNC_get_current_cgroup_id)) ==
          0x0000'0050'0000'00'85);
}

TEST_CASE("There is no cgroup scope to try on a kernel without bpf_oom") {
    const auto tried =
        bpf::try_cgroup_scope(oomx::test::kernel_without_bpf_oom(), oomx::cgroup::root());
    REQUIRE(!tried);
    CHECK(tried.error().code() == oomx::errc::unsupported);
}

TEST_CASE("There is no usage to try on a kernel without the kfuncs") {
    const auto tried = bpf::try_usage(oomx::test::kernel_v2());
    REQUIRE(!tried);
    CHECK(tried.error().code() == oomx::errc::unsupported);
}
