// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <oomx/bpf/abi.hpp>
#include <oomx/bpf/link.hpp>
#include <oomx/bpf/refusal.hpp>
#include <oomx/btf_view.hpp>
#include <oomx/cgroup.hpp>
#include <oomx/machine_files.hpp>
#include <oomx/result.hpp>
#include <oomx/unique_fd.hpp>

// From an opened policy to its link, for whatever revision the kernel has. No released libbpf
// attaches struct_ops to a cgroup, so the kernel's value is filled and the link created here.

namespace oomx::bpf {

/// The ops of a revision among a skeleton's maps, by the name that oomx/abi.bpf.h gives them; null
/// for a revision that has none.
template <typename Maps>
[[nodiscard]] bpf_map* ops_map(const Maps& maps, abi::revision which) {
    if constexpr (requires { maps.oomx_psi_v2; }) {
        return which == abi::revision::v2 ? maps.oomx_psi_v2 : nullptr;
    } else {
        switch (which) {
        case abi::revision::v2:
            return maps.oomx_ops_v2;
        case abi::revision::v3:
            return maps.oomx_ops_v3;
        case abi::revision::v4_wip:
            return maps.oomx_ops_v4;
        default:
            return nullptr;
        }
    }
}

/// Has the ops of one revision loaded, and those of the others left out with their programs. To be
/// called between open and load.
template <typename Maps>
void enable_ops(const Maps& maps, abi::revision which) {
    for (const auto each : abi::revisions) {
        if (bpf_map* const map = ops_map(maps, each)) {
            bpf_map__set_autocreate(map, each == which);
        }
    }
}

/// The value of a struct_ops map as the kernel lays it out: its programs' descriptors, once they
/// are loaded, and its name. Members are matched by name; one that the kernel lacks is an error
/// (unsupported).
[[nodiscard]] inline result<std::vector<std::byte>>
ops_value(const bpf_object* object, const bpf_map* ops, const btf_view& kernel) {
    const btf* const own_types = bpf_object__btf(object);
    const auto* const own = btf__type_by_id(own_types, bpf_map__btf_value_type_id(ops));
    // What follows ___ tells our own revisions apart.
    std::string name = btf__name_by_offset(own_types, own->name_off);
    name.resize(std::min(name.size(), name.find("___")));

    const auto value_type = kernel.find_struct("bpf_struct_ops_" + name);
    const auto kernel_ops = kernel.find_struct(name);
    const auto data_offset = value_type ? value_type->offset_of("data") : std::nullopt;
    if (!kernel_ops || !data_offset) {
        return failure(errc::unsupported, fmt::format("this kernel has no {}", name));
    }
    std::vector<std::byte> value(value_type->size());
    std::byte* const data = value.data() + *data_offset;

    std::size_t own_size = 0;
    const auto* const shadow =
        static_cast<const std::byte*>(bpf_map__initial_value(ops, &own_size));
    for (std::uint16_t i = 0; i < btf_vlen(own); ++i) {
        const btf_member& member = btf_members(own)[i];
        const std::string_view member_name = btf__name_by_offset(own_types, member.name_off);
        const auto size = static_cast<std::size_t>(btf__resolve_size(own_types, member.type));
        const std::byte* const from = shadow + btf_member_bit_offset(own, i) / 8;
        const auto to = kernel_ops->offset_of(member_name);
        if (!to || *data_offset + *to + size > value.size()) {
            return failure(errc::unsupported,
                           fmt::format("this kernel's {} has no member '{}' of {} bytes", name,
                                       member_name, size));
        }
        if (btf_is_array(btf__type_by_id(own_types, member.type))) {
            // All but the last byte, which stays NUL: the kernel wants the name terminated.
            std::strncpy(reinterpret_cast<char*>(data + *to), reinterpret_cast<const char*>(from),
                         size - 1);
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
    return value;
}

/// Gives a loaded struct_ops map its value, which libbpf does only for links it makes itself. The
/// map can be linked afterwards, to any number of cgroups.
[[nodiscard]] inline result<void> publish_ops(const bpf_object* object, const bpf_map* ops,
                                              const btf_view& kernel) {
    auto value = ops_value(object, ops, kernel);
    if (!value) {
        return pass_on(std::move(value));
    }
    constexpr std::uint32_t only_key = 0;
    if (::bpf_map_update_elem(bpf_map__fd(ops), &only_key, value->data(), 0) != 0) {
        return refused(request::publish, errno);
    }
    return {};
}

/// BPF_LINK_CREATE, with its errno.
struct link_attempt {
    unique_fd fd;         ///< the link, if there is one
    int system_error = 0; ///< why not, an errno
};

/// The system call itself. Tests put a function object of their own in its place.
struct create_link {
    /// Makes the link, or says why not.
    link_attempt operator()(const abi::link_create& call) const {
        constexpr long cmd_link_create = 28; // BPF_LINK_CREATE
        const long fd = ::syscall(SYS_bpf, cmd_link_create, &call, sizeof call);
        if (fd < 0) {
            return {unique_fd{}, errno};
        }
        return {unique_fd{static_cast<int>(fd)}, 0};
    }
};

/// Links a published struct_ops map to the cgroup whose directory a descriptor is, or system-wide.
/// Errors: as attach().
template <typename CreateLink = create_link>
[[nodiscard]] result<link> link_ops(int map_fd, int cgroup_fd, abi::revision as,
                                    const CreateLink& create = {}) {
    link_attempt attempt = create(abi::link_request(as, map_fd, cgroup_fd));
    if (as == abi::revision::v3 && attempt.system_error == EBUSY) {
        return failure(errc::not_found, EBUSY, "the cgroup is being removed", "none");
    }
    if (!attempt.fd) {
        return refused(request::attach, attempt.system_error);
    }
    return link{std::move(attempt.fd)};
}

/// The root of the hierarchy as a directory: what "system-wide" is called since v3. Errors:
/// unsupported where this process sees none or only a part of it; else as cgroup::open().
[[nodiscard]] inline result<cgroup> root_directory() {
    auto mounts = read_text("/proc/self/mounts");
    if (!mounts) {
        return pass_on(std::move(mounts));
    }
    const auto mount = parse_cgroup_mounts(*mounts).v2;
    if (!mount) {
        return failure(errc::unsupported, "no cgroup v2 hierarchy is mounted",
                       "mount -t cgroup2 none /sys/fs/cgroup");
    }
    auto root = cgroup::open(*mount);
    if (root && !root->is_root()) {
        return failure(errc::unsupported,
                       fmt::format("{} is not the root of the hierarchy: this process lives in a "
                                   "cgroup namespace",
                                   mount->native()),
                       "run it outside of the container");
    }
    return root;
}

/// The directory that names a place to the kernel: a descriptor of its own and never 0, which v2
/// would take for "system-wide" and which a cgroup has that was opened by a process without stdin.
[[nodiscard]] inline result<unique_fd> directory_of(const cgroup& where) {
    if (where.native_handle() < 0) {
        auto root = root_directory();
        return root ? directory_of(*root) : pass_on(std::move(root));
    }
    return duplicate(where.native_handle(), 1);
}

namespace detail {

/// The errors of a proof of cgroup scope.
inline result<void> cgroup_is_ignored() {
    return failure(errc::unsupported,
                   "this kernel ignores the cgroup of a struct_ops link and would attach the "
                   "policy to the whole system",
                   "attach to cgroup::root() if that is meant, or run a kernel whose bpf_oom "
                   "attaches to cgroups");
}

inline result<void> scope_is_unclear(error why) {
    return failure(std::move(why).within("try whether this kernel attaches to cgroups"));
}

/// v2: a kernel that looks at the cgroup has a place for each, one that does not has one place for
/// all. So two links that are there at the same time prove that it looks.
template <typename CreateLink>
result<void> prove_by_two_links(int map_fd, std::span<const cgroup> places,
                                const CreateLink& create) {
    const auto link_at = [&](const cgroup& place) -> link_attempt {
        if (place.native_handle() < 0) {
            return create(abi::link_request(abi::revision::v2, map_fd, abi::system_wide_fd));
        }
        const auto directory = duplicate(place.native_handle(), 1); // 0 is the whole system
        if (!directory) {
            return {unique_fd{}, directory.error().system_error()};
        }
        return create(abi::link_request(abi::revision::v2, map_fd, directory->native_handle()));
    };

    const cgroup* first = nullptr;
    link_attempt held;
    int why = ENOENT; // there is no place to try
    for (const cgroup& place : places) {
        link_attempt made = link_at(place);
        if (made.fd && first != nullptr) {
            return {};
        }
        if (made.fd) {
            held = std::move(made);
            first = &place;
        } else if (why == ENOENT || made.system_error != EBUSY) {
            why = made.system_error;
        }
    }
    // All other places are taken: by other policies, or they are the same place. If the first one
    // is, the whole system's place is free without it, and the first one is taken then.
    if (why == EBUSY && first != nullptr && first->native_handle() >= 0) {
        held.fd = {};
        const link_attempt system = link_at(cgroup::root());
        if (system.fd) {
            return link_at(*first).fd ? result<void>{} : cgroup_is_ignored();
        }
    }
    if (why == EBUSY) {
        return scope_is_unclear({errc::busy, EBUSY,
                                 "other policies are attached to the cgroup, to all above it and "
                                 "to the whole system",
                                 "detach one of them, and try again"});
    }
    return scope_is_unclear(refusal_error(request::attach, why));
}

/// Later revisions: a kernel that looks must refuse what is no cgroup, the map itself (EBADF:
/// kernel/cgroup/cgroup.c, cgroup_get_from_fd()). Not for v2: the posted one never frees what such
/// a call has taken.
template <typename CreateLink>
result<void> prove_by_no_cgroup(int map_fd, abi::revision as, const CreateLink& create) {
    const link_attempt attempt = create(abi::link_request(as, map_fd, map_fd));
    switch (attempt.system_error) {
    case EBADF:
        return {};
    case 0:
    case EBUSY:
    case EEXIST:
        return cgroup_is_ignored();
    default:
        return scope_is_unclear(refusal_error(request::attach, attempt.system_error));
    }
}

} // namespace detail

/// Whether the kernel looks at the cgroup of a struct_ops link at all: kernels without cgroup
/// attach ignore it and attach system-wide (seen on 6.18 with another struct_ops type).
///
/// What is tried are attachments of a map whose handler declines everything, for a moment, to one
/// or two of these places; cgroup::root() among them stands for v2's "system-wide". Nothing stays
/// attached. Errors: unsupported if the kernel does not look; any other means that it could not be
/// told, busy if all places are taken.
template <typename CreateLink = create_link>
[[nodiscard]] result<void> prove_cgroup_scope(int map_fd, abi::revision as,
                                              std::span<const cgroup> places,
                                              const CreateLink& create = {}) {
    return as == abi::revision::v2 ? detail::prove_by_two_links(map_fd, places, create)
                                   : detail::prove_by_no_cgroup(map_fd, as, create);
}

/// Where to try that: the root's directory, which is hardly ever taken in v2; the cgroup and all
/// above it, as far as this process sees them; the whole system last, which other programs may want
/// in that moment. Those without the memory controller are left out: the posted v2 attaches to
/// another cgroup then.
[[nodiscard]] inline std::vector<cgroup> trial_places(const cgroup& from) {
    std::vector<cgroup> places;
    const auto offer = [&](result<cgroup> place) {
        if (place && place->has_memory_controller().value_or(false)) {
            places.push_back(std::move(*place));
        }
    };
    offer(root_directory());
    if (!from.is_root()) {
        offer(from.duplicate());
        for (auto above = from.parent(); above && !above->is_root(); above = above->parent()) {
            offer(above->duplicate());
        }
    }
    places.push_back(cgroup::root());
    return places;
}

/// Links a published struct_ops map to a cgroup, or system-wide for cgroup::root(): v2 has a
/// word for that, later revisions take the root's directory.
///
/// Errors: busy, not_found (the cgroup was removed), exhausted (v4-wip: there are 64), or as
/// root_directory(). Whether the cgroup has the memory controller is the caller's to check: not
/// every kernel does.
template <typename CreateLink = create_link>
[[nodiscard]] result<link> attach(int map_fd, const cgroup& where, abi::revision as,
                                  const CreateLink& create = {}) {
    if (where.is_root() && as == abi::revision::v2) {
        return link_ops(map_fd, abi::system_wide_fd, as, create);
    }
    auto directory = directory_of(where);
    if (!directory) {
        return pass_on(std::move(directory));
    }
    return link_ops(map_fd, directory->native_handle(), as, create);
}

} // namespace oomx::bpf
