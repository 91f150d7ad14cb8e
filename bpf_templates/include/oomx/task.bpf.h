/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_TASK_BPF_H
#define OOMX_TASK_BPF_H

/* The processes of a memory cgroup, and what they hold: bytes. */
#include <oomx/decision.h>
#include <oomx/kernel.bpf.h>
#include <oomx/memcg.bpf.h>

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
	return mm->flags & (1UL << MMF_OOM_SKIP);
}

/* What a kill of a process can come to. */
enum oomx_life {
	OOMX_LIVES = 0,
	OOMX_DIES = 1,	/* killed for an OOM before, and its memory is still to come */
	OOMX_SPENT = 2, /* nothing: its memory is back, or is not to be had */
};

/*
 * Once the reaper has taken what it could (MMF_OOM_SKIP), waiting for a victim frees nothing more:
 * the kernel's own killer moves on too (mm/oom_kill.c, oom_evaluate_task()). But exit_mmap()
 * (mm/mmap.c) sets that flag as well, before it gives the pages back; the kernel's killer kills an
 * innocent sibling in that window, we wait: nothing blocks there, and the tree of mappings is gone
 * at its end. Who ends by itself and has no address space any more (kernel/exit.c, do_exit()) is
 * spent, too. One whose first thread has ended lives as long as another does.
 *
 * Global: the verifier looks at it once, and not at every way through it for each turn of a loop.
 */
__weak __noinline int oomx_life_of(struct task_struct *task __arg_trusted)
{
	struct mm_struct *killed = task->signal->oom_mm;
	struct mm_struct *mm = task->mm;

	if (killed) {
		if (!oomx_reaped(killed) || (!killed->mm_users.counter && killed->mm_mt.ma_root))
			return OOMX_DIES;
		return OOMX_SPENT;
	}
	if (mm)
		return oomx_reaped(mm) ? OOMX_SPENT : OOMX_LIVES;
	return task->signal->live.counter ? OOMX_LIVES : OOMX_SPENT;
}

/* As get_mm_counter() (include/linux/mm.h) has it: without what processors have not added yet. */
#define oomx_counted(mm, counter)                                                                  \
	({                                                                                         \
		__s64 oomx_count = (mm)->rss_stat[counter].count;                                  \
		oomx_count > 0 ? oomx_bytes(oomx_count) : 0;                                       \
	})

static __always_inline __u64 oomx_rss(struct mm_struct *mm)
{
	return oomx_counted(mm, MM_FILEPAGES) + oomx_counted(mm, MM_ANONPAGES) +
	       oomx_counted(mm, MM_SHMEMPAGES);
}

static __always_inline __u64 oomx_swapped(struct mm_struct *mm)
{
	return oomx_counted(mm, MM_SWAPENTS);
}

static __always_inline __u64 oomx_page_tables(struct mm_struct *mm)
{
	return mm->pgtables_bytes.counter;
}

static __always_inline void oomx_comm(char *comm, struct task_struct *task)
{
	bpf_core_read_str(comm, OOMX_COMM_LEN, &task->comm);
}

#endif
