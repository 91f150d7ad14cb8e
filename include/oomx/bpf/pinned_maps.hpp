// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <oomx/bpf/abi.hpp>
#include <oomx/bpf/refusal.hpp>
#include <oomx/btf_view.hpp>
#include <oomx/config.h>
#include <oomx/result.hpp>
#include <oomx/unique_fd.hpp>

// How a program that did not load a policy finds its maps: from the link to the struct_ops map,
// from that to a program, from that to the maps it uses. All by id, for which the kernel wants
// CAP_SYS_ADMIN (kernel/bpf/syscall.c, bpf_map_get_fd_by_id()).

namespace oomx::bpf {

/// The maps of a policy that is in force already.
struct pinned_maps {
    unique_fd ops;         ///< the struct_ops map
    unique_fd events;      ///< the ring buffer
    unique_fd preferences; ///< oomx_preferences; none of a pressure policy
    unique_fd data;        ///< .data.oomx
    oomx_object object;    ///< what it was loaded with

    /// Those behind a link's struct_ops map. Errors: not_permitted, not_found (it was detached),
    /// mismatch (no policy of oomx's).
    [[nodiscard]] static result<pinned_maps> find(std::uint32_t ops_id, const abi::ops_type& type,
                                                  const btf_view& kernel);

private:
    static result<std::uint32_t> program_in(int ops, const abi::ops_type& type,
                                            const btf_view& kernel);
    static result<std::vector<std::uint32_t>> maps_of(std::uint32_t program_id);
    result<void> take(unique_fd map, std::string_view name);
};

/// The id of the program that handles events: a struct_ops value shows ids where it was given
/// descriptors (kernel/bpf/bpf_struct_ops.c).
inline result<std::uint32_t> pinned_maps::program_in(int ops, const abi::ops_type& type,
                                                     const btf_view& kernel) {
    const auto value_type = kernel.find_struct(type.value);
    const auto kernel_ops = kernel.find_struct(type.name);
    const auto data = value_type ? value_type->offset_of("data") : std::nullopt;
    const auto handler = kernel_ops ? kernel_ops->offset_of(type.required) : std::nullopt;
    if (!data || !handler) {
        return failure(errc::unsupported, fmt::format("this kernel has no {}", type.name));
    }
    bpf_map_info info{};
    std::uint32_t size = sizeof info;
    if (::bpf_obj_get_info_by_fd(ops, &info, &size) != 0) {
        return refused(request::inspect, errno);
    }
    if (info.type != BPF_MAP_TYPE_STRUCT_OPS || info.value_size != value_type->size()) {
        return failure(errc::mismatch, fmt::format("what is linked there is no {}", type.name));
    }
    std::vector<std::byte> value(info.value_size);
    constexpr std::uint32_t only_key = 0;
    if (::bpf_map_lookup_elem(ops, &only_key, value.data()) != 0) {
        return refused(request::inspect, errno);
    }
    unsigned long id = 0;
    std::memcpy(&id, value.data() + *data + *handler, sizeof id);
    return static_cast<std::uint32_t>(id);
}

inline result<std::vector<std::uint32_t>> pinned_maps::maps_of(std::uint32_t program_id) {
    const unique_fd program{::bpf_prog_get_fd_by_id(program_id)};
    if (!program) {
        return refused(request::inspect, errno);
    }
    // Asked twice: first how many there are.
    bpf_prog_info info{};
    std::uint32_t size = sizeof info;
    if (::bpf_obj_get_info_by_fd(program.native_handle(), &info, &size) != 0) {
        return refused(request::inspect, errno);
    }
    std::vector<std::uint32_t> ids(info.nr_map_ids);
    info = {};
    info.nr_map_ids = static_cast<std::uint32_t>(ids.size());
    info.map_ids = reinterpret_cast<std::uintptr_t>(ids.data());
    if (::bpf_obj_get_info_by_fd(program.native_handle(), &info, &size) != 0) {
        return refused(request::inspect, errno);
    }
    return ids;
}

inline result<void> pinned_maps::take(unique_fd map, std::string_view name) {
    if (name == "oomx_events") {
        events = std::move(map);
    } else if (name == std::string_view{"oomx_preferences"}.substr(0, BPF_OBJ_NAME_LEN - 1)) {
        preferences = std::move(map); // the kernel keeps no longer name
    } else if (name == ".data.oomx") {
        data = std::move(map);
    } else if (name == ".rodata.oomx") {
        constexpr std::uint32_t only_key = 0;
        if (::bpf_map_lookup_elem(map.native_handle(), &only_key, &object) != 0) {
            return refused(request::inspect, errno);
        }
    }
    return {};
}

inline result<pinned_maps> pinned_maps::find(std::uint32_t ops_id, const abi::ops_type& type,
                                             const btf_view& kernel) {
    if (ops_id == 0) {
        return failure(errc::not_found, "it is detached", "remove the pin, and attach anew");
    }
    pinned_maps found{};
    found.ops = unique_fd{::bpf_map_get_fd_by_id(ops_id)};
    if (!found.ops) {
        return refused(request::inspect, errno);
    }
    auto program = program_in(found.ops.native_handle(), type, kernel);
    if (!program) {
        return pass_on(std::move(program));
    }
    auto maps = maps_of(*program);
    if (!maps) {
        return pass_on(std::move(maps));
    }
    for (const std::uint32_t id : *maps) {
        unique_fd map{::bpf_map_get_fd_by_id(id)};
        bpf_map_info info{};
        std::uint32_t size = sizeof info;
        if (!map || ::bpf_obj_get_info_by_fd(map.native_handle(), &info, &size) != 0) {
            return refused(request::inspect, errno);
        }
        const std::string_view name{info.name};
        if (name == ".rodata.oomx" && info.value_size != sizeof found.object) {
            return failure(errc::mismatch, "it was built with another version of oomx",
                           "remove the pin, and attach anew");
        }
        if (auto taken = found.take(std::move(map), name); !taken) {
            return pass_on(std::move(taken));
        }
    }
    if (!found.events || !found.data || found.object.identity == 0) {
        return failure(errc::mismatch, "it is no policy of oomx's",
                       "remove the pin, and attach anew");
    }
    return found;
}

} // namespace oomx::bpf
