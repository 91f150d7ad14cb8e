// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cerrno>
#include <cstdint>
#include <map>
#include <utility>
#include <vector>

#include <bpf/bpf.h>

#include <oomx/bpf/refusal.hpp>
#include <oomx/ids.hpp>
#include <oomx/preference.hpp>
#include <oomx/result.hpp>
#include <oomx/unique_fd.hpp>

namespace oomx::bpf {

/// The BPF hash map that says which cgroups have a preference of their own. Keeps the map alive.
/// Thread-safe but for moves: an entry is written and read whole, also by the policy in force.
class [[nodiscard]] preferences_map {
public:
    /// Takes over a descriptor of the map oomx_preferences of a loaded policy.
    explicit preferences_map(unique_fd map) : map_{std::move(map)} {}

    /// Adds an entry, or changes one. Errors: exhausted, where there are as many as it holds;
    /// invalid_argument, not_permitted.
    [[nodiscard]] result<void> put(cgroup_id where, const preference& said) const {
        auto raw = said.raw();
        if (!raw) {
            return pass_on(std::move(raw));
        }
        if (::bpf_map_update_elem(native_handle(), &where, &*raw, BPF_ANY) != 0) {
            return refused(request::prefer, errno);
        }
        return {};
    }

    /// Takes an entry out, if it is there. Error: not_permitted.
    [[nodiscard]] result<void> remove(cgroup_id where) const {
        if (::bpf_map_delete_elem(native_handle(), &where) != 0 && errno != ENOENT) {
            return refused(request::prefer, errno);
        }
        return {};
    }

    /// All entries. One that comes or goes meanwhile may be missing. Error: not_permitted.
    [[nodiscard]] result<std::map<cgroup_id, preference>> entries() const {
        std::map<cgroup_id, preference> all;
        std::vector<cgroup_id> ids(OOMX_PREFERENCES);
        std::vector<oomx_preference> said(OOMX_PREFERENCES);
        std::uint32_t position = 0;
        for (bool first = true;; first = false) {
            // As many as there can be: the kernel gives whole buckets only.
            std::uint32_t count = OOMX_PREFERENCES;
            const int failed =
                ::bpf_map_lookup_batch(native_handle(), first ? nullptr : &position, &position,
                                       ids.data(), said.data(), &count, nullptr);
            const int cause = failed != 0 ? errno : 0;
            if (cause != 0 && cause != ENOENT) {
                return refused(request::inspect, cause);
            }
            for (std::uint32_t i = 0; i < count; ++i) {
                all.insert_or_assign(ids[i], preference::from(said[i]));
            }
            if (cause == ENOENT) { // that was the last bucket
                return all;
            }
        }
    }

    /// The map's descriptor, still owned here.
    [[nodiscard]] int native_handle() const { return map_.native_handle(); }

private:
    unique_fd map_;
};

} // namespace oomx::bpf
