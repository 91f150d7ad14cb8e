/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_RAILS_BPF_H
#define OOMX_RAILS_BPF_H

/*
 * What the rails say of a candidate: in one place, asked by the walk and once more before a kill.
 */
#include <oomx/inspect.bpf.h>

/* Nobody of it may die: why. */
static __always_inline __u32 oomx_why_nobody(const struct oomx_look *look)
{
	if (look->unreadable)
		return OOMX_VERDICT_UNREADABLE;
	if (look->cut && !look->processes)
		return OOMX_VERDICT_OVER_BOUND;
	if (!look->processes)
		return OOMX_VERDICT_EMPTY;
	if (look->init)
		return OOMX_VERDICT_SPARED_INIT;
	if (look->unkillable)
		return OOMX_VERDICT_SPARED_ADJ;
	return look->never ? OOMX_VERDICT_SPARED_NEVER : OOMX_VERDICT_SPARED_SHARED;
}

/*
 * Somebody of it may die, but not all: why. 0 if all may. A candidate of which a part must live, or
 * which is too large, is not spared: that would let a tenant make itself safe, and its neighbours
 * die instead. It loses the one process that the policy would kill first.
 */
static __always_inline __u32 oomx_why_not_all(const struct oomx_look *look, bool together)
{
	if (!together)
		return 0;
	if (look->unreadable)
		return OOMX_VERDICT_UNREADABLE;
	if (look->cut)
		return OOMX_VERDICT_OVER_BOUND;
	if (look->processes > oomx_rails()->max_processes)
		return OOMX_VERDICT_SPARED_MANY;
	if (look->never)
		return OOMX_VERDICT_SPARED_NEVER;
	if (look->shared || (look->borrowed && look->groups))
		return OOMX_VERDICT_SPARED_SHARED;
	if (look->init)
		return OOMX_VERDICT_SPARED_INIT;
	return look->unkillable ? OOMX_VERDICT_SPARED_ADJ : 0;
}

/*
 * Inspect a candidate and say what the rails say: enum oomx_verdict. Its preference is in oomx_look
 * already.
 */
static __always_inline __u32 oomx_assess(struct mem_cgroup *candidate)
{
	struct oomx_look *look = &oomx_look;

	oomx_inspect(candidate);
	if (look->dying)
		return OOMX_VERDICT_DYING;
	if (look->preference.never_kill)
		return look->processes || look->unreadable ? OOMX_VERDICT_SPARED_NEVER
							   : OOMX_VERDICT_EMPTY;
	if (!look->killable)
		return oomx_why_nobody(look);
	look->only_process =
		oomx_why_not_all(look, oomx_course.granularity == OOMX_CGROUP || look->groups);
	return OOMX_VERDICT_CANDIDATE;
}

/* As above, of any cgroup: is it in the scope at all, and what did user space say of it? */
__weak __noinline __u32 oomx_judge(struct mem_cgroup *candidate __arg_trusted)
{
	struct oomx_look *look = &oomx_look;

	__builtin_memset(look, 0, sizeof(*look));
	look->cgroup_id = oomx_memcg_id(candidate);
	if (!oomx_look_up(candidate))
		return OOMX_VERDICT_OUT_OF_SCOPE;
	look->preference = oomx_ancestry.preference;
	return oomx_assess(candidate);
}

/* As above, of one that the walk has listed: what is above it is known. */
__weak __noinline __u32 oomx_judge_listed(struct mem_cgroup *candidate __arg_trusted)
{
	const struct oomx_listed *listed = &oomx_listed;
	struct oomx_look *look = &oomx_look;

	__builtin_memset(look, 0, sizeof(*look));
	look->cgroup_id = listed->cgroup_id;
	look->preference = listed->preference;
	return oomx_assess(candidate);
}

/*
 * The kernel kills a memory.oom.group together with any process of it, all but process 1 and those
 * with oom_score_adj -1000. Where one process alone was to die it may not come to that.
 */
static __always_inline bool oomx_dies_with_others(void)
{
	return oomx_look.groups && oomx_look.only_process &&
	       oomx_look.only_process != OOMX_VERDICT_SPARED_ADJ &&
	       oomx_look.only_process != OOMX_VERDICT_SPARED_INIT;
}

/* What was judged becomes the cgroup at hand. */
static __always_inline void oomx_enter(__u64 usage, __u32 verdict)
{
	struct oomx_entry *entry = &oomx_entry;

	entry->cgroup_id = oomx_look.cgroup_id;
	entry->usage = usage;
	entry->processes = oomx_look.processes;
	entry->verdict = verdict;
	entry->tier = oomx_look.preference.tier;
	entry->preference = oomx_look.preference.preference;
	entry->only_process = oomx_look.only_process;
	entry->score = verdict == OOMX_VERDICT_CANDIDATE ? entry->usage : OOMX_SPARE;
}

#endif
