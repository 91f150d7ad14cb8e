/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_POLICY_BPF_H
#define OOMX_POLICY_BPF_H

/*
 * All a policy includes. Most rank, see rank.bpf.h. One that does more writes one function that
 * looks at the scope and acts through the building blocks, and two lines:
 *
 *	OOMX_CONFIG(struct my_config);
 *	...
 *	OOMX_POLICY(name, handle);
 *
 * handle is int (struct oomx_scope *) and returns OOMX_HANDLED or OOMX_DECLINED; declining is
 * always safe. It reads its config from `config`.
 */
#include <oomx/abi.bpf.h>
#include <oomx/config.bpf.h>
#include <oomx/emit.bpf.h>
#include <oomx/kill.bpf.h>
#include <oomx/memcg.bpf.h>
#include <oomx/rank.bpf.h>
#include <oomx/scope.bpf.h>
#include <oomx/scoped.bpf.h>
#include <oomx/survey.bpf.h>
#include <oomx/task.bpf.h>
#include <oomx/wait.bpf.h>
#include <oomx/walk.bpf.h>

/*
 * What the scope may hold. A declared OOM of a cgroup without a limit comes with the largest number
 * there is, beside which no size counts: no more than the machine has. With the posted series any
 * declared OOM comes with 0.
 */
static __always_inline __u64 oomx_scope_size(struct oomx_scope *scope)
{
	__u64 pages = scope->oc->totalpages;
	__u64 most = oomx_object.machine_size;
	__u64 size;

	if (!pages && oomx_course.scoped)
		pages = scope->root->memory.max;
	size = oomx_limit(pages);
	return most && (size > most || !size) ? most : size;
}

static __always_inline void oomx_begin(struct oomx_scope *scope, const char *policy, __u64 name_len,
				       __u64 attached_to)
{
	const struct oomx_rails *rails = oomx_rails();
	struct oomx_decision *r = &oomx_record;

	__builtin_memset(r, 0, sizeof(*r));
	r->event.version = OOMX_RECORD_VERSION;
	r->event.kind = OOMX_EVENT_DECISION;
	r->event.size = sizeof(*r);
	r->time_ns = bpf_ktime_get_ns();
	r->generation = oomx_generation;
	r->attached_to = attached_to;
	r->scope = oomx_memcg_id(scope->oc->memcg);
	r->min_interval_ns = rails->min_interval_ns;
	r->max_processes = rails->max_processes;
	r->max_candidates = rails->max_candidates;
	r->mode = rails->mode;
	r->max_tasks = rails->max_tasks;
	r->min_relief = rails->min_relief;
	__builtin_memcpy(r->policy, policy, name_len);

	__builtin_memset(&oomx_course, 0, sizeof(oomx_course));
	oomx_course.scope_id = oomx_memcg_id(scope->root);
	oomx_course.scoped = scope->oc->memcg != NULL;
	oomx_course.scope_level = scope->root->css.cgroup->level;
	oomx_course.scope_size = oomx_scope_size(scope);
	oomx_entry.cgroup_id = 0;
	oomx_list.beyond = 0;
	if (r->scope) {
		r->scope_usage = oomx_usage(scope->root);
		r->scope_max = oomx_limit(scope->root->memory.max);
	}
}

/*
 * Before anybody is chosen. False where nobody has to be: an earlier victim is dying, or memory
 * came back, or the OOM is one of some nodes only, of which it is not known who holds what there.
 */
static __always_inline bool oomx_must_choose(struct oomx_scope *scope, int *outcome)
{
	__u32 constraint = scope->oc->constraint;
	struct mem_cgroup *root = scope->root;

	*outcome = OOMX_HANDLED;
	if (oomx_waits(scope))
		return false;
	if (oomx_relieved(scope)) {
		*outcome = oomx_claim_relief(scope);
		return false;
	}
	oomx_survey();
	if (oomx_course.dying && oomx_waits(scope))
		return false;
	oomx_course.dying = 0;
	*outcome = OOMX_DECLINED;
	if (constraint == bpf_core_enum_value(enum oom_constraint, CONSTRAINT_CPUSET) ||
	    constraint == bpf_core_enum_value(enum oom_constraint, CONSTRAINT_MEMORY_POLICY)) {
		oomx_record.result = OOMX_RESULT_CONSTRAINED;
		return false;
	}
	oomx_look_at_scope(scope->root);
	if (root->css.cgroup->root->flags & CGRP_ROOT_MEMORY_RECURSIVE_PROT)
		oomx_course.recursive = 1;
	if (oomx_reads(OOMX_READ_GAIN) || oomx_rails()->min_relief)
		oomx_course.asking = oomx_home_of(bpf_get_current_task_btf());
	/* Statistics below are up to two seconds old otherwise. */
	if (oomx_reads(OOMX_READ_STAT) || oomx_rails()->min_relief)
		bpf_mem_cgroup_flush_stats(scope->root);
	return true;
}

/* The walk met a victim that began to die since. */
static __always_inline int oomx_wait_for_dying(struct oomx_scope *scope)
{
	struct oomx_decision *r = &oomx_record;

	if (oomx_waits(scope))
		return OOMX_HANDLED;
	r->result = OOMX_RESULT_DECLINED;
	if (!oomx_relieved(scope))
		return OOMX_DECLINED;
	r->victim = r->victim_usage = 0;
	return oomx_claim_relief(scope);
}

/* Whom decisions waited for, until anything else happens: OOMs of several cgroups take turns. */
#define OOMX_WAITS 8
static __u64 oomx_waited[OOMX_WAITS] = {};

/*
 * Until a victim has given its memory back the kernel asks again and again, hundreds of times for a
 * large one. The first answer is a decision, the others are counted: they would push decisions out
 * of the ring buffer.
 */
static __always_inline bool oomx_still_waiting(void)
{
	struct oomx_decision *r = &oomx_record;
	__u32 i;

	if (r->result != OOMX_RESULT_WAITING) {
		__builtin_memset(oomx_waited, 0, sizeof(oomx_waited));
		return false;
	}
	oomx_control.waited++;
	for (i = 0; i < OOMX_WAITS; i++) {
		if (oomx_waited[i] == r->victim)
			return true;
		if (!oomx_waited[i]) {
			oomx_waited[i] = r->victim;
			break;
		}
	}
	return false;
}

/* An OOM is claimed only with a kill to show for it, whatever the policy says. */
static __always_inline int oomx_end(int outcome)
{
	struct oomx_decision *r = &oomx_record;

	outcome = outcome == OOMX_HANDLED && r->mode == OOMX_ENFORCE &&
		  (r->result == OOMX_RESULT_KILLED || r->result == OOMX_RESULT_WAITING ||
		   r->result == OOMX_RESULT_RELIEVED);
	oomx_note();
	r->considered += oomx_list.beyond;
	r->verdicts[OOMX_VERDICT_OVER_BOUND] += oomx_list.beyond;
	if (r->result == OOMX_RESULT_DECLINED && !r->eligible && !r->victim)
		r->result = OOMX_RESULT_NO_VICTIM;
	if (outcome)
		oomx_control.handled++;
	else
		oomx_control.declined++;
	r->took_ns = bpf_ktime_get_ns() - r->time_ns;
	if (!r->decided_ns)
		r->decided_ns = r->took_ns;
	if (!oomx_still_waiting())
		oomx_emit(r, sizeof(*r));
	return outcome;
}

#define OOMX_POLICY(policy_name, handle)                                                           \
	/* Not in the walk: only oomx_kill_process() wants to know. */                             \
	static __always_inline bool oomx_ranks_processes(void)                                     \
	{                                                                                          \
		return oomx_course.granularity == OOMX_PROCESS;                                    \
	}                                                                                          \
	static __always_inline __u64 oomx_process_score(const struct oomx_process *process)        \
	{                                                                                          \
		return oomx_held(process);                                                         \
	}                                                                                          \
	static __always_inline bool oomx_reads(__u32 what)                                         \
	{                                                                                          \
		return true;                                                                       \
	}                                                                                          \
	OOMX_POLICY_(policy_name, handle)

#define OOMX_POLICY_(policy_name, handle)                                                          \
	/* A function of its own: one body, whatever the number of revisions that call it. */      \
	static __noinline int oomx_on_oom(struct oom_control *oc, __u64 attached_to)               \
	{                                                                                          \
		oomx_memcg_ref root = NULL;                                                        \
		struct mem_cgroup *memcg = oc->memcg;                                              \
		int outcome;                                                                       \
                                                                                                   \
		if (!oomx_control.armed)                                                           \
			return OOMX_DECLINED;                                                      \
		root = memcg ? bpf_get_mem_cgroup(&memcg->css) : bpf_get_root_mem_cgroup();        \
		/* On its way out: nothing of it is left to choose from. */                        \
		if (!root || !oomx_read_config()) {                                                \
			oomx_control.declined++;                                                   \
			return OOMX_DECLINED;                                                      \
		}                                                                                  \
		struct oomx_scope scope = { .oc = oc, .root = root };                              \
                                                                                                   \
		oomx_begin(&scope, #policy_name, sizeof(#policy_name), attached_to);               \
		if (oomx_must_choose(&scope, &outcome)) {                                          \
			outcome = handle(&scope);                                                  \
			if (oomx_course.dying)                                                     \
				outcome = oomx_wait_for_dying(&scope);                             \
			else if (oomx_record.result == OOMX_RESULT_RELIEVED)                       \
				outcome = oomx_claim_relief(&scope);                               \
		}                                                                                  \
		return oomx_end(outcome);                                                          \
	}                                                                                          \
	static __always_inline void oomx_on_gone(__u64 cgroup_id)                                  \
	{                                                                                          \
		oomx_emit_gone(cgroup_id, #policy_name, sizeof(#policy_name));                     \
	}                                                                                          \
	OOMX_ABI(#policy_name, oomx_on_oom, oomx_on_gone);                                         \
	/* The memcg and kill kfuncs are GPL-only. */                                              \
	char LICENSE[] SEC("license") = "Dual BSD/GPL"

#endif
