/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_TASK_BPF_H
#define OOMX_TASK_BPF_H

/* The processes of a memory cgroup, and what they hold: bytes. */
#include <oomx/decision.h>
#include <oomx/kernel.bpf.h>
#include <oomx/memcg.bpf.h>
#include <oomx/scoped.bpf.h>

#define oomx_process_iter                                                                          \
	struct bpf_iter_css_task __attribute__((cleanup(bpf_iter_css_task_destroy)))

/* Never to be killed: its owner said so, or the machine would not survive it. */
static __always_inline bool oomx_unkillable(struct task_struct *task)
{
	return task->signal->oom_score_adj == OOM_SCORE_ADJ_MIN;
}

/* The reaper, or the end of the process, has taken what there was. */
static __always_inline bool oomx_reaped(struct mm_struct *mm)
{
	return oomx_mm_flags(mm) & (1UL << MMF_OOM_SKIP);
}

/* By way of memory: the verifier lets nobody calculate with a pointer. */
OOMX_SCRATCH static volatile __u64 oomx_address = 0;

/* The address as a number, to tell one object from another by. */
static __always_inline __u64 oomx_number_of(const void *object)
{
	oomx_address = (__u64)object;
	return oomx_address;
}

/* What a kill of a process can come to. */
enum oomx_life {
	OOMX_LIVES = 0,
	OOMX_DIES = 1,	/* killed for an OOM before, and its memory is still to come */
	OOMX_SPENT = 2, /* nothing: its memory is back, or is not to be had */
	OOMX_EXITS = 3, /* it ends, by itself or by a SIGKILL, and its memory is still to come */
};

/*
 * Once the reaper has taken what it could (MMF_OOM_SKIP), waiting for a victim frees nothing more:
 * the kernel's own killer moves on too (mm/oom_kill.c, oom_evaluate_task()). But exit_mmap()
 * (mm/mmap.c) sets that flag as well, before it gives the pages back; the kernel's killer kills an
 * innocent sibling in that window, we wait: nothing blocks there, and the tree of mappings is gone
 * at its end. Who ends by itself and has no address space any more (kernel/exit.c, do_exit()) is
 * spent, too. One whose first thread has ended lives as long as another does.
 */
static __always_inline int oomx_life(struct task_struct *task)
{
	struct signal_struct *signal = task->signal;
	struct mm_struct *killed = signal->oom_mm;
	struct mm_struct *mm = task->mm;

	if (killed) {
		if (!oomx_reaped(killed) || (!killed->mm_users.counter && killed->mm_mt.ma_root))
			return OOMX_DIES;
		return OOMX_SPENT;
	}
	if (mm ? oomx_reaped(mm) : !signal->live.counter)
		return OOMX_SPENT;
	return signal->flags & SIGNAL_GROUP_EXIT ? OOMX_EXITS : OOMX_LIVES;
}

/* Global: the verifier looks at it once, and not at every way through it for each turn of a loop.
 */
__weak __noinline int oomx_life_of(struct task_struct *task __arg_trusted)
{
	return oomx_life(task);
}

/*
 * The address space of a process. Its first thread may have ended before the others, who have it
 * still: find_lock_task_mm() (mm/oom_kill.c). Only the threads of this process are gone through.
 * Under RCU.
 */
static __always_inline struct mm_struct *oomx_mm_of(struct task_struct *process)
{
	struct mm_struct *mm = process->mm;
	oomx_task_ref held = NULL;
	struct task_struct *thread;
	struct bpf_iter_task it;

	if (mm || !process->signal->live.counter)
		return mm;
	held = bpf_task_acquire(process);
	if (!held)
		return NULL;
	bpf_iter_task_new(&it, held, BPF_TASK_ITER_PROC_THREADS);
	while (!mm && (thread = bpf_iter_task_next(&it)))
		mm = thread->mm;
	bpf_iter_task_destroy(&it);
	return mm;
}

/*
 * Is one of its threads on its way out? Shared memory is given back only after the address space is
 * gone, with the files of the process: exit_task_work() in do_exit() (kernel/exit.c).
 */
__weak __noinline bool oomx_is_leaving(struct task_struct *process __arg_trusted)
{
	oomx_rcu_section rcu = oomx_rcu_enter();
	struct task_struct *thread;
	struct bpf_iter_task it;
	bool leaving = false;

	bpf_iter_task_new(&it, process, BPF_TASK_ITER_PROC_THREADS);
	while (!leaving && (thread = bpf_iter_task_next(&it)))
		leaving = (thread->flags & PF_EXITING) && !thread->exit_state;
	bpf_iter_task_destroy(&it);
	return leaving;
}

/*
 * Is it between vfork() and exec()? Then its memory is its parent's, and so is what a kill of it
 * would take: in_vfork() (include/linux/sched/mm.h). Under RCU.
 */
static __always_inline bool oomx_in_vfork(struct task_struct *process)
{
	return process->vfork_done && process->real_parent->mm == process->mm;
}

/* As get_mm_counter() (include/linux/mm.h) has it: without what processors have not added yet. */
#define oomx_counted(mm, counter)                                                                  \
	({                                                                                         \
		__s64 oomx_count = (mm)->rss_stat[counter].count;                                  \
		oomx_count > 0 ? oomx_bytes(oomx_count) : 0;                                       \
	})

/* What a process holds, and with whom. */
struct oomx_memory {
	__u64 mm; /* the address of its address space, a number; 0: it has none any more */
	__u64 anon, file, shmem, swap, page_tables; /* bytes; shmem: as far as it is mapped */
	__u32 in_vfork;				    /* 1: see oomx_in_vfork() */
	__u32 shared; /* 1: others than its own threads use it; they may only look at it */
};

/*
 * Of the process at hand. One is enough, see emit.bpf.h. Used: else clang makes a variable of each
 * member, and its BTF does not say so.
 */
__attribute__((used)) static struct oomx_memory oomx_memory = {};

/* Fill in oomx_memory: false where the process has no address space any more. */
__weak __noinline bool oomx_read_memory(struct task_struct *process __arg_trusted)
{
	oomx_rcu_section rcu = oomx_rcu_enter();
	struct mm_struct *mm = oomx_mm_of(process);
	struct oomx_memory *m = &oomx_memory;

	m->mm = oomx_number_of(mm);
	if (!mm)
		return false;
	m->anon = oomx_counted(mm, MM_ANONPAGES);
	m->file = oomx_counted(mm, MM_FILEPAGES);
	m->shmem = oomx_counted(mm, MM_SHMEMPAGES);
	m->swap = oomx_counted(mm, MM_SWAPENTS);
	m->page_tables = mm->pgtables_bytes.counter;
	m->in_vfork = oomx_in_vfork(process);
	m->shared = mm->mm_users.counter > process->signal->live.counter;
	return true;
}

static __always_inline void oomx_comm(char *comm, struct task_struct *task)
{
	bpf_core_read_str(comm, OOMX_COMM_LEN, &task->comm);
}

#endif
