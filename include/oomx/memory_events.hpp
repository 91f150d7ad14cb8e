// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string_view>
#include <utility>

#include <oomx/result.hpp>
#include <oomx/text.hpp>

namespace oomx {

/// How often a cgroup met its bounds, as memory.events counts it since the cgroup was made.
///
/// A plain value: safe to use from any thread that has its own copy.
struct memory_events {
    std::uint64_t low = 0;      ///< reclaimed though below memory.low
    std::uint64_t high = 0;     ///< throttled and reclaimed for being over memory.high
    std::uint64_t max = 0;      ///< an allocation was about to go over memory.max
    std::uint64_t oom = 0;      ///< such an allocation was about to fail
    std::uint64_t oom_kill = 0; ///< processes killed by an OOM killer, whoever's OOM it was

    /// Cgroups killed whole; nothing where the kernel does not count them (before 5.17).
    std::optional<std::uint64_t> oom_group_kill;

    friend bool operator==(const memory_events&, const memory_events&) = default;
};

/// Reads the content of memory.events or memory.events.local. Counters of newer kernels are passed
/// over.
///
/// Error: malformed.
[[nodiscard]] inline result<memory_events> parse_memory_events(std::string_view content) {
    using field = text::field<memory_events, std::uint64_t>;
    auto events = text::parse_counters(content, std::array{
                                                    field{"low", &memory_events::low},
                                                    field{"high", &memory_events::high},
                                                    field{"max", &memory_events::max},
                                                    field{"oom", &memory_events::oom},
                                                    field{"oom_kill", &memory_events::oom_kill},
                                                });
    if (events) {
        events->oom_group_kill = text::find_counter(content, "oom_group_kill");
    }
    return events;
}

} // namespace oomx
