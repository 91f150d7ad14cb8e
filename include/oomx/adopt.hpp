// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cstring>
#include <filesystem>
#include <memory>
#include <utility>

#include <fmt/format.h>

#include <oomx/attachment.hpp>
#include <oomx/bpf/identity.hpp>
#include <oomx/bpf/link.hpp>
#include <oomx/bpf/object.hpp>
#include <oomx/bpf/pinned_maps.hpp>
#include <oomx/btf_view.hpp>
#include <oomx/cgroup.hpp>
#include <oomx/loaded_policy.hpp>
#include <oomx/policy.hpp>
#include <oomx/result.hpp>

namespace oomx {

/// A pinned policy that another process, or this program before it was restarted, has left in
/// force.
template <policy P>
struct [[nodiscard]] adopted {
    loaded_policy<P> policy;     ///< for its events, its counters and another config
    oomx::attachment attachment; ///< still pinned: dropping it leaves the policy in force
};

namespace detail {

template <policy P>
result<adopted<P>> adopt(const std::filesystem::path& pin, const cgroup& where,
                         const typename P::config* wanted) {
    auto kernel = btf_view::kernel();
    if (!kernel) {
        return pass_on(std::move(kernel));
    }
    auto link = bpf::link::open(pin);
    if (!link) {
        return pass_on(std::move(link));
    }
    auto info = link->info();
    if (!info) {
        return pass_on(std::move(info));
    }
    auto maps = bpf::pinned_maps::find(info->map_id, ops_type<P>, *kernel);
    if (!maps) {
        return pass_on(std::move(maps));
    }
    if (maps->object.identity != bpf::identity_of(bpf::object<typename P::skeleton>::bytes())) {
        return failure(errc::mismatch,
                       "another policy is pinned there, or another build of this one",
                       "load this one, and detach that one or replace() it");
    }
    if (oom_policy<P> && !maps->preferences) {
        return failure(errc::mismatch, "it has no map oomx_preferences",
                       "remove the pin, and attach anew");
    }
    auto policy = loaded_policy<P>::make(std::move(maps->ops), bpf::abi::revision_of(*kernel),
                                         std::move(maps->events), std::move(maps->preferences),
                                         maps->data.native_handle());
    if (!policy) {
        return pass_on(std::move(policy));
    }
    const auto attached_to = policy->ops()->where(*info);
    if (!attached_to) {
        return failure(errc::unsupported,
                       "neither this kernel nor the policy knows where the link is attached",
                       "remove the pin, and attach anew");
    }
    if (*attached_to != where.id()) {
        return failure(errc::mismatch,
                       fmt::format("it is attached to the cgroup with the id {}, not to {}",
                                   std::to_underlying(*attached_to), where.path().native()),
                       "that cgroup may have been removed: remove the pin, and attach anew");
    }
    if (const auto now = policy->config();
        wanted != nullptr && std::memcmp(&now, wanted, sizeof now) != 0) {
        return failure(errc::mismatch,
                       fmt::format("its config, generation {}, is not the one that is wanted",
                                   policy->generation()),
                       "adopt it with any config, then reconfigure() or replace() it");
    }
    auto place = where.duplicate();
    if (!place) {
        return pass_on(std::move(place));
    }
    auto ops = policy->ops();
    if (auto waiting = ops->wait_for(*link, where.id()); !waiting) {
        return pass_on(std::move(waiting));
    }
    return adopted<P>{std::move(*policy),
                      attachment{std::move(*link), std::move(ops), std::move(*place), pin}};
}

} // namespace detail

/// Takes up a policy that is pinned, whatever its config: its events, its config and its
/// attachment, as if this process had loaded it. It never leaves force meanwhile. Dropping the
/// attachment leaves the pin. `where` of a pressure policy is cgroup::root().
///
/// Nothing is changed where what is pinned is not what is wanted. Errors: not_found (nothing is
/// pinned there, or it was detached), mismatch (another policy, another build, another cgroup; or
/// no policy at all), unsupported (where it is attached is not known: the kernel does not say, and
/// the policy has been attached to many other cgroups since), not_permitted (CAP_SYS_ADMIN is
/// needed).
template <policy P>
[[nodiscard]] result<adopted<P>> adopt(const std::filesystem::path& pin, const cgroup& where) {
    return within(detail::adopt<P>(pin, where, nullptr), [&] {
        return fmt::format("adopt policy '{}' pinned at {}", P::name, pin.native());
    });
}

/// The same, but only if its config is that of these options. Errors besides: mismatch (it is
/// not), invalid_argument (the options).
template <policy P>
[[nodiscard]] result<adopted<P>> adopt(const std::filesystem::path& pin, const cgroup& where,
                                       const typename P::options& options) {
    auto wanted = P::configure(options);
    return within(
        wanted ? detail::adopt<P>(pin, where, &*wanted)
               : result<adopted<P>>{pass_on(std::move(wanted))},
        [&] { return fmt::format("adopt policy '{}' pinned at {}", P::name, pin.native()); });
}

} // namespace oomx
