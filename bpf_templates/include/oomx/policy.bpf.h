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
#include <oomx/task.bpf.h>
#include <oomx/walk.bpf.h>

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
	__builtin_memcpy(r->policy, policy, name_len);

	__builtin_memset(&oomx_course, 0, sizeof(oomx_course));
	oomx_look_at_scope(scope->root);
	oomx_course.scope_level = scope->root->css.cgroup->level;
	oomx_course.scope_size = oomx_bytes(scope->oc->totalpages);
	oomx_entry.cgroup_id = 0;

	/* Sleeps, so before the walk. Statistics below are up to two seconds old otherwise. */
	if (oomx_reads(OOMX_READ_STAT))
		bpf_mem_cgroup_flush_stats(scope->root);
	if (r->scope) {
		r->scope_usage = oomx_usage(scope->root);
		r->scope_max = oomx_limit(scope->root->memory.max);
	}
}

/* Whom decisions waited for, until anything else happens: OOMs of several cgroups take turns. */
#define OOMX_WAITS 8
static __u64 oomx_waits[OOMX_WAITS] = {};

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
		__builtin_memset(oomx_waits, 0, sizeof(oomx_waits));
		return false;
	}
	oomx_control.waited++;
	for (i = 0; i < OOMX_WAITS; i++) {
		if (oomx_waits[i] == r->victim)
			return true;
		if (!oomx_waits[i]) {
			oomx_waits[i] = r->victim;
			break;
		}
	}
	return false;
}

/* An OOM is claimed only with a kill to show for it, whatever the policy says. */
static __always_inline int oomx_end(int outcome)
{
	struct oomx_decision *r = &oomx_record;

	outcome = outcome == OOMX_HANDLED &&
		  (r->result == OOMX_RESULT_KILLED || r->result == OOMX_RESULT_WAITING);
	oomx_note();
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
		outcome = handle(&scope);                                                          \
		if (oomx_course.dying)                                                             \
			outcome = oomx_wait_for_dying(&scope);                                     \
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
