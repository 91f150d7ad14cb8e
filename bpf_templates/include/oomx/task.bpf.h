/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_TASK_BPF_H
#define OOMX_TASK_BPF_H

/* The processes of a memory cgroup. */
#include <oomx/kernel.bpf.h>

struct bpf_iter_css_task {
	__u64 opaque[1];
} __attribute__((aligned(8)));

extern int bpf_iter_css_task_new(struct bpf_iter_css_task *it, struct cgroup_subsys_state *css,
				 unsigned int flags) __weak __ksym;
extern struct task_struct *bpf_iter_css_task_next(struct bpf_iter_css_task *it) __weak __ksym;
extern void bpf_iter_css_task_destroy(struct bpf_iter_css_task *it) __weak __ksym;

#define oomx_process_iter                                                                          \
	struct bpf_iter_css_task __attribute__((cleanup(bpf_iter_css_task_destroy)))

/* Never to be killed: its owner said so, or the machine would not survive it. */
static __always_inline bool oomx_unkillable(struct task_struct *task)
{
	return task->signal->oom_score_adj == OOM_SCORE_ADJ_MIN;
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
	struct mm_struct *mm = BPF_CORE_READ(task, signal, oom_mm);

	if (!mm)
		return false;
	if (!(BPF_CORE_READ(mm, flags) & (1UL << MMF_OOM_SKIP)))
		return true;
	return !BPF_CORE_READ(mm, mm_users.counter) && BPF_CORE_READ(mm, mm_mt.ma_root);
}

#endif
