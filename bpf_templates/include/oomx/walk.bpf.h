/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_WALK_BPF_H
#define OOMX_WALK_BPF_H

/*
 * The walk over the cgroups a policy may choose from. The rails are part of it: a policy never
 * sees a leaf that must be spared, and the record names why it did not.
 */
#include <oomx/emit.bpf.h>
#include <oomx/scope.bpf.h>
#include <oomx/task.bpf.h>

struct bpf_iter_css {
	__u64 opaque[3];
} __attribute__((aligned(8)));

extern int bpf_iter_css_new(struct bpf_iter_css *it, struct cgroup_subsys_state *start,
			    unsigned int flags) __weak __ksym;
extern struct cgroup_subsys_state *bpf_iter_css_next(struct bpf_iter_css *it) __weak __ksym;
extern void bpf_iter_css_destroy(struct bpf_iter_css *it) __weak __ksym;

/*
 * Look at the processes of a leaf: what the rails say of it, as enum oomx_verdict. Global, as the
 * verifier looks at a global function once; a loop inside the walk's would be too much for it.
 */
__weak __noinline __u32 oomx_look(struct mem_cgroup *leaf __arg_trusted,
				  __u32 *processes __arg_nonnull)
{
	__u32 limit = oomx_rails()->max_processes;
	__u32 verdict = OOMX_VERDICT_EMPTY;
	struct task_struct *task;
	__u32 seen = 0;
	oomx_process_iter it;

	/* Allocates a little. Not being able to look is not the same as nobody being there. */
	if (bpf_iter_css_task_new(&it, &leaf->css, CSS_TASK_ITER_PROCS))
		return OOMX_VERDICT_UNREADABLE;

	while ((task = bpf_iter_css_task_next(&it))) {
		if (task->flags & PF_KTHREAD)
			continue;
		seen++;
		if (oomx_dying(task)) {
			verdict = OOMX_VERDICT_DYING;
			break;
		}
		if (verdict == OOMX_VERDICT_EMPTY)
			verdict = OOMX_VERDICT_CANDIDATE;
		if (oomx_unkillable(task))
			verdict = OOMX_VERDICT_SPARED_ADJ;
		else if (task->tgid == 1)
			verdict = OOMX_VERDICT_SPARED_INIT;
	}
	*processes = seen;
	if (verdict == OOMX_VERDICT_CANDIDATE && seen > limit)
		verdict = OOMX_VERDICT_SPARED_MANY;
	return verdict;
}

/*
 * The next leaf that may be killed, with a reference, or NULL at the end. A leaf is a cgroup with
 * the memory controller and no living child that has it. Ends early when an earlier victim is
 * found dying: there is nothing to choose then.
 */
static __always_inline struct mem_cgroup *oomx_next_leaf(struct oomx_scope *scope,
							 struct bpf_iter_css *it)
{
	struct cgroup_subsys_state *css;

	if (scope->dying)
		return NULL;

	while ((css = bpf_iter_css_next(it))) {
		struct mem_cgroup *leaf;
		__u32 processes = 0;
		__u32 verdict;

		/* Counts itself and its online children; an offline one counts nothing. */
		if (css->online_cnt.counter != 1)
			continue;
		leaf = bpf_get_mem_cgroup(css);
		if (!leaf)
			continue;

		verdict = oomx_look(leaf, &processes);
		oomx_record.considered++;
		if (verdict != OOMX_VERDICT_EMPTY) {
			scope->leaf_size = oomx_usage_without_cache(leaf);
			oomx_note(oomx_memcg_id(leaf), scope->leaf_size, processes, verdict);
		}

		if (verdict == OOMX_VERDICT_CANDIDATE) {
			oomx_record.eligible++;
			return leaf;
		}
		if (verdict == OOMX_VERDICT_DYING) {
			scope->dying = leaf;
			return NULL;
		}
		bpf_put_mem_cgroup(leaf);
	}
	return NULL;
}

static __always_inline struct bpf_iter_css *oomx_walk_start(struct oomx_scope *scope,
							    struct bpf_iter_css *it)
{
	bpf_iter_css_new(it, &scope->root->css, BPF_CGROUP_ITER_DESCENDANTS_PRE);
	return it;
}

/*
 * for each leaf cgroup of the scope that may be killed, parents before children's siblings as the
 * kernel's pre-order walk goes. `leaf` is held for one turn: oomx_replace() keeps it longer. Runs
 * under RCU: choose here, act after the loop. break, continue and return are all fine.
 */
#define oomx_for_each_leaf(scope, leaf)                                                            \
	for (oomx_rcu_section oomx_once_##leaf = oomx_rcu_enter(); oomx_once_##leaf;               \
	     oomx_once_##leaf = 0)                                                                 \
		for (struct bpf_iter_css oomx_it_##leaf                                            \
		     __attribute__((cleanup(bpf_iter_css_destroy))),                               \
		     *oomx_on_##leaf = oomx_walk_start(scope, &oomx_it_##leaf);                    \
		     oomx_on_##leaf; oomx_on_##leaf = NULL)                                        \
			for (oomx_memcg_ref leaf = oomx_next_leaf(scope, oomx_on_##leaf); leaf;    \
			     oomx_put_memcg(&leaf), leaf = oomx_next_leaf(scope, oomx_on_##leaf))

#endif
