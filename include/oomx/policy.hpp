// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <concepts>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include <bpf/libbpf.h>

#include <oomx/config.h>
#include <oomx/result.hpp>

namespace oomx {

/// The class that oomx_add_policy() makes of a policy built with <oomx/policy.bpf.h>: its maps,
/// its config of type Config and the part that both sides write.
template <typename Skeleton, typename Config>
concept policy_skeleton = requires(Skeleton* skeleton) {
    { skeleton->maps.oomx_ops_v2 } -> std::convertible_to<bpf_map*>;
    { skeleton->maps.oomx_events } -> std::convertible_to<bpf_map*>;
    { skeleton->rodata->config } -> std::same_as<Config&>;
    { skeleton->rodata->oomx_generation } -> std::convertible_to<std::uint64_t>;
    { skeleton->rodata->oomx_page_size } -> std::convertible_to<std::uint64_t>;
    { skeleton->bss->oomx_control } -> std::same_as<oomx_control&>;
    { Skeleton::load(skeleton) } -> std::same_as<int>;
};

/// A policy as C++ knows it: its name, its skeleton, the config struct it shares with the BPF side,
/// the options a program sets, and how the second is made of the third.
template <typename P>
concept policy = requires(const typename P::options& options) {
    requires policy_skeleton<typename P::skeleton, typename P::config>;
    // No padding: the bytes are what BPF reads.
    requires std::has_unique_object_representations_v<typename P::config>;
    { P::name } -> std::convertible_to<std::string_view>;
    { P::configure(options) } -> std::same_as<result<typename P::config>>;
};

} // namespace oomx
