// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <oomx/ids.hpp>
#include <oomx/native/fault.hpp>
#include <oomx/native/kernel_types.hpp>
#include <oomx/native/killer.hpp>
#include <oomx/native/model.hpp>
#include <oomx/native/policy.hpp>

namespace oomx::native::detail {

/// The helpers and kfuncs of one call of a policy, over a model. Looks at what the verifier would
/// have looked at: see fault. Allocates nothing.
class runtime {
public:
    runtime(model& where, instance& whose, oom& now)
        : where_{where}, whose_{whose}, now_{now}, table_{functions()} {
        table_.self = this;
    }

    ~runtime() = default;
    runtime(const runtime&) = delete; // the table knows where it is
    runtime& operator=(const runtime&) = delete;
    runtime(runtime&&) = delete;
    runtime& operator=(runtime&&) = delete;

    /// Lets the policy handle the OOM: whether it claims it.
    [[nodiscard]] bool run(std::uint64_t attached_to) {
        whose_.begin(where_.identity());
        const bool claimed = whose_.on_oom(table_, now_, attached_to) != 0;
        if (references_ != 0) {
            blame(fault::reference_kept);
            for (auto* at = &where_.root(); at != nullptr; at = next_in(&where_.root(), at)) {
                at->references = 0;
            }
        }
        if (rcu_ != 0) {
            blame(fault::rcu_left_open);
        }
        if (iterators_ != 0) {
            blame(fault::iterator_open);
        }
        return claimed;
    }

    /// The first thing that it did wrong.
    [[nodiscard]] native::fault fault() const { return fault_; }

private:
    using native_fault = native::fault;

    void blame(native_fault what) {
        if (fault_ == native_fault::none) {
            fault_ = what;
        }
    }

    static runtime& of(void* self) { return *static_cast<runtime*>(self); }

    [[nodiscard]] bool may_sleep() {
        if (rcu_ > 0) {
            blame(native_fault::sleeps_under_rcu);
        }
        return rcu_ == 0;
    }

    void count(std::int64_t& what, std::int64_t by, native_fault below_zero) {
        what += by;
        if (what < 0) {
            blame(below_zero);
            what = 0;
        }
    }

    /// Is it left out of a cgroup's list of processes?
    [[nodiscard]] bool is_hidden(const task& process) const {
        return process.phase == phase::exiting &&
               (process.several || where_.machine().hides_exiting);
    }

    [[nodiscard]] kernel::mem_cgroup* hold(node* at) {
        if (at == nullptr) {
            return nullptr;
        }
        ++at->references;
        ++references_;
        return &at->memcg;
    }

    static __u64 ktime_get_ns(void* self) {
        return static_cast<__u64>(of(self).where_.now().count());
    }

    static int ringbuf_output(void* self, const void* record, __u64 size) {
        return of(self).whose_.output(record, size);
    }

    static oomx_preference* preference(void* self, __u64 id) {
        auto* const own = of(self).whose_.preferred(id);
        auto* const at = own != nullptr ? nullptr : of(self).where_.find(cgroup_id{id});
        return at != nullptr && at->preference ? &*at->preference : own;
    }

    static void rcu_read_lock(void* self) { ++of(self).rcu_; }

    static void rcu_read_unlock(void* self) {
        of(self).count(of(self).rcu_, -1, native_fault::rcu_left_open);
    }

    static int css_new(void* self, kernel::bpf_iter_css* it, kernel::cgroup_subsys_state* start,
                       unsigned int flags) {
        ++of(self).iterators_;
        *it = {.start = start, .at = nullptr, .flags = flags};
        return 0;
    }

    static kernel::cgroup_subsys_state* css_next(void* self, kernel::bpf_iter_css* it) {
        if (of(self).rcu_ == 0) {
            of(self).blame(native_fault::walk_without_rcu);
        }
        if (it->start == nullptr) {
            return nullptr;
        }
        auto* const top = node::of(it->start);
        auto* const next = it->at == nullptr ? top : next_in(top, node::of(it->at));
        if (next == nullptr) {
            it->start = nullptr;
            return nullptr;
        }
        it->at = &next->memcg.css;
        return it->at;
    }

    static void css_destroy(void* self, kernel::bpf_iter_css* /*it*/) {
        of(self).count(of(self).iterators_, -1, native_fault::iterator_open);
    }

    static int css_task_new(void* self, kernel::bpf_iter_css_task* it,
                            kernel::cgroup_subsys_state* css, unsigned int /*flags*/) {
        auto& me = of(self);
        auto* const at = node::of(css);
        ++me.iterators_;
        *it = {.css = nullptr, .position = 0};
        if (at->references == 0 && me.now_.memcg != &at->memcg) {
            me.blame(native_fault::task_walk_lent);
        }
        if (at->unreadable) {
            return -ENOMEM;
        }
        it->css = css;
        return 0;
    }

    /// The list does not change while a policy runs: victims leave it when the clock moves.
    static kernel::task_struct* css_task_next(void* self, kernel::bpf_iter_css_task* it) {
        if (it->css == nullptr) {
            return nullptr;
        }
        const auto& tasks = node::of(it->css)->tasks;
        while (it->position < tasks.size()) {
            auto* const next = tasks[it->position++];
            if (!of(self).is_hidden(*next)) {
                return next;
            }
        }
        it->css = nullptr;
        return nullptr;
    }

    static void css_task_destroy(void* self, kernel::bpf_iter_css_task* /*it*/) {
        of(self).count(of(self).iterators_, -1, native_fault::iterator_open);
    }

    static int task_new(void* self, kernel::bpf_iter_task* it, kernel::task_struct* task,
                        unsigned int flags) {
        ++of(self).iterators_;
        *it = {.task = task, .position = 0, .flags = flags};
        return 0;
    }

    /// All processes of the model, or the threads of one.
    static kernel::task_struct* task_next(void* self, kernel::bpf_iter_task* it) {
        auto& me = of(self);
        if (me.rcu_ == 0) {
            me.blame(native_fault::walk_without_rcu);
        }
        if (it->flags == BPF_TASK_ITER_PROC_THREADS) {
            auto* const process = detail::task::of(it->task);
            switch (it->position++) {
            case 0:
                return process;
            case 1:
                return process->second.mm == nullptr ? nullptr : &process->second;
            default:
                return nullptr;
            }
        }
        auto& all = me.where_.tasks();
        while (it->position < all.size()) {
            auto& next = all[it->position++];
            if (next.phase != phase::gone) {
                return &next;
            }
        }
        return nullptr;
    }

    static void task_destroy(void* self, kernel::bpf_iter_task* /*it*/) {
        of(self).count(of(self).iterators_, -1, native_fault::iterator_open);
    }

    static kernel::mem_cgroup* get_root_mem_cgroup(void* self) {
        return of(self).hold(&of(self).where_.root());
    }

    static kernel::mem_cgroup* get_mem_cgroup(void* self, kernel::cgroup_subsys_state* css) {
        return of(self).hold(css == nullptr ? nullptr : node::of(css));
    }

    static void put_mem_cgroup(void* self, kernel::mem_cgroup* memcg) {
        of(self).count(node::of(memcg)->references, -1, native_fault::reference_lent);
        of(self).count(of(self).references_, -1, native_fault::reference_lent);
    }

    static unsigned long page_state(void* /*self*/, kernel::mem_cgroup* memcg, int item) {
        const auto& stat = node::of(memcg)->stat;
        const auto bytes_of = [&](kind what) {
            return stat[static_cast<std::size_t>(what)] * page_size;
        };
        switch (item) {
        case kernel::NR_ANON_MAPPED:
            return bytes_of(kind::anon);
        case kernel::NR_FILE_PAGES:
            return bytes_of(kind::file) + bytes_of(kind::shmem);
        case kernel::NR_SHMEM:
            return bytes_of(kind::shmem);
        case kernel::MEMCG_KMEM:
            return bytes_of(kind::kernel);
        default:
            return ~0UL;
        }
    }

    static void flush_stats(void* self, kernel::mem_cgroup* /*memcg*/) {
        static_cast<void>(of(self).may_sleep());
    }

    static kernel::cgroup* cgroup_from_id(void* self, __u64 id) {
        auto* const at = of(self).where_.find(cgroup_id{id});
        if (at != nullptr) {
            ++at->references;
            ++of(self).references_;
        }
        return at;
    }

    static void cgroup_release(void* self, kernel::cgroup* cgroup) {
        put_mem_cgroup(self, &node::of(cgroup)->memcg);
    }

    static kernel::task_struct* task_acquire(void* self, kernel::task_struct* task) {
        ++of(self).references_;
        return task;
    }

    static void task_release(void* self, kernel::task_struct* /*task*/) {
        of(self).count(of(self).references_, -1, native_fault::reference_lent);
    }

    /// A reference that lies in such a place is the policy's, but not one that it holds.
    static kernel::task_struct* kptr_xchg(void* self, kernel::task_struct** place,
                                          kernel::task_struct* task) {
        auto* const before = std::exchange(*place, task);
        of(self).references_ += (before != nullptr ? 1 : 0) - (task != nullptr ? 1 : 0);
        return before;
    }

    static kernel::task_struct* current_task(void* self) { return of(self).now_.asking; }

    static int kill_process(void* self, kernel::oom_control* /*oc*/, kernel::task_struct* task,
                            const char* /*message*/) {
        auto& me = of(self);
        if (!me.may_sleep()) {
            return -EPERM;
        }
        return kill_on_request(me.where_, me.now_, *detail::task::of(task));
    }

    // An OOM handler may not call these (abi.md: -EACCES at load).
    static int create_trigger(void* /*self*/, __u64 /*cgroup_id*/, __u32 /*resource*/,
                              __u32 /*threshold_us*/, __u32 /*window_us*/) {
        return -EACCES;
    }

    static int out_of_memory(void* /*self*/, kernel::mem_cgroup* /*memcg*/, int /*order*/,
                             __u64 /*flags*/, const char* /*constraint*/) {
        return -EACCES;
    }

    static kernel::oomx_native_kernel functions() {
        return {
            .self = nullptr,
            .ktime_get_ns = ktime_get_ns,
            .ringbuf_output = ringbuf_output,
            .preference = preference,
            .rcu_read_lock = rcu_read_lock,
            .rcu_read_unlock = rcu_read_unlock,
            .css_new = css_new,
            .css_next = css_next,
            .css_destroy = css_destroy,
            .css_task_new = css_task_new,
            .css_task_next = css_task_next,
            .css_task_destroy = css_task_destroy,
            .task_new = task_new,
            .task_next = task_next,
            .task_destroy = task_destroy,
            .get_root_mem_cgroup = get_root_mem_cgroup,
            .get_mem_cgroup = get_mem_cgroup,
            .put_mem_cgroup = put_mem_cgroup,
            .page_state = page_state,
            .flush_stats = flush_stats,
            .cgroup_from_id = cgroup_from_id,
            .cgroup_release = cgroup_release,
            .task_acquire = task_acquire,
            .task_release = task_release,
            .kptr_xchg = kptr_xchg,
            .current_task = current_task,
            .kill_process = kill_process,
            .create_trigger = create_trigger,
            .out_of_memory = out_of_memory,
        };
    }

    model& where_;
    instance& whose_;
    oom& now_;
    kernel::oomx_native_kernel table_;
    native_fault fault_ = native_fault::none;
    std::int64_t rcu_ = 0;
    std::int64_t iterators_ = 0;
    std::int64_t references_ = 0;
};

} // namespace oomx::native::detail
