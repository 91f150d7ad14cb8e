/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_KILL_BPF_H
#define OOMX_KILL_BPF_H

/* The kill, within the rails. */
#include <oomx/emit.bpf.h>
#include <oomx/scope.bpf.h>
#include <oomx/task.bpf.h>

/* When this policy last killed, CLOCK_MONOTONIC. Handlers do not overlap: see emit.bpf.h. */
static __u64 oomx_last_kill_ns = 0;

/*
 * Kill the processes of a cgroup as the kernel's killer would; with only_dying, none but those it
 * already killed. Members of a memory.oom.group die together, so later ones may be gone or dying
 * already: neither is an error. True if there was one at least.
 *
 * Counts in the record, not in a variable: for the verifier each value of one that decides
 * something is another state, and the loop would have no end.
 */
__weak __noinline bool oomx_kill_processes(struct oom_control *oc __arg_trusted,
					   struct mem_cgroup *victim __arg_trusted, bool only_dying)
{
	struct oomx_decision *r = &oomx_record;
	struct task_struct *task;
	oomx_process_iter it;
	bool done = false;
	int err;

	err = bpf_iter_css_task_new(&it, &victim->css, CSS_TASK_ITER_PROCS);
	if (err) {
		r->error = err;
		return false;
	}
	while ((task = bpf_iter_css_task_next(&it))) {
		if (oomx_unkillable(task) || (only_dying && !oomx_dying(task)))
			continue;
		err = bpf_oom_kill_process(oc, task, "Out of memory (oomx)");
		if (err) {
			r->refused++;
			r->error = err;
			continue;
		}
		if (!only_dying)
			r->killed++;
		done = true;
	}
	return done;
}

/*
 * Has a cgroup that met its limit come back below it? The kernel looked before it called the
 * policy, but the walk takes longer than the end of an earlier victim, who may have left it while
 * it gave back its memory: nobody else has to die then. Of other OOMs it is not known.
 */
static __always_inline bool oomx_relieved(struct oomx_scope *scope)
{
	struct oom_control *oc = scope->oc;
	struct mem_cgroup *memcg = oc->memcg;

	if (!memcg || oc->constraint != bpf_core_enum_value(enum oom_constraint, CONSTRAINT_MEMCG))
		return false;
	return memcg->memory.usage.counter + (1ULL << (oc->order & 63)) <= memcg->memory.max;
}

/*
 * Kill every process of the victim and claim the OOM; pass it on when the rails forbid it or the
 * kernel refused every one. Call it outside the walk: killing sleeps.
 */
static __always_inline int oomx_kill_cgroup(struct oomx_scope *scope, struct mem_cgroup *victim)
{
	const struct oomx_rails *rails = oomx_rails();
	struct oomx_decision *r = &oomx_record;

	if (scope->dying)
		return OOMX_DECLINED; /* the caller waits for that one instead */

	r->victim = oomx_memcg_id(victim);
	r->victim_size = oomx_usage_without_cache(victim);
	oomx_renote(r->victim, OOMX_VERDICT_CHOSEN);
	r->decided_ns = bpf_ktime_get_ns() - r->time_ns;

	if (oomx_relieved(scope)) {
		r->result = OOMX_RESULT_RELIEVED;
		return OOMX_DECLINED;
	}
	if (rails->mode != OOMX_ENFORCE) {
		r->result = OOMX_RESULT_SHADOW;
		return OOMX_DECLINED;
	}
	if (oomx_last_kill_ns && r->time_ns - oomx_last_kill_ns < rails->min_interval_ns) {
		r->result = OOMX_RESULT_COOLING;
		return OOMX_DECLINED;
	}
	if (!oomx_kill_processes(scope->oc, victim, false)) {
		r->result = OOMX_RESULT_KILL_FAILED;
		return OOMX_DECLINED;
	}
	r->result = OOMX_RESULT_KILLED;
	oomx_last_kill_ns = r->time_ns;
	return OOMX_HANDLED;
}

/*
 * An earlier victim is still dying. The kernel takes an OOM for handled only if memory was freed
 * within this very call, and asking for a kill of a process on its way out says so without a
 * second kill. In shadow mode even that is left to the kernel. Where the victim has vanished since
 * the walk there is nothing left to claim the OOM with.
 */
static __always_inline int oomx_wait_for_dying(struct oomx_scope *scope)
{
	struct oomx_decision *r = &oomx_record;

	r->victim = oomx_memcg_id(scope->dying);
	r->victim_size = oomx_usage_without_cache(scope->dying);
	r->result = OOMX_RESULT_WAITING;
	r->decided_ns = bpf_ktime_get_ns() - r->time_ns;
	if (oomx_rails()->mode != OOMX_ENFORCE)
		return OOMX_DECLINED;
	if (oomx_kill_processes(scope->oc, scope->dying, true))
		return OOMX_HANDLED;
	r->result = OOMX_RESULT_DECLINED;
	return OOMX_DECLINED;
}

#endif
