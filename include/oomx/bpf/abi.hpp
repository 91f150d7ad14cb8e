// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include <fcntl.h>

#include <fmt/format.h>

#include <oomx/btf_view.hpp>
#include <oomx/ids.hpp>
#include <oomx/text.hpp>

// Everything on the C++ side that knows a revision of the "mm: BPF OOM" series, with attach.hpp;
// its BPF twin is oomx/abi.bpf.h. What was tried of which on a kernel: docs/kernel-support.md.

namespace oomx::bpf::abi {

/// Which revision of the series a kernel carries.
enum class revision {
    none,    ///< no BPF OOM at all
    v2,      ///< 27 Oct 2025
    v3,      ///< 26 Jan 2026
    v4_wip,  ///< an unposted work branch
    unknown, ///< struct bpf_oom_ops is there, in a form nobody has described
};

/// A struct_ops type of the series.
struct ops_type {
    const char* name;     ///< of the struct of callbacks
    const char* value;    ///< of the struct that is such a map's value
    const char* required; ///< a callback it requires
};

/// OOMs.
inline constexpr ops_type oom_ops{"bpf_oom_ops", "bpf_struct_ops_bpf_oom_ops",
                                  "handle_out_of_memory"};

/// Pressure; v1 and v2 have it.
inline constexpr ops_type psi_ops{"bpf_psi_ops", "bpf_struct_ops_bpf_psi_ops", "handle_psi_event"};

/// Told apart by the handler's parameters, never by the kernel's version.
[[nodiscard]] inline revision revision_of(const btf_view& kernel) {
    const auto ops = kernel.find_struct(oom_ops.name);
    if (!ops || !kernel.find_struct(oom_ops.value)) {
        return revision::none;
    }
    constexpr std::string_view handler = oom_ops.required;
    if (ops->has("handle_cgroup_offline") || ops->callback_parameter(handler, 0) == "bpf_oom_ctx") {
        return revision::v2;
    }
    if (ops->callback_parameter(handler, 1) == "bpf_struct_ops_link") {
        return revision::v3;
    }
    if (ops->callback_parameter(handler, 1) == "cgroup") {
        return revision::v4_wip;
    }
    return revision::unknown;
}

/// What a revision is called: "v2".
[[nodiscard]] constexpr std::string_view name(revision which) {
    switch (which) {
    case revision::none:
        return "none";
    case revision::v2:
        return "v2";
    case revision::v3:
        return "v3";
    case revision::v4_wip:
        return "v4-wip";
    case revision::unknown:
        break;
    }
    return "unknown";
}

/// Those whose ops OOMX_POLICY() makes.
inline constexpr std::array revisions{revision::v2, revision::v3, revision::v4_wip};

/// BPF_LINK_CREATE of a struct_ops map (include/uapi/linux/bpf.h): written out here because the
/// distributions' header is older than the series.
struct link_create {
    std::uint32_t map_fd = 0;            ///< the struct_ops map
    std::uint32_t target_fd = 0;         ///< the cgroup, after v2
    std::uint32_t attach_type = 44;      ///< BPF_STRUCT_OPS
    std::uint32_t flags = 0;             ///< BPF_F_*
    std::uint32_t relative_fd = 0;       ///< the cgroup, in v2
    std::uint32_t reserved = 0;          ///< 0
    std::uint64_t expected_revision = 0; ///< 0: any
};
static_assert(offsetof(link_create, relative_fd) == 16 && sizeof(link_create) == 32);

/// The cgroup with which v2 means "system-wide"; later revisions take the root's directory.
inline constexpr int system_wide_fd = 0;

/// BPF_F_CGROUP_FD of v3: target_fd is a cgroup.
inline constexpr std::uint32_t target_is_cgroup = 1U << 7U;

/// The call that links a map to a cgroup, as a revision reads it.
[[nodiscard]] constexpr link_create link_request(revision as, int map_fd, int cgroup_fd) {
    link_create call{};
    call.map_fd = static_cast<std::uint32_t>(map_fd);
    if (as == revision::v2) {
        call.relative_fd = static_cast<std::uint32_t>(cgroup_fd);
        return call;
    }
    call.target_fd = static_cast<std::uint32_t>(cgroup_fd);
    call.flags = as == revision::v3 ? target_is_cgroup : 0;
    return call;
}

/// Whether a link can be given another map (BPF_LINK_UPDATE).
[[nodiscard]] constexpr bool links_are_updated(revision as) { return as == revision::v4_wip; }

/// Whether the kernel detaches the link of a removed cgroup, so that it hangs up, instead of
/// calling the policy.
[[nodiscard]] constexpr bool links_hang_up(revision as) {
    return as == revision::v3 || as == revision::v4_wip;
}

/// bpf_link_info of a struct_ops link (include/uapi/linux/bpf.h, since 6.4): written out for the
/// same reason.
struct link_info {
    std::uint32_t type = 0;         ///< BPF_LINK_TYPE_*
    std::uint32_t id = 0;           ///< the link's own
    std::uint32_t prog_id = 0;      ///< 0: it links a map
    std::uint32_t padding = 0;      ///< 0
    std::uint32_t map_id = 0;       ///< of the struct_ops map; 0 once it is detached
    std::uint32_t more_padding = 0; ///< 0
};
static_assert(offsetof(link_info, map_id) == 16);

/// Where a struct_ops link is attached, root_cgroup for system-wide; nothing if this kernel does
/// not say. From the descriptor's fdinfo: unlike bpf_link_info it shows what a kernel does not
/// know.
[[nodiscard]] inline std::optional<cgroup_id> attached_cgroup(int link_fd) {
    const auto content = text::read_whole(AT_FDCWD, fmt::format("/proc/self/fdinfo/{}", link_fd));
    std::string_view rest = content ? std::string_view{*content} : std::string_view{};
    while (!rest.empty()) {
        const auto [line, behind] = text::split_at(rest, '\n');
        const auto [key, value] = text::split_at(line, '\t');
        if (const auto id = text::number(value); id && key == "cgroup_id:") {
            return *id == std::to_underlying(no_cgroup) ? root_cgroup : cgroup_id{*id};
        }
        rest = behind;
    }
    return std::nullopt;
}

} // namespace oomx::bpf::abi
