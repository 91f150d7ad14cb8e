// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// What the library promises of its types, whatever the values. It compiles: all of it holds.
#include <concepts>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <type_traits>

#include <oomx/candidate.h>
#include <oomx/oomx.hpp>

namespace {

template <typename T>
concept owner = std::is_nothrow_move_constructible_v<T> && std::is_nothrow_move_assignable_v<T> &&
                !std::copy_constructible<T> && !std::is_copy_assignable_v<T>;

template <typename T>
concept plain_value = std::is_trivially_copyable_v<T> && std::is_nothrow_copy_constructible_v<T>;

// What an attachment needs for its place to be taken by another policy's.
struct attachment_parts {
    oomx::bpf::link link;
    std::shared_ptr<const oomx::bpf::ops> policy;
    oomx::cgroup where;
    std::optional<std::filesystem::path> pin;
};

// What a stream of events reads from, and what says how many were lost.
struct events_parts {
    oomx::bpf::ring_buffer ring;
    std::shared_ptr<const oomx_control> control;
    std::shared_ptr<const oomx::bpf::ops> policy;
    oomx::unique_fd both;
};

// A handle costs what it holds.
static_assert(sizeof(oomx::bytes) == sizeof(std::uint64_t));
static_assert(sizeof(oomx::limit) == sizeof(std::uint64_t));
static_assert(sizeof(oomx::cgroup_id) == sizeof(std::uint64_t));
static_assert(sizeof(oomx::unique_fd) == sizeof(int));
static_assert(sizeof(oomx::bpf::link) == sizeof(int));
static_assert(sizeof(oomx::attachment) == sizeof(attachment_parts));
static_assert(sizeof(oomx::events) == sizeof(events_parts));
static_assert(sizeof(oomx::btf_view) == sizeof(void*));
static_assert(sizeof(oomx::decision) == sizeof(oomx_decision));
static_assert(sizeof(oomx::declaration) == sizeof(oomx_declaration));

// What owns something in the kernel moves, without throwing, and is never copied.
static_assert(owner<oomx::unique_fd>);
static_assert(owner<oomx::bpf::link>);
static_assert(owner<oomx::bpf::ring_buffer>);
static_assert(owner<oomx::attachment>);
static_assert(owner<oomx::events>);
static_assert(owner<oomx::cgroup>);
static_assert(owner<oomx::btf_view>);
static_assert(owner<oomx::result<oomx::attachment>>);

// A capture is known to libbpf by its address.
static_assert(!std::move_constructible<oomx::bpf::libbpf_messages>);

static_assert(plain_value<oomx::bytes>);
static_assert(plain_value<oomx::limit>);
static_assert(plain_value<oomx::memory_events>);
static_assert(plain_value<oomx::pressure_stat>);
static_assert(plain_value<oomx::cgroup_id>);
static_assert(plain_value<oomx::decision>);
static_assert(plain_value<oomx::declaration>);
static_assert(plain_value<oomx::watch>);
static_assert(plain_value<oomx::decision::entry>);
static_assert(plain_value<oomx::cgroup_gone>);
static_assert(plain_value<oomx::rails>);
static_assert(plain_value<oomx::ranking>);
static_assert(plain_value<oomx::preference>);
static_assert(plain_value<oomx::btf_struct>);

// An error is handed up by moving: that must not fail.
static_assert(std::is_nothrow_move_constructible_v<oomx::error>);
static_assert(std::is_nothrow_move_constructible_v<oomx::result<void>>);

// No number passes for a unit, and no unit for another.
static_assert(!std::convertible_to<std::uint64_t, oomx::bytes>);
static_assert(!std::convertible_to<oomx::bytes, std::uint64_t>);
static_assert(!std::convertible_to<std::uint64_t, oomx::cgroup_id>);
static_assert(!std::convertible_to<int, oomx::unique_fd>);
static_assert(!std::convertible_to<oomx::unique_fd, int>);
static_assert(!std::convertible_to<oomx::unique_fd, bool>);
static_assert(!std::convertible_to<oomx::capability, bool>);
static_assert(!std::is_constructible_v<oomx::bytes, oomx::cgroup_id>);
static_assert(!std::convertible_to<oomx::bytes, oomx::limit>);
static_assert(!std::convertible_to<oomx::limit, oomx::bytes>);

// Both sides see the same bytes.
static_assert(std::has_unique_object_representations_v<oomx_rails>);
static_assert(std::has_unique_object_representations_v<oomx_ranking>);
static_assert(std::has_unique_object_representations_v<oomx_preference>);
static_assert(std::has_unique_object_representations_v<oomx_control>);
static_assert(std::has_unique_object_representations_v<oomx_entry>);
static_assert(std::has_unique_object_representations_v<oomx_decision>);
static_assert(std::has_unique_object_representations_v<oomx_cgroup_gone>);
static_assert(std::has_unique_object_representations_v<oomx_declaration>);
static_assert(std::has_unique_object_representations_v<oomx_watches>);
static_assert(std::has_unique_object_representations_v<oomx_triggers>);
static_assert(std::has_unique_object_representations_v<oomx::bpf::abi::link_create>);

// "No limit" is the same number on both.
static_assert(oomx::limit::max().amount().count() == OOMX_NO_LIMIT);

} // namespace
