// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// The types of any kernel, as far as libbpf takes them for types: it parses the input first, and
// what is found here may be libbpf's own.
#include <cstddef>
#include <cstdint>

#include <bpf/btf.h>
#include <bpf/libbpf.h>

#include <oomx/bpf/abi.hpp>
#include <oomx/btf_view.hpp>

#include "fuzz/require.hpp"

using oomx::test::require;

extern "C" int LLVMFuzzerInitialize(int* /*count*/, char*** /*arguments*/) {
    ::libbpf_set_print(nullptr); // it explains every input that it refuses
    return 0;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    btf* const types = ::btf__new(data, static_cast<__u32>(size));
    if (types == nullptr) {
        return 0;
    }
    const auto kernel = oomx::btf_view::adopt(types);
    // libbpf takes a header of an odd length, and leaves the types behind it where they are.
    if (reinterpret_cast<std::uintptr_t>(::btf__type_by_id(types, 1)) % alignof(btf_type) != 0) {
        return 0;
    }
    require(!oomx::bpf::abi::name(oomx::bpf::abi::revision_of(kernel)).empty());

    const auto ops = kernel.find_struct(oomx::bpf::abi::oom_ops.name);
    if (!ops) {
        return 0;
    }
    for (const auto* member : {"handle_out_of_memory", "handle_cgroup_offline", "name", ""}) {
        require(ops->has(member) == ops->offset_of(member).has_value());
        for (std::uint16_t n = 0; n < 4; ++n) {
            require(!ops->callback_parameter(member, n) || ops->has(member));
        }
    }
    return 0;
}
