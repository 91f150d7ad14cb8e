// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

#include <oomx/bpf/abi.hpp>
#include <oomx/bpf/link.hpp>
#include <oomx/bpf/refusal.hpp>
#include <oomx/btf_view.hpp>
#include <oomx/cgroup.hpp>
#include <oomx/result.hpp>

// The link call of the series' revision v2. No released libbpf attaches struct_ops to a cgroup, so
// the kernel's value is filled and the link created here.

namespace oomx::bpf {

/// Writes a loaded struct_ops map's programs and name where the kernel's layout wants them. The map
/// can be linked afterwards, to any number of cgroups.
[[nodiscard]] inline result<void> publish_ops(const bpf_object* object, const bpf_map* ops,
                                              const btf_view& kernel) {
    const auto value_type = kernel.find_struct(abi::ops_value_struct);
    const auto kernel_ops = kernel.find_struct(abi::ops_struct);
    const auto data_offset = value_type ? value_type->offset_of("data") : std::nullopt;
    if (!kernel_ops || !data_offset) {
        return failure(errc::unsupported, "this kernel has no bpf_oom");
    }
    std::vector<std::byte> value(value_type->size());
    std::byte* const data = value.data() + *data_offset;

    const btf* const own_types = bpf_object__btf(object);
    const auto* const own = btf__type_by_id(own_types, bpf_map__btf_value_type_id(ops));
    std::size_t own_size = 0;
    const auto* const shadow =
        static_cast<const std::byte*>(bpf_map__initial_value(ops, &own_size));

    for (std::uint16_t i = 0; i < btf_vlen(own); ++i) {
        const btf_member& member = btf_members(own)[i];
        const std::string_view name = btf__name_by_offset(own_types, member.name_off);
        const std::byte* const from = shadow + btf_member_bit_offset(own, i) / 8;
        const auto to = kernel_ops->offset_of(name);
        if (!to) {
            return failure(errc::unsupported,
                           fmt::format("this kernel's bpf_oom_ops has no member '{}'", name));
        }
        if (btf_is_array(btf__type_by_id(own_types, member.type))) {
            // All but the last byte, which stays NUL: the kernel wants the name terminated.
            std::strncpy(reinterpret_cast<char*>(data + *to), reinterpret_cast<const char*>(from),
                         static_cast<std::size_t>(btf__resolve_size(own_types, member.type)) - 1);
            continue;
        }
        // libbpf keeps a callback as a pointer to its program; the kernel takes the descriptor.
        const bpf_program* program = nullptr;
        std::memcpy(&program, from, sizeof program);
        if (program != nullptr) {
            const auto fd = static_cast<unsigned long>(bpf_program__fd(program));
            std::memcpy(data + *to, &fd, sizeof fd);
        }
    }
    constexpr std::uint32_t only_key = 0;
    if (::bpf_map_update_elem(bpf_map__fd(ops), &only_key, value.data(), 0) != 0) {
        return refused(request::publish, errno);
    }
    return {};
}

/// BPF_LINK_CREATE, with its errno.
struct link_attempt {
    unique_fd fd;
    int system_error = 0;
};

inline link_attempt create_link(int map_fd, std::uint32_t cgroup_fd) {
    abi::link_create call{};
    call.map_fd = static_cast<std::uint32_t>(map_fd);
    call.relative_fd = cgroup_fd;
    constexpr long cmd_link_create = 28; // BPF_LINK_CREATE
    const long fd = ::syscall(SYS_bpf, cmd_link_create, &call, sizeof call);
    if (fd < 0) {
        return {unique_fd{}, errno};
    }
    return {unique_fd{static_cast<int>(fd)}, 0};
}

/// Whether the kernel looks at the cgroup of a struct_ops link at all.
///
/// Kernels without cgroup attach ignore it and attach system-wide (seen on 6.18 with another
/// struct_ops type). So it is asked to attach to something that is no cgroup, the map itself: a
/// kernel that looks must refuse that (EBADF: kernel/cgroup/cgroup.c, cgroup_get_from_fd()). The
/// policy must be disarmed: on a kernel that does not look it is attached system-wide until this
/// function closes the link again.
[[nodiscard]] inline result<void> prove_cgroup_scope(int map_fd) {
    const auto attempt = create_link(map_fd, static_cast<std::uint32_t>(map_fd));
    if (attempt.fd || attempt.system_error == EBUSY || attempt.system_error == EEXIST) {
        return failure(errc::unsupported,
                       "this kernel ignores the cgroup of a struct_ops link and would attach the "
                       "policy to the whole system",
                       "attach to cgroup::root() if that is meant, or run a kernel whose bpf_oom "
                       "attaches to cgroups");
    }
    if (attempt.system_error != EBADF) {
        return failure(errc::system, attempt.system_error,
                       "could not tell whether this kernel attaches to cgroups");
    }
    return {};
}

/// Links a published struct_ops map to a cgroup, or system-wide for cgroup::root().
///
/// Errors: busy, not_found (the cgroup was removed), not_permitted. Whether the cgroup has the
/// memory controller is the caller's to check: not every kernel does.
[[nodiscard]] inline result<link> attach(int map_fd, const cgroup& where) {
    auto attempt =
        create_link(map_fd, where.is_root() ? abi::system_wide_fd
                                            : static_cast<std::uint32_t>(where.native_handle()));
    if (attempt.fd) {
        return link{std::move(attempt.fd)};
    }
    return refused(request::attach, attempt.system_error);
}

} // namespace oomx::bpf
