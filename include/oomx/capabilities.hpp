// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cstdint>
#include <string>
#include <utility>

#include <fmt/format.h>

#include <oomx/bpf/abi.hpp>
#include <oomx/btf_view.hpp>

namespace oomx {

/// One thing the machine has or has not.
struct capability {
    enum class state : std::uint8_t { yes, no, unknown };

    state has = state::unknown;
    std::string because; ///< why not, or why it could not be told; what was found, for a yes
    std::string remedy;  ///< what to do about a no

    [[nodiscard]] explicit operator bool() const { return has == state::yes; }
};

/// What this machine offers to OOM policies.
struct capabilities {
    capability bpf_oom; ///< policies inside the kernel
    bpf::abi::revision revision = bpf::abi::revision::none;
};

/// Judges a kernel by its types.
[[nodiscard]] inline capabilities probe(const btf_view& kernel) {
    using enum capability::state;
    const auto revision = bpf::abi::revision_of(kernel);
    capabilities found{.bpf_oom = {}, .revision = revision};
    switch (revision) {
    case bpf::abi::revision::v2:
        found.bpf_oom = {yes, "struct bpf_oom_ops as in v2 of the series", {}};
        break;
    case bpf::abi::revision::v3:
    case bpf::abi::revision::v4_wip:
        found.bpf_oom = {yes,
                         fmt::format("struct bpf_oom_ops as in {} of the series, on which oomx was "
                                     "never run",
                                     bpf::abi::name(revision)),
                         {}};
        break;
    case bpf::abi::revision::none:
        found.bpf_oom = {no,
                         "this kernel has no bpf_oom: its types lack the struct_ops bpf_oom_ops",
                         "run a kernel with the \"mm: BPF OOM\" series, such as oomx's test kernel "
                         "(./dev kernel)"};
        break;
    case bpf::abi::revision::unknown:
        found.bpf_oom = {no,
                         "this kernel's struct bpf_oom_ops is of a form that oomx does not know",
                         "run a kernel with v2 of the \"mm: BPF OOM\" series"};
    }
    return found;
}

/// Asks the running kernel.
[[nodiscard]] inline capabilities probe() {
    auto kernel = btf_view::kernel();
    if (!kernel) {
        return {.bpf_oom = {capability::state::unknown, kernel.error().message(), {}}};
    }
    return probe(*kernel);
}

} // namespace oomx
