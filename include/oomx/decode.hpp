// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cstddef>
#include <cstring>
#include <span>
#include <type_traits>

#include <fmt/format.h>

#include <oomx/cgroup_gone.hpp>
#include <oomx/decision.h>
#include <oomx/decision.hpp>
#include <oomx/declaration.hpp>
#include <oomx/result.hpp>

namespace oomx {

namespace detail {

/// A record of the right kind and size, to a receiver if it takes such.
template <typename Event, typename Raw, typename Receive>
[[nodiscard]] result<void> hand_over(std::span<const std::byte> record, Receive& receive) {
    Raw raw{};
    std::memcpy(&raw, record.data(), sizeof raw);
    if (const auto flaw = flaw_of(raw); !flaw.empty()) {
        return failure(errc::malformed, fmt::format("decode event: {}", flaw));
    }
    if constexpr (std::is_invocable_v<Receive&, const Event&>) {
        receive(Event{raw});
    }
    return {};
}

} // namespace detail

/// Reads one record of the ring buffer and hands it to `receive`, which is called with a
/// `const decision&`, a `const declaration&` or a `const cgroup_gone&`, whichever of these it
/// takes. Thread-safe.
///
/// Error: malformed for a record of another version, size or kind than this library knows, and for
/// one that no policy can have written.
template <typename Receive>
[[nodiscard]] result<void> decode(std::span<const std::byte> record, Receive&& receive) {
    static_assert(std::is_invocable_v<Receive, const decision&> ||
                      std::is_invocable_v<Receive, const declaration&> ||
                      std::is_invocable_v<Receive, const cgroup_gone&>,
                  "who receives events takes a const oomx::decision&, a const oomx::declaration& "
                  "or a const oomx::cgroup_gone&");
    oomx_event event{};
    if (record.size() < sizeof event) {
        return failure(errc::malformed,
                       fmt::format("decode event: {} bytes hold no header", record.size()));
    }
    std::memcpy(&event, record.data(), sizeof event);
    if (event.version != OOMX_RECORD_VERSION) {
        return failure(errc::malformed,
                       fmt::format("decode event: its version is {}, this library knows {}",
                                   event.version, OOMX_RECORD_VERSION),
                       "build the policy and the program with the same oomx");
    }
    if (event.kind == OOMX_EVENT_DECISION && record.size() == sizeof(oomx_decision)) {
        return detail::hand_over<decision, oomx_decision>(record, receive);
    }
    if (event.kind == OOMX_EVENT_DECLARATION && record.size() == sizeof(oomx_declaration)) {
        return detail::hand_over<declaration, oomx_declaration>(record, receive);
    }
    if (event.kind == OOMX_EVENT_CGROUP_GONE && record.size() == sizeof(oomx_cgroup_gone)) {
        return detail::hand_over<cgroup_gone, oomx_cgroup_gone>(record, receive);
    }
    return failure(errc::malformed, fmt::format("decode event: kind {} in {} bytes is unknown",
                                                event.kind, record.size()));
}

} // namespace oomx
