// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Every reader of a cgroup's files, over any text.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <oomx/cgroup_files.hpp>
#include <oomx/cgroup_mounts.hpp>
#include <oomx/memory_events.hpp>
#include <oomx/memory_stat.hpp>

#include "fuzz/require.hpp"

using oomx::test::require;

namespace {

/// What any reader gives: a value, or an error with a short text.
template <typename T>
bool is_value(const oomx::result<T>& outcome) {
    if (!outcome) {
        require(!outcome.error().message().empty());
        require(outcome.error().message().size() < 1000);
    }
    return outcome.has_value();
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const std::string_view content{reinterpret_cast<const char*>(data), size};

    if (const auto amount = oomx::parse_bytes(content); is_value(amount)) {
        require(oomx::parse_bytes(fmt::format("{}\n", amount->count())) == *amount);
        require(oomx::parse_limit(content)->amount() == *amount);
    }
    if (const auto bound = oomx::parse_limit(content); is_value(bound)) {
        require(bound->is_max() || oomx::parse_bytes(content) == bound->amount());
    }
    if (is_value(oomx::parse_flag(content))) {
        require(content.size() == 2);
    }
    if (const auto names = oomx::parse_names(content); is_value(names)) {
        require(std::ranges::none_of(*names, &std::string::empty));
    }
    if (const auto processes = oomx::parse_processes(content); is_value(processes)) {
        require(std::ranges::is_sorted(*processes));
        require(processes->empty() || processes->front() > 0);
    }
    if (const auto events = oomx::parse_memory_events(content); is_value(events)) {
        require(oomx::text::find_counter(content, "oom_kill").has_value());
    }
    if (const auto stat = oomx::parse_memory_stat(content); is_value(stat)) {
        require(stat->find("anon").has_value());
        require(stat->content == content);
    }
    require(!oomx::parse_cgroup_mounts(content).remedy().empty());
    return 0;
}
