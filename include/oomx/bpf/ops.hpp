// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include <fmt/format.h>

#include <oomx/bpf/abi.hpp>
#include <oomx/bpf/attach.hpp>
#include <oomx/bpf/departures.hpp>
#include <oomx/bpf/link.hpp>
#include <oomx/bpf/places.hpp>
#include <oomx/bpf/refusal.hpp>
#include <oomx/bpf/trial.hpp>
#include <oomx/cgroup.hpp>
#include <oomx/config.h>
#include <oomx/ids.hpp>
#include <oomx/pressure.h>
#include <oomx/pressure.hpp>
#include <oomx/result.hpp>
#include <oomx/unique_fd.hpp>

namespace oomx::bpf {

/// The struct_ops map of a policy that the kernel has verified: what is attached. Keeps the
/// policy's programs alive. Thread-safe.
class [[nodiscard]] ops {
public:
    /// `as`: the revision whose ops the map holds; `departed`: where links hang up; `control`: the
    /// policy's memory, to outlive this object.
    ops(unique_fd map, abi::revision as, std::optional<bpf::departures> departed,
        std::string policy, oomx_control& control)
        : map_{std::move(map)}, as_{as}, departures_{std::move(departed)},
          policy_{std::move(policy)}, places_{control} {}

    /// Where the init() of a pressure policy says how its triggers came out: to outlive this
    /// object.
    void report_to(oomx_triggers& triggers, const oomx_watches& watches) {
        triggers_ = &triggers;
        watches_ = &watches;
    }

    /// Links it to a cgroup, or system-wide for cgroup::root(). Errors as loaded_policy::attach().
    [[nodiscard]] result<link> attach(const cgroup& where) const {
        return within(link_to(where), [&] {
            return fmt::format("attach policy '{}' to {}", policy_, where.path().native());
        });
    }

    /// Whether a link can be given these ops instead of others, without a gap between the two.
    [[nodiscard]] bool can_take_over() const { return abi::links_are_updated(as_); }

    /// Gives them to a link that has the ops `old`. The link stays where it is, and its pins stay.
    /// Errors: not_found (it is detached), busy (it has other ops by now), not_permitted.
    [[nodiscard]] result<void> take_over(const link& from, const ops& old, cgroup_id where) const {
        const std::scoped_lock lock{attaching_};
        const auto info = from.info();
        if (!info) {
            return failure(info.error());
        }
        auto updated = from.update(native_handle(), old.native_handle());
        if (updated) {
            places_.remember(info->id, where);
        }
        return updated;
    }

    /// Fails for a pressure policy that has been attached before. The kernel's v2 keeps in such a
    /// policy's map what belongs to its one attachment: a second one overwrites that, and the
    /// machine crashes when the first one ends. Error: busy.
    [[nodiscard]] result<void> require_attachable() const {
        if (for_pressure() && !places_.none()) {
            return failure(errc::busy,
                           "it has been attached before, and a loaded pressure policy can be "
                           "attached once",
                           "load it anew");
        }
        return {};
    }

    /// Where a link of these ops is attached, root_cgroup for system-wide: by the kernel's word, or
    /// else by the policy's memory. Nothing if neither knows.
    [[nodiscard]] std::optional<cgroup_id> where(const link_info& of) const {
        return of.where ? of.where : places_.find(of.id);
    }

    /// Has departures() tell when this link is detached with its cgroup. Error: system.
    [[nodiscard]] result<void> wait_for(const link& made, cgroup_id where) const {
        return departures_ && where != root_cgroup
                   ? departures_->wait_for(made.native_handle(), where)
                   : result<void>{};
    }

    /// Tells of links that are detached; none where the kernel tells the policy of a removed
    /// cgroup.
    [[nodiscard]] const std::optional<bpf::departures>& departures() const { return departures_; }

    /// Whether they are of a pressure policy.
    [[nodiscard]] bool for_pressure() const { return triggers_ != nullptr; }

    /// The policy's name.
    [[nodiscard]] const std::string& policy() const { return policy_; }

    /// The map's descriptor, still owned here.
    [[nodiscard]] int native_handle() const { return map_.native_handle(); }

private:
    [[nodiscard]] result<link> link_to(const cgroup& where) const {
        if (!where.is_root()) {
            // The kernel would take the nearest ancestor that has it.
            if (auto controlled = where.require_memory_controller(); !controlled) {
                return pass_on(std::move(controlled));
            }
            if (auto scoped = require_cgroup_scope(where); !scoped) {
                return pass_on(std::move(scoped));
            }
        }
        const std::scoped_lock lock{attaching_};
        if (auto possible = require_attachable(); !possible) {
            return pass_on(std::move(possible));
        }
        auto linked =
            for_pressure() ? link_with_triggers() : bpf::attach(native_handle(), where, as_);
        return linked ? remembered(std::move(*linked), where.id()) : std::move(linked);
    }

    /// The link is there even if a trigger is not: see struct oomx_triggers. Then it goes again.
    [[nodiscard]] result<link> link_with_triggers() const {
        __atomic_store_n(&triggers_->error, 0, __ATOMIC_RELEASE);
        auto linked = bpf::attach(native_handle(), cgroup::root(), as_);
        const int error = __atomic_load_n(&triggers_->error, __ATOMIC_ACQUIRE);
        if (linked && error != 0) {
            const auto failed = triggers_->failed;
            return within(result<link>{refused(request::create_trigger, -error)}, [&] {
                return watch::name(failed, cgroup_id{watches_->watch[failed].cgroup_id});
            });
        }
        return linked;
    }

    [[nodiscard]] result<link> remembered(link made, cgroup_id where) const {
        const auto info = made.info();
        if (!info) {
            return failure(info.error());
        }
        if (auto waiting = wait_for(made, where); !waiting) {
            return pass_on(std::move(waiting));
        }
        places_.remember(info->id, where);
        return made;
    }

    unique_fd map_;
    abi::revision as_;
    std::optional<bpf::departures> departures_;
    std::string policy_;
    places places_;
    mutable std::mutex attaching_;
    oomx_triggers* triggers_ = nullptr;
    const oomx_watches* watches_ = nullptr;
};

} // namespace oomx::bpf
