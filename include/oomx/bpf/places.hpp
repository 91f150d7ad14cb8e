// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <ranges>
#include <utility>

#include <oomx/config.h>
#include <oomx/ids.hpp>

namespace oomx::bpf {

/// Where a loaded policy is attached, or was: kept in the policy's own memory, for a process that
/// adopts the policy later. v2 of the series does not say where a link is attached.
///
/// One thread at a time writes; a reader may be another process.
class places {
public:
    /// The policy's memory, which is to outlive this object.
    explicit places(oomx_control& control) : control_{&control} {}

    /// Keeps where a link is attached. OOMX_PLACES cgroups are remembered, of each the last link;
    /// beyond that the oldest link is forgotten.
    void remember(std::uint32_t link_id, cgroup_id where) const {
        auto& all = control_->attached_to;
        const auto raw = std::to_underlying(where);
        auto* const same = std::ranges::find(all, raw, &oomx_place::cgroup_id);
        // Ids of links only grow; a free place has 0.
        auto* const place = same != std::ranges::end(all)
                                ? same
                                : std::ranges::min_element(all, {}, &oomx_place::link_id);
        __atomic_store_n(&place->link_id, 0, __ATOMIC_RELEASE);
        __atomic_store_n(&place->cgroup_id, raw, __ATOMIC_RELEASE);
        __atomic_store_n(&place->link_id, link_id, __ATOMIC_RELEASE);
    }

    /// Where a link is attached; nothing if the policy does not know the link.
    [[nodiscard]] std::optional<cgroup_id> find(std::uint32_t link_id) const {
        for (const oomx_place& place : control_->attached_to) {
            if (link_id != 0 && __atomic_load_n(&place.link_id, __ATOMIC_ACQUIRE) == link_id) {
                return cgroup_id{__atomic_load_n(&place.cgroup_id, __ATOMIC_ACQUIRE)};
            }
        }
        return std::nullopt;
    }

    /// Whether the policy has been attached nowhere since it was loaded.
    [[nodiscard]] bool none() const {
        return std::ranges::all_of(control_->attached_to, [](const oomx_place& place) {
            return __atomic_load_n(&place.link_id, __ATOMIC_ACQUIRE) == 0;
        });
    }

private:
    oomx_control* control_;
};

} // namespace oomx::bpf
