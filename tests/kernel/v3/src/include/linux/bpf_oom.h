/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LINUX_BPF_OOM_H
#define _LINUX_BPF_OOM_H

#include <linux/types.h>

struct bpf_struct_ops_link;
struct cgroup;
struct oom_control;
struct task_struct;

#define BPF_OOM_NAME_MAX_LEN 64

/*
 * An out-of-memory policy, as in v3 of the series. There is one instance per
 * cgroup; the root cgroup's is the system's.
 */
struct bpf_oom_ops {
	/**
	 * @handle_out_of_memory: Free memory, usually by a kill. Required. May
	 * be sleepable. Called with oom_lock held and page faults disabled.
	 *
	 * Return: non-zero if the OOM is handled. It only counts when memory
	 * was freed by bpf_oom_kill_process() in this very call.
	 */
	int (*handle_out_of_memory)(struct oom_control *oc,
				    struct bpf_struct_ops_link *link);

	/** @name: Shown in the OOM report. */
	char name[BPF_OOM_NAME_MAX_LEN];
};

/* Flags of bpf_out_of_memory(). */
enum bpf_oom_flags {
	BPF_OOM_FLAGS_WAIT_ON_OOM_LOCK = 1 << 0,
};

/* mm/oom_kill.c, shared with mm/bpf_oom.c */
bool oom_unkillable_task(struct task_struct *p);
void oom_kill_process(struct oom_control *oc, const char *message);

#if defined(CONFIG_BPF_SYSCALL) && defined(CONFIG_BPF_JIT) && defined(CONFIG_MEMCG)
bool bpf_handle_oom(struct oom_control *oc);
void bpf_oom_cgroup_offline(struct cgroup *cgrp);
#else
static inline bool bpf_handle_oom(struct oom_control *oc)
{
	return false;
}

static inline void bpf_oom_cgroup_offline(struct cgroup *cgrp)
{
}
#endif

#endif /* _LINUX_BPF_OOM_H */
