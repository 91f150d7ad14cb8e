// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cstdint>
#include <iterator>
#include <utility>

#include <unistd.h>

#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <oomx/bpf/attach.hpp>
#include <oomx/bpf/identity.hpp>
#include <oomx/bpf/object.hpp>
#include <oomx/btf_view.hpp>
#include <oomx/capabilities.hpp>
#include <oomx/loaded_policy.hpp>
#include <oomx/machine_memory.hpp>
#include <oomx/policy.hpp>
#include <oomx/result.hpp>
#include <oomx/unique_fd.hpp>

namespace oomx {

/// A policy that the kernel has not seen yet: to be configured. One thread at a time.
template <policy P>
class [[nodiscard]] opened_policy {
public:
    /// Reads the object that is compiled in; needs neither privilege nor bpf_oom. Error: mismatch,
    /// if the object is no policy of oomx's.
    [[nodiscard]] static result<opened_policy> open() {
        auto object = bpf::object<typename P::skeleton>::open();
        if (!object) {
            return pass_on(std::move(object));
        }
        opened_policy opened{std::move(*object)};
        if (bpf_map__type(opened.native_handle()->maps.oomx_events) != BPF_MAP_TYPE_RINGBUF) {
            return failure(errc::mismatch, "its map oomx_events is no ring buffer",
                           "leave that name to <oomx/policy.bpf.h>");
        }
        if constexpr (oom_policy<P>) {
            const bpf_map* const preferences = opened.native_handle()->maps.oomx_preferences;
            if (bpf_map__type(preferences) != BPF_MAP_TYPE_HASH ||
                bpf_map__key_size(preferences) != sizeof(cgroup_id) ||
                bpf_map__value_size(preferences) != sizeof(oomx_preference)) {
                return failure(errc::mismatch, "its map oomx_preferences is not the one of oomx's",
                               "leave that name to <oomx/policy.bpf.h>");
            }
        }
        return opened;
    }

    /// Sets what the policy is loaded with, instead of default options. Error: invalid_argument;
    /// the config is then what it was.
    [[nodiscard]] result<void> configure(const typename P::options& options) {
        return within(write_config(options),
                      [] { return fmt::format("configure policy '{}'", P::name); });
    }

    /// Has the kernel verify it. The object is spent, whatever the outcome.
    ///
    /// Errors: unsupported (this kernel has no bpf_oom, or no bpf_psi), not_permitted, rejected
    /// (the verifier; its log is in the error), invalid_argument (options are due, or it is spent).
    /// Nothing stays loaded after an error.
    [[nodiscard]] result<loaded_policy<P>> load() && {
        return within(std::move(*this).verify(),
                      [] { return fmt::format("load policy '{}'", P::name); });
    }

    /// The generated skeleton, for what the library does not wrap.
    [[nodiscard]] typename P::skeleton* native_handle() const { return object_.native_handle(); }

private:
    using object = bpf::object<typename P::skeleton>;

    static constexpr std::uint64_t first_generation = 1;

    explicit opened_policy(object opened) : object_{std::move(opened)} {}

    [[nodiscard]] static error spent() {
        return {errc::invalid_argument, "it has been loaded already", "open it anew"};
    }

    [[nodiscard]] result<void> write_config(const typename P::options& options) {
        auto config = P::configure(options);
        if (!config) {
            return pass_on(std::move(config));
        }
        if (native_handle() == nullptr) {
            return failure(spent());
        }
        auto& configs = native_handle()->data_oomx->oomx_configs;
        configs[first_generation % std::size(configs)] = *config;
        configured_ = true;
        return {};
    }

    [[nodiscard]] result<loaded_policy<P>> verify() && {
        if (native_handle() == nullptr) {
            return failure(spent());
        }
        if (!configured_) {
            if (auto configured = write_config({}); !configured) {
                return pass_on(std::move(configured));
            }
        }
        configured_ = false;
        auto policy = std::move(object_);
        auto kernel = btf_view::kernel();
        if (!kernel) {
            return pass_on(std::move(kernel));
        }
        auto revision = supported_by(*kernel);
        if (!revision) {
            return pass_on(std::move(revision));
        }
        policy->rodata_oomx->oomx_object = {
            bpf::identity_of(object::bytes()),
            static_cast<std::uint64_t>(::sysconf(_SC_PAGESIZE)),
            machine_memory().count(),
        };
        policy->data_oomx->oomx_control.generation = first_generation;
        bpf::enable_ops(policy->maps, *revision);
        if (auto loaded = policy.load(); !loaded) {
            return pass_on(std::move(loaded));
        }
        const bpf_map* const ops = bpf::ops_map(policy->maps, *revision);
        if (auto published = bpf::publish_ops(policy->obj, ops, *kernel); !published) {
            return pass_on(std::move(published));
        }
        __atomic_store_n(&policy->data_oomx->oomx_control.armed, 1, __ATOMIC_RELEASE);
        return keep(policy, *revision);
    }

    /// The revision of the kernel's ops for this policy.
    [[nodiscard]] static result<bpf::abi::revision> supported_by(const btf_view& kernel) {
        // Not all of probe(): looking for each kfunc takes as long as the rest of a load.
        const auto revision =
            oom_policy<P> ? bpf::abi::revision_of(kernel) : bpf::abi::revision::v2;
        auto needed = oom_policy<P> ? judge_bpf_oom(revision) : judge_bpf_psi(kernel);
        if (!needed) {
            return failure(errc::unsupported, std::move(needed.because), std::move(needed.remedy));
        }
        return revision;
    }

    /// What is needed from here on are a few maps: the object, with the compiled policy, goes.
    [[nodiscard]] static result<loaded_policy<P>> keep(const object& policy,
                                                       bpf::abi::revision as) {
        auto map = duplicate(bpf_map__fd(bpf::ops_map(policy->maps, as)));
        if (!map) {
            return pass_on(std::move(map));
        }
        auto events = duplicate(bpf_map__fd(policy->maps.oomx_events));
        if (!events) {
            return pass_on(std::move(events));
        }
        unique_fd preferences;
        if constexpr (oom_policy<P>) {
            auto own = duplicate(bpf_map__fd(policy->maps.oomx_preferences));
            if (!own) {
                return pass_on(std::move(own));
            }
            preferences = std::move(*own);
        }
        return loaded_policy<P>::make(std::move(*map), as, std::move(*events),
                                      std::move(preferences), bpf_map__fd(policy->maps.data_oomx));
    }

    object object_;
    bool configured_ = false;
};

} // namespace oomx
