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

/*
 * Killed for an OOM, and its memory is still to come. Once the reaper has taken what it could
 * (MMF_OOM_SKIP), waiting frees nothing more: the kernel's own killer moves on too (mm/oom_kill.c,
 * oom_evaluate_task()). But exit_mmap() (mm/mmap.c) sets that flag as well, before it gives the
 * pages back; the kernel's killer kills an innocent sibling in that window, we wait: nothing blocks
 * there, and the tree of mappings is gone at its end.
 */
static __always_inline bool oomx_dying(struct task_struct *task)
{
	struct mm_struct *mm = task->signal->oom_mm;

	if (!mm)
		return false;
	if (!oomx_reaped(mm))
		return true;
	return !mm->mm_users.counter && mm->mm_mt.ma_root;
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
