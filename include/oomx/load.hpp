// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include <unistd.h>

#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <oomx/attachment.hpp>
#include <oomx/bpf/attach.hpp>
#include <oomx/bpf/object.hpp>
#include <oomx/bpf/ring_buffer.hpp>
#include <oomx/btf_view.hpp>
#include <oomx/capabilities.hpp>
#include <oomx/cgroup.hpp>
#include <oomx/events.hpp>
#include <oomx/policy.hpp>
#include <oomx/result.hpp>

namespace oomx {

/// A policy that the kernel has verified, with a config that no longer changes, in force nowhere
/// yet. Attachments and event streams made from it outlive it. Thread-safe but for moves.
template <policy P>
class [[nodiscard]] loaded_policy {
public:
    loaded_policy(loaded_policy&&) noexcept = default;
    loaded_policy& operator=(loaded_policy&&) noexcept = default;
    loaded_policy(const loaded_policy&) = delete;
    loaded_policy& operator=(const loaded_policy&) = delete;
    ~loaded_policy() = default;

    /// Puts it in force for a cgroup and all below it, or for the whole system.
    ///
    /// Errors: busy (one policy a cgroup), not_found (the cgroup was removed), unsupported (the
    /// cgroup has no memory controller; or the kernel would ignore which cgroup it is),
    /// not_permitted.
    [[nodiscard]] result<attachment> attach(const cgroup& where) const {
        return within(attach_to(where), [&] {
            return fmt::format("attach policy '{}' to {}", P::name, where.path().native());
        });
    }

    /// A stream of what it decides. Streams share one buffer: open one.
    [[nodiscard]] result<oomx::events> events() const {
        auto ring = bpf::ring_buffer::open(bpf_map__fd((*object_)->maps.oomx_events));
        if (!ring) {
            return pass_on(std::move(ring));
        }
        return oomx::events{std::move(*ring), std::shared_ptr<const volatile oomx_control>{
                                                  object_, &(*object_)->bss->oomx_control}};
    }

    /// The generated skeleton, for what the library does not wrap.
    [[nodiscard]] typename P::skeleton* native_handle() const { return object_->native_handle(); }

private:
    using object = bpf::object<typename P::skeleton>;

    template <policy Q>
    friend result<loaded_policy<Q>> load(const typename Q::options& options);

    loaded_policy(object loaded, result<void> cgroup_scope)
        : object_{std::make_shared<object>(std::move(loaded))},
          cgroup_scope_{std::move(cgroup_scope)} {}

    static result<loaded_policy> make(const typename P::options& options);

    [[nodiscard]] result<attachment> attach_to(const cgroup& where) const;

    std::shared_ptr<object> object_;
    result<void> cgroup_scope_; // whether this kernel attaches to cgroups, or why not
};

template <policy P>
result<loaded_policy<P>> loaded_policy<P>::make(const typename P::options& options) {
    auto config = P::configure(options);
    if (!config) {
        return pass_on(std::move(config));
    }
    auto kernel = btf_view::kernel();
    if (!kernel) {
        return pass_on(std::move(kernel));
    }
    if (auto found = probe(*kernel); !found.bpf_oom) {
        return failure(errc::unsupported, std::move(found.bpf_oom.because),
                       std::move(found.bpf_oom.remedy));
    }
    auto opened = object::open();
    if (!opened) {
        return pass_on(std::move(opened));
    }
    auto& policy = *opened;
    policy->rodata->config = *config;
    policy->rodata->oomx_generation = 1;
    policy->rodata->oomx_page_size = static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE));
    bpf_map__set_autocreate(policy->maps.oomx_ops_v2, true);
    if (auto loaded = policy.load(); !loaded) {
        return pass_on(std::move(loaded));
    }
    if (auto published = bpf::publish_ops(policy->obj, policy->maps.oomx_ops_v2, *kernel);
        !published) {
        return pass_on(std::move(published));
    }
    // Still disarmed: it declines wherever a kernel that ignores the cgroup would put it.
    auto scope = bpf::prove_cgroup_scope(bpf_map__fd(policy->maps.oomx_ops_v2));
    __atomic_store_n(&policy->bss->oomx_control.armed, 1, __ATOMIC_RELEASE);
    return loaded_policy{std::move(policy), std::move(scope)};
}

template <policy P>
result<attachment> loaded_policy<P>::attach_to(const cgroup& where) const {
    if (!where.is_root()) {
        if (!cgroup_scope_) {
            return pass_on(result<void>{cgroup_scope_});
        }
        // The kernel would take the nearest ancestor that has it.
        auto controlled = where.has_memory_controller();
        if (!controlled) {
            return pass_on(std::move(controlled));
        }
        if (!*controlled) {
            return failure(errc::unsupported, "it has no memory controller",
                           "write +memory to its parent's cgroup.subtree_control");
        }
    }
    auto link = bpf::attach(bpf_map__fd((*object_)->maps.oomx_ops_v2), where);
    if (!link) {
        return pass_on(std::move(link));
    }
    return attachment{std::move(*link)};
}

/// Configures a policy and has the kernel verify it.
///
///     auto policy = oomx::load<oomx::policies::largest_leaf>({.min_usage = 64_MiB});
///
/// Errors: invalid_argument (the options), unsupported (this kernel has no bpf_oom), not_permitted,
/// rejected (the verifier; its log is in the error). Nothing stays loaded after an error.
template <policy P>
[[nodiscard]] result<loaded_policy<P>> load(const typename P::options& options = {}) {
    return within(loaded_policy<P>::make(options),
                  [] { return fmt::format("load policy '{}'", P::name); });
}

} // namespace oomx
