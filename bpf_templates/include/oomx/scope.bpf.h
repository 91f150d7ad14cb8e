/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_SCOPE_BPF_H
#define OOMX_SCOPE_BPF_H

/* The OOM being handled. Lives on the stack of the handler; a policy only passes it on. */
#include <oomx/abi.bpf.h>
#include <oomx/candidate.h>
#include <oomx/config.h>
#include <oomx/memcg.bpf.h>
#include <oomx/preference.h>
#include <oomx/scoped.bpf.h>

struct oomx_scope {
	struct oom_control *oc;
	struct mem_cgroup *root; /* the cgroup that is out of memory, or the root: held */
};

/*
 * What is known of the OOM besides. Not in the scope: for the verifier each value on a stack is
 * another state, and here they do not count. One is enough, see emit.bpf.h.
 */
struct oomx_course {
	__u64 asking;			   /* cgroup id of who needs memory and gets none, or 0 */
	__u64 scope_id;			   /* cgroup id of the scope's root */
	__u64 dying;			   /* cgroup id of an earlier victim's, still dying, or 0 */
	__u64 scope_size;		   /* bytes it may hold */
	struct oomx_preference preference; /* of the scope and what is above it */
	__u32 level;			   /* candidates are this far below the scope, 0: leaves */
	__u32 granularity;		   /* enum oomx_granularity */
	__u32 scope_level;		   /* of the scope's root, below the root of all */
	__u32 scoped;			   /* 1: the OOM of a cgroup, 0: of the whole system */
	__u32 recursive;		   /* 1: memory_recursiveprot */
	__u32 inside;			   /* what is deeper belongs to the candidate before */
	__u32 never_level;		   /* what is deeper is never to be killed */
	__u32 walks;			   /* through the candidates, this one included */
	__u32 walking;			   /* 1: the walk goes on */
	__u32 cgroups;			   /* that the list of candidates was made of */
	__u32 tasks;			   /* that were looked at in this walk */
	__s32 named; /* pid of the process that the policy names itself, or 0 */
};

static struct oomx_course oomx_course = {};

/* What a handler returns: claim the OOM, or pass it to the parent or the kernel. */
enum oomx_outcome {
	OOMX_DECLINED = 0,
	OOMX_HANDLED = 1,
};

/*
 * Of the policy that is being compiled. OOMX_CONFIG() defines the rails, OOMX_POLICY() and
 * OOMX_RANK_POLICY() how it ranks processes and whether it does, and what it reads (enum
 * oomx_read).
 */
static __always_inline const struct oomx_rails *oomx_rails(void);
static __always_inline bool oomx_ranks_processes(void);
static __always_inline bool oomx_reads(__u32 what);
static __always_inline __u64 oomx_process_score(const struct oomx_process *process);

/* How a policy ranks processes that says nothing of them; nobody is spared. */
static __always_inline __u64 oomx_held(const struct oomx_process *process)
{
	return process->rss + process->swap + 1;
}

#endif
