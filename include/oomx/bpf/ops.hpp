// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <mutex>
#include <string>
#include <utility>

#include <fmt/format.h>

#include <oomx/bpf/abi.hpp>
#include <oomx/bpf/attach.hpp>
#include <oomx/bpf/link.hpp>
#include <oomx/bpf/refusal.hpp>
#include <oomx/cgroup.hpp>
#include <oomx/pressure.h>
#include <oomx/pressure.hpp>
#include <oomx/result.hpp>
#include <oomx/unique_fd.hpp>

namespace oomx::bpf {

/// The struct_ops map of a policy that the kernel has verified: what is attached. Keeps the
/// policy's programs alive. Thread-safe.
class [[nodiscard]] ops {
public:
    /// `as`: the revision whose ops the map holds; `cgroup_scope`: whether this kernel attaches to
    /// cgroups, or why not.
    ops(unique_fd map, abi::revision as, std::string policy, result<void> cgroup_scope)
        : map_{std::move(map)}, as_{as}, policy_{std::move(policy)},
          cgroup_scope_{std::move(cgroup_scope)} {}

    /// Where the init() of a pressure policy says how its triggers came out, and a lock for that:
    /// to outlive this object.
    void report_to(oomx_triggers& triggers, const oomx_watches& watches, std::mutex& attaching) {
        triggers_ = &triggers;
        watches_ = &watches;
        attaching_ = &attaching;
    }

    /// Links it to a cgroup, or system-wide for cgroup::root(). Errors as loaded_policy::attach().
    [[nodiscard]] result<link> attach(const cgroup& where) const {
        return within(link_to(where), [&] {
            return fmt::format("attach policy '{}' to {}", policy_, where.path().native());
        });
    }

    /// Whether they are of a pressure policy.
    [[nodiscard]] bool for_pressure() const { return triggers_ != nullptr; }

    /// The policy's name.
    [[nodiscard]] const std::string& policy() const { return policy_; }

    /// The map's descriptor, still owned here.
    [[nodiscard]] int native_handle() const { return map_.native_handle(); }

private:
    [[nodiscard]] result<link> link_to(const cgroup& where) const {
        if (!where.is_root()) {
            if (!cgroup_scope_) {
                return pass_on(result<void>{cgroup_scope_});
            }
            // The kernel would take the nearest ancestor that has it.
            if (auto controlled = where.require_memory_controller(); !controlled) {
                return pass_on(std::move(controlled));
            }
        }
        return for_pressure() ? link_with_triggers() : bpf::attach(native_handle(), where, as_);
    }

    /// The link is there even if a trigger is not: see struct oomx_triggers. Then it goes again.
    [[nodiscard]] result<link> link_with_triggers() const {
        const std::scoped_lock lock{*attaching_};
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

    unique_fd map_;
    abi::revision as_;
    std::string policy_;
    result<void> cgroup_scope_;
    oomx_triggers* triggers_ = nullptr;
    const oomx_watches* watches_ = nullptr;
    std::mutex* attaching_ = nullptr;
};

} // namespace oomx::bpf
