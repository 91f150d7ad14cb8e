// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <type_traits>
#include <utility>

#include <fmt/format.h>

#include <oomx/attachment.hpp>
#include <oomx/bpf/abi.hpp>
#include <oomx/bpf/departures.hpp>
#include <oomx/bpf/map_memory.hpp>
#include <oomx/bpf/ops.hpp>
#include <oomx/bpf/preferences_map.hpp>
#include <oomx/bpf/ring_buffer.hpp>
#include <oomx/cgroup.hpp>
#include <oomx/counters.hpp>
#include <oomx/events.hpp>
#include <oomx/exemption.hpp>
#include <oomx/live_fields.hpp>
#include <oomx/policy.hpp>
#include <oomx/preference.hpp>
#include <oomx/result.hpp>
#include <oomx/unique_fd.hpp>

namespace oomx {

/// A policy that the kernel has verified. Attachments and event streams made from it outlive it.
/// Thread-safe but for moves.
template <policy P>
class [[nodiscard]] loaded_policy {
public:
    /// The memory that the policy shares with its programs.
    using shared = std::remove_pointer_t<decltype(P::skeleton::data_oomx)>;

    /// Takes over the maps of a loaded policy, of which `ops` holds those of the revision `as`:
    /// what opened_policy::load() and adopt() do. `preferences` is none for a pressure policy.
    [[nodiscard]] static result<loaded_policy> make(unique_fd ops, bpf::abi::revision as,
                                                    unique_fd events, unique_fd preferences,
                                                    int data_map) {
        auto memory = bpf::map_memory<shared>::open(data_map);
        if (!memory) {
            return pass_on(std::move(memory));
        }
        std::optional<bpf::departures> departed;
        if (bpf::abi::links_hang_up(as)) {
            auto made = bpf::departures::make();
            if (!made) {
                return pass_on(std::move(made));
            }
            departed = std::move(*made);
        }
        return loaded_policy{std::make_shared<state>(std::move(ops), as, std::move(departed),
                                                     std::move(events), std::move(preferences),
                                                     std::move(*memory))};
    }

    /// Puts it in force for a cgroup and all below it, or for the whole system.
    ///
    /// Errors: busy (one policy a cgroup; or it could not be told whether the kernel attaches to
    /// cgroups, as all places above are taken), exhausted (64 policies a cgroup, on v4-wip),
    /// not_found (the cgroup was removed), unsupported (the cgroup has no memory controller; or the
    /// kernel would ignore which cgroup it is), not_permitted.
    [[nodiscard]] result<attachment> attach(const cgroup& where) const
        requires oom_policy<P>
    {
        return attachment::make(ops(), where);
    }

    /// Has it watch what its options name.
    ///
    /// All or nothing, and once: another attachment takes another load(). Errors: busy (it has been
    /// attached before), not_found (a cgroup was removed), unsupported (a cgroup has no memory
    /// controller; or the kernel keeps no pressure figures), invalid_argument (a window that takes
    /// CAP_SYS_RESOURCE), not_permitted.
    [[nodiscard]] result<attachment> attach() const
        requires pressure_policy<P>
    {
        return attachment::make(ops(), cgroup::root());
    }

    /// A stream of what it decides. Streams share one buffer: open one.
    [[nodiscard]] result<oomx::events> events() const {
        auto ring = bpf::ring_buffer::open(state_->events.native_handle());
        if (!ring) {
            return pass_on(std::move(ring));
        }
        return oomx::events::make(
            std::move(*ring),
            std::shared_ptr<const oomx_control>{state_, &state_->memory->oomx_control}, ops());
    }

    /// Changes the config while the policy is in force, wherever it is attached; decisions from
    /// then on carry a new generation. All or nothing: one that is under way keeps the config it
    /// began with. One process may do this to one policy.
    ///
    /// Errors: invalid_argument if the options are, or if they change a field that P::live lacks.
    [[nodiscard]] result<void> reconfigure(const typename P::options& options) const
        requires reconfigurable<P>
    {
        return within(change(options),
                      [] { return fmt::format("reconfigure policy '{}'", P::name); });
    }

    /// The config in force.
    [[nodiscard]] typename P::config config() const {
        const std::scoped_lock lock{state_->writing};
        return *slot(generation());
    }

    /// Counts the configs since load: 1 for the first.
    [[nodiscard]] std::uint64_t generation() const {
        return __atomic_load_n(&control().generation, __ATOMIC_ACQUIRE);
    }

    /// Says what a cgroup and all below it are to this policy, wherever it is attached; before
    /// that, and while it is in force: a decision that is under way sees it or does not. 4096
    /// cgroups can have a preference of their own, each of this policy's alone.
    ///
    /// Errors: exhausted, invalid_argument (the preference), not_found (the cgroup was removed),
    /// unsupported (it has no memory controller), not_permitted.
    [[nodiscard]] result<void> prefer(const cgroup& where, const preference& said) const
        requires oom_policy<P>
    {
        auto controlled = where.require_memory_controller();
        return within(controlled ? state_->preferences.put(where.id(), said) : controlled, [&] {
            return fmt::format("set the preference of cgroup {} for policy '{}'",
                               where.path().native(), P::name);
        });
    }

    /// As prefer(), with never_kill, and that holds for the kernel's own killer as well, to whom a
    /// policy that declines leaves the OOM: the processes of the cgroup and of all below it are at
    /// oom_score_adj -1000 until forget(), or until the last object made from this policy is gone:
    /// see exemption. Said again, it finds those that came since. All or nothing.
    ///
    /// Errors: as prefer(); besides those of exemption::of().
    [[nodiscard]] result<void> exempt(const cgroup& where, preference said = {}) const
        requires oom_policy<P>
    {
        said.never_kill = true;
        const std::scoped_lock lock{state_->exempting};
        auto& exemptions = state_->exemptions;
        if (const auto known = exemptions.find(where.id()); known != exemptions.end()) {
            auto extended = known->second.extend();
            return extended ? prefer(where, said) : extended;
        }
        auto made = exemption::of(where);
        if (!made) {
            return pass_on(std::move(made));
        }
        auto preferred = prefer(where, said);
        if (preferred) {
            exemptions.emplace(where.id(), std::move(*made));
        }
        return preferred;
    }

    /// Takes that back, if anything was said: what holds for the cgroup above holds here, too.
    /// Errors: not_permitted; those of exemption::end() after exempt(), where the preference then
    /// stays.
    [[nodiscard]] result<void> forget(cgroup_id where) const
        requires oom_policy<P>
    {
        if (auto ended = end_exemption(where); !ended) {
            return ended;
        }
        return within(state_->preferences.remove(where), [&] {
            return fmt::format("forget the preference of cgroup {} for policy '{}'",
                               std::to_underlying(where), P::name);
        });
    }

    /// The same.
    [[nodiscard]] result<void> forget(const cgroup& where) const
        requires oom_policy<P>
    {
        return forget(where.id());
    }

    /// Takes back what was said of cgroups that are removed, and returns of how many. An id is
    /// never used again before the next boot: what is said of a removed cgroup does no harm, but
    /// takes the room of another. Errors: not_permitted (CAP_DAC_READ_SEARCH is needed),
    /// not_a_cgroup (no hierarchy is mounted).
    [[nodiscard]] result<std::size_t> forget_removed() const
        requires oom_policy<P>
    {
        return within(drop_removed(), [] {
            return fmt::format("forget removed cgroups' preferences for policy '{}'", P::name);
        });
    }

    /// What was said of which cgroups, removed ones included. Error: not_permitted.
    [[nodiscard]] result<std::map<cgroup_id, preference>> preferences() const
        requires oom_policy<P>
    {
        return within(state_->preferences.entries(),
                      [] { return fmt::format("list the preferences for policy '{}'", P::name); });
    }

    /// What it has done since load.
    [[nodiscard]] oomx::counters counters() const { return oomx::counters::read(control()); }

    /// What attachments link: for attachment::replace().
    [[nodiscard]] std::shared_ptr<const bpf::ops> ops() const { return {state_, &state_->ops}; }

private:
    struct state {
        state(unique_fd map, bpf::abi::revision as, std::optional<bpf::departures> departed,
              unique_fd ring, unique_fd said, bpf::map_memory<shared> mapped)
            : events{std::move(ring)}, preferences{std::move(said)}, memory{std::move(mapped)},
              ops{std::move(map), as, std::move(departed), std::string{P::name},
                  memory->oomx_control} {
            if constexpr (pressure_policy<P>) {
                ops.report_to(memory->oomx_triggers, memory->oomx_configs[0].watches);
            }
        }

        unique_fd events;
        bpf::preferences_map preferences;
        bpf::map_memory<shared> memory;
        std::mutex writing;
        std::mutex exempting;
        std::map<cgroup_id, exemption> exemptions;
        bpf::ops ops; // after the memory that it refers to
    };

    explicit loaded_policy(std::shared_ptr<state> owned) : state_{std::move(owned)} {}

    [[nodiscard]] oomx_control& control() const { return state_->memory->oomx_control; }

    /// Where the config of a generation is: see OOMX_CONFIG() in oomx/config.bpf.h.
    [[nodiscard]] typename P::config* slot(std::uint64_t generation) const {
        auto& configs = state_->memory->oomx_configs;
        return &configs[generation % std::size(configs)];
    }

    [[nodiscard]] result<void> change(const typename P::options& options) const {
        auto next = P::configure(options);
        if (!next) {
            return pass_on(std::move(next));
        }
        const std::scoped_lock lock{state_->writing};
        const auto now = generation();
        if (auto checked = check_live_fields<P>(*slot(now), *next); !checked) {
            return checked;
        }
        std::memcpy(slot(now + 1), &*next, sizeof *next);
        __atomic_store_n(&control().generation, now + 1, __ATOMIC_RELEASE);
        return {};
    }

    [[nodiscard]] result<void> end_exemption(cgroup_id where) const {
        const std::scoped_lock lock{state_->exempting};
        const auto known = state_->exemptions.find(where);
        if (known == state_->exemptions.end()) {
            return {};
        }
        auto ended = known->second.end();
        if (ended) {
            state_->exemptions.erase(known);
        }
        return ended;
    }

    [[nodiscard]] result<std::size_t> drop_removed() const {
        auto said = state_->preferences.entries();
        if (!said) {
            return pass_on(std::move(said));
        }
        std::size_t dropped = 0;
        for (const auto& [where, preference] : *said) {
            const auto there = cgroup::open(where);
            if (!there && there.error().code() != errc::not_found) {
                return failure(there.error());
            }
            if (!there) {
                if (auto forgotten = forget(where); !forgotten) {
                    return pass_on(std::move(forgotten));
                }
                ++dropped;
            }
        }
        return dropped;
    }

    std::shared_ptr<state> state_;
};

} // namespace oomx
