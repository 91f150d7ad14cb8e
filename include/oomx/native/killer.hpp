// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cerrno>
#include <climits>
#include <cstdint>
#include <string_view>

#include <oomx/native/kernel_types.hpp>
#include <oomx/native/model.hpp>

/// The kernel's own OOM killer over a model: what a policy asks to be killed goes through it, and
/// what no policy handles it decides. It allocates nothing.
namespace oomx::native::detail {

/// An OOM that is being handled. What the policy reads is the base.
struct oom : kernel::oom_control {
    bool memory_freed = false;
    task* asking = nullptr;               // who needs memory; NULL: nobody of the model
    std::string_view asked_by = "kernel"; // who is deciding
    bool as_posted = false; // bpf_oom_kill_process() refuses nobody but init and kernel threads
};

inline bool is_within_scope(const oom& now, const task& process) {
    return now.memcg == nullptr || process.home->is_within(node::of(now.memcg));
}

/// The victim of an OOM whose memory is still to come: oomx/task.bpf.h says the same.
inline bool is_in_flight(const task& process) {
    return process.phase == phase::dying || process.phase == phase::exiting;
}

/// oom_badness(), mm/oom_kill.c: LONG_MIN for whom nobody may kill.
inline long badness(const task& process, std::uint64_t total_pages) {
    if (process.is_unkillable() || !process.has_memory() || process.is_reaped() ||
        process.vfork_done != nullptr || process.signals.oom_score_adj == OOM_SCORE_ADJ_MIN) {
        return LONG_MIN;
    }
    const auto& memory = process.space->memory;
    const auto pages =
        memory.rss_stat[kernel::MM_ANONPAGES].count + memory.rss_stat[kernel::MM_FILEPAGES].count +
        memory.rss_stat[kernel::MM_SHMEMPAGES].count + memory.rss_stat[kernel::MM_SWAPENTS].count +
        memory.pgtables_bytes.counter / static_cast<long>(page_size);
    return static_cast<long>(pages) +
           process.signals.oom_score_adj * static_cast<long>(total_pages / 1000);
}

/// The topmost cgroup with memory.oom.group from the victim's up to the scope, or NULL:
/// mem_cgroup_get_oom_group(), mm/memcontrol.c.
inline node* oom_group_of(const oom& now, const task& victim) {
    const auto* const scope = now.memcg == nullptr ? nullptr : node::of(now.memcg);
    node* group = nullptr;
    for (auto* at = victim.home; at->parent != nullptr; at = at->parent) {
        if (at->memcg.oom_group) {
            group = at;
        }
        if (at == scope) {
            break;
        }
    }
    return group;
}

/// mark_oom_victim(), mm/oom_kill.c: who ends anyway counts as a victim from now on.
inline void mark(task& process) {
    if (process.has_memory()) {
        process.signals.oom_mm = &process.space->memory;
    }
}

/// __oom_kill_process(), mm/oom_kill.c: a process, and all who use its memory.
inline void kill_sharers(model& where, const oom& now, task& victim) {
    auto* const space = victim.space;
    where.kill(victim, now.asked_by);
    for (auto& other : where.tasks()) {
        if (other.space == space && other.phase == phase::alive && !other.is_unkillable()) {
            where.kill(other, now.asked_by);
        }
    }
}

/// oom_kill_process(), mm/oom_kill.c: the victim, and with it its memory.oom.group.
inline void kill(model& where, const oom& now, task& victim) {
    if (is_in_flight(victim)) {
        mark(victim);
        return;
    }
    auto* const group = oom_group_of(now, victim);
    kill_sharers(where, now, victim);
    for (auto* at = group; at != nullptr; at = next_in(group, at)) {
        for (auto* const member : at->tasks) {
            if (member->phase == phase::alive && member->has_memory() && !member->is_unkillable() &&
                member->signals.oom_score_adj != OOM_SCORE_ADJ_MIN) {
                kill_sharers(where, now, *member);
            }
        }
    }
}

/// bpf_oom_kill_process(): 0, or a negative errno.
inline int kill_on_request(model& where, oom& now, task& victim) {
    if (victim.is_unkillable() || (!now.as_posted && !is_within_scope(now, victim))) {
        return -EPERM;
    }
    if (is_in_flight(victim)) {
        mark(victim);
        now.memory_freed = true;
        return 0;
    }
    if (!now.as_posted && (!victim.has_memory() || victim.is_reaped() ||
                           victim.signals.oom_score_adj == OOM_SCORE_ADJ_MIN)) {
        return -EINVAL;
    }
    if (victim.phase == phase::alive) {
        kill(where, now, victim);
    }
    now.memory_freed = true;
    return 0;
}

/// What the kernel does by itself.
enum class own_choice : std::uint8_t {
    killed,
    waits,  ///< for an earlier victim
    nobody, ///< can be killed
};

/// select_bad_process(), mm/oom_kill.c: the worst process of the scope, of equal ones the last.
class selection {
public:
    explicit selection(std::uint64_t total_pages) : total_pages_{total_pages} {}

    /// False when there is nothing more to look at.
    bool look_at(task& process) {
        if (process.is_unkillable()) {
            return true;
        }
        if (process.signals.oom_mm != nullptr) {
            waits_ = !process.is_reaped();
            return !waits_;
        }
        const auto points = badness(process, total_pages_);
        if (points != LONG_MIN && points >= most_) {
            most_ = points;
            worst_ = &process;
        }
        return true;
    }

    /// NULL if nobody may be killed.
    [[nodiscard]] task* worst() const { return worst_; }
    /// An earlier victim is dying.
    [[nodiscard]] bool waits() const { return waits_; }

private:
    std::uint64_t total_pages_;
    task* worst_ = nullptr;
    long most_ = LONG_MIN;
    bool waits_ = false;
};

/// Every process of a cgroup and of what is below it, as mem_cgroup_scan_tasks() meets them.
inline void look_at_all(node& top, selection& found) {
    for (auto* at = &top; at != nullptr; at = next_in(&top, at)) {
        for (auto* const process : at->tasks) {
            if (!found.look_at(*process)) {
                return;
            }
        }
    }
}

inline own_choice choose_and_kill(model& where, oom& now) {
    selection found{now.totalpages};
    if (now.memcg != nullptr) {
        look_at_all(*node::of(now.memcg), found);
    } else {
        for (auto& process : where.tasks()) {
            if (process.phase != phase::gone && !found.look_at(process)) {
                break;
            }
        }
    }
    if (found.waits()) {
        return own_choice::waits;
    }
    if (found.worst() == nullptr) {
        return own_choice::nobody;
    }
    now.asked_by = "kernel";
    kill(where, now, *found.worst());
    return own_choice::killed;
}

} // namespace oomx::native::detail
