/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LINUX_BPF_OOM_H
#define _LINUX_BPF_OOM_H

#include <linux/types.h>

struct mem_cgroup;
struct oom_control;
struct task_struct;

#define BPF_OOM_NAME_MAX_LEN 64

/* Tells a handler for which instance it runs. */
struct bpf_oom_ctx {
	/* The cgroup this instance is attached to, 0 for the system-wide one. */
	u64 cgroup_id;
};

/*
 * An out-of-memory policy. Both callbacks may be sleepable. There is one
 * instance per memory cgroup and one for the system.
 */
struct bpf_oom_ops {
	/**
	 * @handle_out_of_memory: Free memory, usually by a kill. Required.
	 * Called with oom_lock held.
	 *
	 * Return: non-zero if the OOM is handled. It only counts when memory
	 * was freed by bpf_oom_kill_process() in this very call.
	 */
	int (*handle_out_of_memory)(struct bpf_oom_ctx *ctx,
				    struct oom_control *oc);

	/**
	 * @handle_cgroup_offline: The cgroup of this instance is gone, it gets
	 * no more OOMs. May run while handle_out_of_memory() still does.
	 */
	void (*handle_cgroup_offline)(struct bpf_oom_ctx *ctx, u64 cgroup_id);

	/** @name: Shown in the OOM report. "bpf_defined_policy" when empty. */
	char name[BPF_OOM_NAME_MAX_LEN];
};

/* Flags of bpf_out_of_memory(). */
enum bpf_oom_flags {
	BPF_OOM_FLAGS_WAIT_ON_OOM_LOCK = 1 << 0,
};

/* mm/oom_kill.c, shared with mm/bpf_oom.c */
bool oom_unkillable_task(struct task_struct *p);
bool oom_cpuset_eligible(struct task_struct *start, struct oom_control *oc);
void oom_kill_process(struct oom_control *oc, const char *message);

#if defined(CONFIG_BPF_SYSCALL) && defined(CONFIG_BPF_JIT) && defined(CONFIG_MEMCG)

/* Boot parameters, see mm/bpf_oom.c. */
extern bool bpf_oom_ignore_cgroup_fd;
extern unsigned int bpf_oom_as_posted;

bool bpf_handle_oom(struct oom_control *oc);
void bpf_oom_memcg_offline(struct mem_cgroup *memcg);

#else

#define bpf_oom_ignore_cgroup_fd false
#define bpf_oom_as_posted 0

static inline bool bpf_handle_oom(struct oom_control *oc)
{
	return false;
}

static inline void bpf_oom_memcg_offline(struct mem_cgroup *memcg)
{
}

#endif

/* bpf_oom.as_posted=2: without any mercy of our own. */
static inline bool bpf_oom_strictly_as_posted(void)
{
	return bpf_oom_as_posted >= 2;
}

#endif /* _LINUX_BPF_OOM_H */
