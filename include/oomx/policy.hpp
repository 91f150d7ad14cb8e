// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <concepts>
#include <cstdint>
#include <string_view>
#include <type_traits>

#include <bpf/libbpf.h>

#include <oomx/bpf/abi.hpp>
#include <oomx/config.h>
#include <oomx/pressure.h>
#include <oomx/result.hpp>

namespace oomx {

namespace detail {

template <typename>
inline constexpr bool is_false = false;

template <typename Skeleton>
concept has_oom_ops = requires(Skeleton& skeleton) {
    { skeleton.maps.oomx_ops_v2 } -> std::same_as<bpf_map*&>;
    { skeleton.maps.oomx_ops_v3 } -> std::same_as<bpf_map*&>;
    { skeleton.maps.oomx_ops_v4 } -> std::same_as<bpf_map*&>;
};

template <typename Skeleton>
concept has_pressure_ops = requires(Skeleton& skeleton) {
    { skeleton.maps.oomx_psi_v2 } -> std::same_as<bpf_map*&>;
    { skeleton.data_oomx->oomx_triggers } -> std::same_as<oomx_triggers&>;
};

// Not one constraint each: what a compiler prints of a constraint is no sentence.
template <typename P>
consteval bool require_policy() {
    if constexpr (!requires { typename P::skeleton; }) {
        static_assert(is_false<P>, "a policy descriptor says which class oomx_add_policy() made: "
                                   "using skeleton = ::<name>_bpf;");
    } else if constexpr (!requires { typename P::config; }) {
        static_assert(is_false<P>, "a policy descriptor says which struct its BPF source gives to "
                                   "OOMX_CONFIG(): using config = ::<struct>;");
    } else if constexpr (!requires { typename P::options; }) {
        static_assert(is_false<P>, "a policy descriptor has the options that a program sets: "
                                   "struct options { … };");
    } else if constexpr (!requires {
                             { P::name } -> std::convertible_to<std::string_view>;
                         }) {
        static_assert(is_false<P>, "a policy descriptor has the policy's name: "
                                   "static constexpr std::string_view name = \"…\";");
    } else if constexpr (!requires(const typename P::options& options) {
                             { P::configure(options) } -> std::same_as<result<typename P::config>>;
                         }) {
        static_assert(is_false<P>, "a policy descriptor makes its config of its options, and may "
                                   "refuse them: static oomx::result<config> configure(const "
                                   "options&);");
    } else if constexpr (!std::is_trivially_copyable_v<typename P::config> ||
                         !std::has_unique_object_representations_v<typename P::config>) {
        static_assert(is_false<P>, "a policy's config is shared with BPF byte by byte: it may have "
                                   "no padding; order its members by size, or name the gaps");
        // NOLINTNEXTLINE(bugprone-branch-clone): each gives its reason
    } else if constexpr (!requires { sizeof(typename P::skeleton); }) {
        return true; // oomx_add_policy() could not build it for BPF: it runs natively only
    } else if constexpr (!requires(typename P::skeleton& skeleton) {
                             { P::skeleton::open() } -> std::same_as<typename P::skeleton*>;
                             { P::skeleton::load(&skeleton) } -> std::same_as<int>;
                             P::skeleton::destroy(&skeleton);
                             P::skeleton::elf_bytes(static_cast<std::size_t*>(nullptr));
                             { skeleton.obj } -> std::same_as<bpf_object*&>;
                         }) {
        static_assert(is_false<P>, "a policy's skeleton is the class that oomx_add_policy() made, "
                                   "and that one has open(), load(), destroy() and elf_bytes()");
    } else if constexpr (!has_oom_ops<typename P::skeleton> &&
                         !has_pressure_ops<typename P::skeleton>) {
        static_assert(is_false<P>, "the skeleton has no struct_ops map of oomx's: its BPF source "
                                   "ends with OOMX_POLICY(<name>, <handler>); or "
                                   "OOMX_PRESSURE_POLICY(<name>, <handler>);");
    } else if constexpr (!requires(typename P::skeleton& skeleton) {
                             { skeleton.maps.oomx_events } -> std::same_as<bpf_map*&>;
                         }) {
        static_assert(is_false<P>, "the skeleton has no map oomx_events: its BPF source includes "
                                   "<oomx/policy.bpf.h> and has nothing else of that name");
    } else if constexpr (has_oom_ops<typename P::skeleton> &&
                         !requires(typename P::skeleton& skeleton) {
                             { skeleton.maps.oomx_preferences } -> std::same_as<bpf_map*&>;
                         }) {
        static_assert(is_false<P>, "the skeleton has no map oomx_preferences: its BPF source "
                                   "includes <oomx/policy.bpf.h> and has nothing else of that "
                                   "name");
    } else if constexpr (!requires(typename P::skeleton& skeleton) {
                             { skeleton.rodata_oomx->oomx_object } -> std::same_as<oomx_object&>;
                             { skeleton.data_oomx->oomx_control } -> std::same_as<oomx_control&>;
                         }) {
        static_assert(is_false<P>, "the skeleton lacks what oomx shares with every policy: it was "
                                   "built with another version of <oomx/policy.bpf.h>");
    } else if constexpr (!requires(typename P::skeleton& skeleton) {
                             {
                                 skeleton.data_oomx->oomx_configs[0]
                             } -> std::same_as<typename P::config&>;
                         }) {
        static_assert(is_false<P>, "the descriptor's config is not the struct that the BPF source "
                                   "gives to OOMX_CONFIG()");
    } else {
        return true;
    }
    return false;
}

} // namespace detail

/// A policy as C++ knows it: its name, its skeleton, the config struct it shares with the BPF side,
/// the options a program sets, and how the second is made of the third.
///
/// `static_assert(oomx::policy<P>)` says in a sentence what a descriptor lacks. So does every use
/// of one that is none: it is an error, not an overload that does not match.
template <typename P>
concept policy = detail::require_policy<P>();

/// A policy that the kernel asks who dies when a cgroup, or the system, is out of memory. Attached
/// to cgroups.
template <typename P>
concept oom_policy = policy<P> && detail::has_oom_ops<typename P::skeleton>;

/// A policy that the kernel tells when a cgroup, or the system, is under pressure. It is attached
/// once; its config says what it watches.
template <typename P>
concept pressure_policy = policy<P> && !oom_policy<P>;

namespace detail {

template <policy P>
inline constexpr bpf::abi::ops_type ops_type =
    oom_policy<P> ? bpf::abi::oom_ops : bpf::abi::psi_ops;

} // namespace detail

/// An OOM policy of whose config some fields may change while it is in force: `P::live` is a
/// std::tuple of pointers to those members of P::config.
template <typename P>
concept reconfigurable = oom_policy<P> && requires { P::live; };

} // namespace oomx
