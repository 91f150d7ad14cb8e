// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <sys/types.h>

#include <fmt/format.h>

#include <oomx/bytes.hpp>
#include <oomx/decision.hpp>
#include <oomx/ids.hpp>
#include <oomx/native/fault.hpp>
#include <oomx/native/kernel_types.hpp>
#include <oomx/native/killer.hpp>
#include <oomx/native/model.hpp>
#include <oomx/native/policy.hpp>
#include <oomx/native/report.hpp>
#include <oomx/native/runtime.hpp>
#include <oomx/result.hpp>

namespace oomx::native {

/// How one OOM ended.
enum class oom_end : std::uint8_t {
    handled,  ///< a policy killed, or waits for a victim
    killed,   ///< no policy handled it: the kernel's own killer did
    waiting,  ///< no policy handled it, and the kernel waits for an earlier victim
    relieved, ///< there was room again
    hopeless, ///< there is nobody to kill
};

/// How an allocation ended.
enum class allocation_end : std::uint8_t {
    granted,
    killed,  ///< the process that wanted the memory was killed
    refused, ///< nobody could be killed; of a whole machine the kernel would panic
};

/// OOMs over a model, handled as the kernel handles them: the policy attached to the cgroup that is
/// out of memory, those of its ancestors, the system-wide one, then the kernel's own rule. One
/// thread at a time.
///
/// From an OOM to its answer nothing is allocated, so that the same code can run where that is
/// not possible.
class [[nodiscard]] simulation {
public:
    /// Between two times that the kernel asks while a victim is dying.
    static constexpr std::chrono::nanoseconds asks_every = std::chrono::milliseconds{1};

    /// What all allocations together may wait for victims, so that none waits for ever.
    static constexpr std::chrono::nanoseconds waits_for = std::chrono::minutes{1};

    /// Over this model, with no policy attached.
    explicit simulation(model over) : model_{std::move(over)} {}

    /// Attaches a policy to a cgroup; to the root for system-wide. It must outlive the simulation,
    /// and may be attached to more than one cgroup. Errors: not_found, busy (another one is
    /// attached there), invalid_argument (it handles no OOMs).
    [[nodiscard]] result<void> attach(instance& policy, std::string_view path) {
        return within(put(policy, path), [&] {
            return fmt::format("attach native policy '{}' to cgroup '{}'", policy.name(), path);
        });
    }

    /// Lets a process of that cgroup, the first that lives, ask for more anonymous memory. Page
    /// cache is given back first; then every limit that is met is an OOM, again and again until
    /// there is room. Errors: not_found (the cgroup, or a process), mismatch (a policy did what
    /// the kernel's verifier refuses; the simulation is over then), exhausted (see waits_for).
    [[nodiscard]] result<allocation_end> allocate(std::string_view path, bytes amount) {
        return within(grow(path, amount),
                      [&] { return fmt::format("allocate {} in cgroup '{}'", amount, path); });
    }

    /// One OOM of that cgroup as it is, or of the whole machine: of the root. Errors: as above.
    [[nodiscard]] result<oom_end> out_of_memory(std::string_view path) {
        return within(run_out(path),
                      [&] { return fmt::format("run out of memory in cgroup '{}'", path); });
    }

    /// Lets time go by. Error: as model::advance().
    [[nodiscard]] result<void> advance(std::chrono::nanoseconds by) { return model_.advance(by); }

    /// Lets time go by until everybody who was killed is gone.
    void settle() {
        while (const auto end = model_.next_end()) {
            model_.pass(*end - model_.now());
        }
    }

    /// Who died until now, who lives, and what was decided. Error: malformed (a policy's records).
    [[nodiscard]] result<report> so_far() {
        if (auto read = collect(); !read) {
            return pass_on(std::move(read));
        }
        std::vector<fate> fates;
        for (const auto& one : model_.tasks()) {
            fates.push_back({.cgroup = one.home->parent == nullptr ? "/" : one.home->path,
                             .process = one.name,
                             .pid = one.tgid,
                             .lives = one.phase == detail::phase::alive,
                             .killed_by = std::string{one.killer},
                             .killed_at = one.killed_at});
        }
        return report{std::move(fates), decisions_};
    }

    /// What it runs over.
    [[nodiscard]] model& over() { return model_; }

private:
    static constexpr std::uint64_t system_wide = 0;

    [[nodiscard]] result<void> put(instance& policy, std::string_view path) {
        const auto* const at = model_.find(path);
        if (at == nullptr) {
            return failure(errc::not_found, "there is no such cgroup", "add it to the model first");
        }
        if (!policy.handles_oom()) {
            return failure(errc::invalid_argument, "it waits for pressure, not for OOMs",
                           "attach a policy that ends with OOMX_POLICY() or OOMX_RANK_POLICY()");
        }
        const auto where = at->parent == nullptr ? system_wide : at->id();
        if (const auto [there, added] = attached_.emplace(where, &policy); !added) {
            return failure(errc::busy, fmt::format("'{}' is attached there", there->second->name()),
                           "attach one policy to a cgroup");
        }
        return {};
    }

    [[nodiscard]] result<detail::node*> at(std::string_view path) {
        if (auto* const found = model_.find(path); found != nullptr) {
            return found;
        }
        return failure(errc::not_found, "there is no such cgroup", "add it to the model first");
    }

    [[nodiscard]] result<oom_end> run_out(std::string_view path) {
        auto where = at(path);
        if (!where) {
            return pass_on(std::move(where));
        }
        auto ended = handle((*where)->parent == nullptr ? nullptr : *where);
        if (auto read = collect(); !read && ended) {
            return pass_on(std::move(read));
        }
        return ended;
    }

    [[nodiscard]] result<allocation_end> grow(std::string_view path, bytes amount) {
        auto where = at(path);
        if (!where) {
            return pass_on(std::move(where));
        }
        const auto& tasks = (*where)->tasks;
        const auto who = std::ranges::find(tasks, detail::phase::alive, &detail::task::phase);
        if (who == tasks.end()) {
            return failure(errc::not_found, "no process lives there",
                           "add one, or name the cgroup that holds it");
        }
        auto ended = grow(**who, detail::pages(amount));
        if (auto read = collect(); !read && ended) {
            return pass_on(std::move(read));
        }
        return ended;
    }

    /// try_charge_memcg() (mm/memcontrol.c) and the page allocator, as far as they meet OOMs.
    [[nodiscard]] result<allocation_end> grow(detail::task& who, std::uint64_t pages) {
        while (pages > 0) {
            const auto left = room_for(who, pages);
            model_.grow(who, left.pages);
            pages -= left.pages;
            if (pages == 0 || reclaim(left.scope)) {
                continue;
            }
            auto ended = handle(left.scope, &who);
            if (!ended) {
                return pass_on(std::move(ended));
            }
            if (who.phase != detail::phase::alive) {
                return allocation_end::killed;
            }
            if (*ended == oom_end::hopeless) {
                return allocation_end::refused;
            }
            if (waited_ >= waits_for) {
                return failure(errc::exhausted,
                               "allocations have waited for victims for a minute already",
                               "let victims die or be reaped sooner, or more than one of them");
            }
            waited_ += asks_every;
            model_.pass(asks_every);
        }
        return allocation_end::granted;
    }

    struct room {
        std::uint64_t pages;
        detail::node* scope; // where it ends, NULL: the machine's
    };

    /// How much of that can be charged, and who would be out of memory first with more.
    [[nodiscard]] room room_for(const detail::task& who, std::uint64_t pages) {
        const auto ram = model_.machine().ram.count() / page_size;
        const auto free = [](std::uint64_t most, std::uint64_t used) {
            return most > used ? most - used : 0;
        };
        room found{std::min(pages, free(ram, model_.used())), nullptr};
        for (auto* at = who.home; at->parent != nullptr; at = at->parent) {
            const auto left = free(at->memcg.memory.max, at->usage());
            if (left < found.pages || (left == found.pages && found.scope == nullptr)) {
                found = {left, at};
            }
        }
        return found;
    }

    /// Page cache of the scope goes before anybody dies, but what memory.min protects: whether
    /// there was any.
    [[nodiscard]] bool reclaim(detail::node* scope) {
        auto* const top = scope == nullptr ? &model_.root() : scope;
        bool some = false;
        for (auto* at = top; at != nullptr; at = detail::next_in(top, at)) {
            const std::uint64_t least = at->memcg.memory.min;
            const auto drop = std::min(at->cache, at->usage() > least ? at->usage() - least : 0);
            if (drop > 0) {
                model_.drop_cache(*at, drop);
                some = true;
            }
        }
        return some;
    }

    /// out_of_memory(), mm/oom_kill.c.
    [[nodiscard]] result<oom_end> handle(detail::node* scope, detail::task* asking = nullptr) {
        detail::oom now{};
        now.asking = asking;
        now.memcg = scope == nullptr ? nullptr : &scope->memcg;
        now.constraint = scope == nullptr ? kernel::oom_constraint{} : kernel::CONSTRAINT_MEMCG;
        now.totalpages = total_pages(scope);
        if (is_relieved(scope)) {
            return oom_end::relieved;
        }
        for (auto* at = scope; at != nullptr && at->parent != nullptr; at = at->parent) {
            auto handled = ask(at->id(), now);
            if (!handled || *handled) {
                return after(std::move(handled));
            }
        }
        auto handled = ask(system_wide, now);
        if (!handled || *handled) {
            return after(std::move(handled));
        }
        if (is_relieved(scope)) {
            return oom_end::relieved;
        }
        switch (detail::choose_and_kill(model_, now)) {
        case detail::own_choice::killed:
            return oom_end::killed;
        case detail::own_choice::waits:
            return oom_end::waiting;
        default:
            return oom_end::hopeless;
        }
    }

    [[nodiscard]] static result<oom_end> after(result<bool>&& handled) {
        if (!handled) {
            return pass_on(std::move(handled));
        }
        return oom_end::handled;
    }

    /// Asks the policy that is attached there: whether it handled the OOM.
    [[nodiscard]] result<bool> ask(std::uint64_t where, detail::oom& now) {
        const auto found = attached_.find(where);
        if (found == attached_.end()) {
            return false;
        }
        auto& policy = *found->second;
        now.memory_freed = false;
        now.asked_by = policy.name();
        detail::runtime runtime{model_, policy, now};
        const bool claimed = runtime.run(where);
        if (runtime.fault() != fault::none) {
            return failure(errc::mismatch,
                           fmt::format("policy '{}' is none that a kernel would load: it {}",
                                       policy.name(), describe(runtime.fault())),
                           std::string{remedy(runtime.fault())});
        }
        return claimed && now.memory_freed;
    }

    /// A cgroup that has room for one page; of the machine nobody asks.
    [[nodiscard]] static bool is_relieved(const detail::node* scope) {
        return scope != nullptr && scope->usage() + 1 <= scope->memcg.memory.max;
    }

    /// mem_cgroup_get_max(), mm/memcontrol.c, with swap on; for the machine all there is.
    [[nodiscard]] std::uint64_t total_pages(const detail::node* scope) const {
        const auto swap = model_.machine().swap.count() / page_size;
        if (scope == nullptr) {
            return model_.machine().ram.count() / page_size + swap;
        }
        const auto all =
            scope->memcg.memory.max + std::min<std::uint64_t>(scope->memcg.swap.max, swap);
        return all == 0 ? 1 : all;
    }

    /// Takes over what was decided since the last time, in the order of time; of one OOM, the
    /// nearest to the cgroup was asked first.
    [[nodiscard]] result<void> collect() {
        const auto known = static_cast<std::ptrdiff_t>(decisions_.size());
        const auto earlier = [&](const decision& a, const decision& b) {
            return std::pair{a.when(), -depth(a)} < std::pair{b.when(), -depth(b)};
        };
        for (const auto& [where, policy] : attached_) {
            auto read = policy->drain([&](const decision& one) {
                decisions_.insert(
                    std::upper_bound(decisions_.begin() + known, decisions_.end(), one, earlier),
                    one);
            });
            if (!read) {
                return pass_on(std::move(read));
            }
        }
        return {};
    }

    [[nodiscard]] int depth(const decision& one) const {
        const auto* const at = model_.find(one.attached_to());
        return at == nullptr ? 0 : at->level;
    }

    model model_;
    std::chrono::nanoseconds waited_{0};
    std::unordered_map<std::uint64_t, instance*> attached_;
    std::vector<decision> decisions_;
};

} // namespace oomx::native
