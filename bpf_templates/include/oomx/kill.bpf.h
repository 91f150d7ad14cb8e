/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_KILL_BPF_H
#define OOMX_KILL_BPF_H

/* The kill, within the rails. */
#include <oomx/emit.bpf.h>
#include <oomx/judge.bpf.h>
#include <oomx/scope.bpf.h>
#include <oomx/task.bpf.h>

/* When this policy last killed, CLOCK_MONOTONIC. Handlers do not overlap: see emit.bpf.h. */
static __u64 oomx_last_kill_ns = 0;

/* Whom of a cgroup to kill. */
enum oomx_whom {
	OOMX_ALL = 0,
	OOMX_DYING = -1, /* none but those the kernel already killed */
	OOMX_NONE = -2,	 /* the policy ranks none that could be killed */
			 /* else one: its pid */
};

/* Is it one of those? Of more than the rails allow, the later ones came after they were counted. */
static __always_inline bool oomx_is_meant(struct task_struct *task, int whom)
{
	int life = oomx_life_of(task);

	if ((task->flags & PF_KTHREAD) || oomx_unkillable(task) || life == OOMX_SPENT)
		return false;
	if (whom == OOMX_ALL)
		return oomx_record.killed < oomx_rails()->max_processes;
	return whom == OOMX_DYING ? life == OOMX_DIES : task->tgid == whom;
}

/*
 * Kill processes of one cgroup as the kernel's killer would. Members of a memory.oom.group die
 * together, so later ones may be gone or dying already: neither is an error. True if there was one
 * at least.
 *
 * Counts in the record, not in a variable: for the verifier each value of one that decides
 * something is another state, and the loop would have no end.
 */
__weak __noinline bool oomx_kill_processes(struct oom_control *oc __arg_trusted,
					   struct mem_cgroup *memcg __arg_trusted, int whom)
{
	struct oomx_decision *r = &oomx_record;
	struct task_struct *task;
	oomx_process_iter it;
	bool done = false;
	int err;

	err = bpf_iter_css_task_new(&it, &memcg->css, CSS_TASK_ITER_PROCS);
	if (err) {
		r->error = err;
		return false;
	}
	while ((task = bpf_iter_css_task_next(&it))) {
		if (!oomx_is_meant(task, whom))
			continue;
		if (whom > 0)
			oomx_comm(r->victim_comm, task);
		err = bpf_oom_kill_process(oc, task, "Out of memory (oomx)");
		if (err) {
			r->refused++;
			r->error = err;
			continue;
		}
		if (whom != OOMX_DYING)
			r->killed++;
		done = true;
	}
	return done;
}

/* As above, in the cgroup with this id. */
static __always_inline bool oomx_kill_in(struct oomx_scope *scope, __u64 cgroup_id, int whom)
{
	oomx_memcg_ref memcg = oomx_memcg_with(cgroup_id);

	return memcg && oomx_kill_processes(scope->oc, memcg, whom);
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

/* The process that the policy chose, or with 0 the one it ranks first. */
static __always_inline void oomx_name_process(int pid)
{
	struct oomx_first *first = &oomx_look.first;
	struct oomx_decision *r = &oomx_record;

	r->victim_pid = pid > 0 ? pid : first->pid;
	if (r->victim_pid == first->pid)
		__builtin_memcpy(r->victim_comm, first->comm, OOMX_COMM_LEN);
}

/*
 * The topmost memory.oom.group from a cgroup up to the scope, or 0: with one of its processes the
 * kernel kills them all. What the walk offers is in none but its own.
 */
__weak __noinline __u64 oomx_group_above(struct mem_cgroup *memcg __arg_trusted)
{
	struct cgroup_subsys_state *css = &memcg->css;
	__u64 group = 0;

	oomx_for_each_number(i, OOMX_MAX_DEPTH) {
		struct mem_cgroup *at = (void *)css; /* its first member */
		__u64 id;

		if (!css || !css->cgroup->level)
			break;
		id = css->cgroup->kn->id;
		if (BPF_CORE_READ(at, oom_group))
			group = id;
		if (id == oomx_course.scope_id)
			break;
		css = css->parent;
	}
	return group;
}

/* May it be killed, and is it to be? Says in the record why not. */
static __always_inline bool oomx_kill_is_due(struct oomx_scope *scope, struct mem_cgroup *victim,
					     int pid)
{
	oomx_memcg_ref group = oomx_memcg_with(oomx_group_above(victim));
	const struct oomx_rails *rails = oomx_rails();
	struct oomx_decision *r = &oomx_record;
	__u32 verdict;
	bool known;

	/*
	 * Sleeps, so the verifier refuses a policy that kills inside its walk. Of the kill itself
	 * it would not see that: a global function is looked at by itself.
	 */
	bpf_mem_cgroup_flush_stats(victim);

	oomx_note();
	if (oomx_course.dying || r->victim)
		return false; /* that one is waited for; one decision, one victim */
	if (group)
		victim = group;

	oomx_look_at_scope(scope->root); /* user space may have said more meanwhile */
	verdict = oomx_judge(victim);
	if (oomx_course.dying)
		return false;
	/* Nobody may have shown it to the policy. */
	known = oomx_is_noted(oomx_look.cgroup_id);
	if (!known) {
		oomx_enter(victim, verdict);
		oomx_note();
	}
	r->granularity = oomx_course.granularity;
	if (r->granularity == OOMX_PROCESS)
		oomx_name_process(pid);
	r->victim = oomx_memcg_id(victim);
	r->victim_usage = oomx_usage(victim);
	r->decided_ns = bpf_ktime_get_ns() - r->time_ns;
	if (verdict == OOMX_VERDICT_CANDIDATE)
		oomx_renote(r->victim, OOMX_VERDICT_CHOSEN);
	else if (known)
		oomx_renote(r->victim, verdict);
	if (verdict != OOMX_VERDICT_CANDIDATE)
		r->result = OOMX_RESULT_SPARED;
	else if (oomx_relieved(scope))
		r->result = OOMX_RESULT_RELIEVED;
	else if (rails->mode != OOMX_ENFORCE)
		r->result = OOMX_RESULT_SHADOW;
	else if (oomx_last_kill_ns && r->time_ns - oomx_last_kill_ns < rails->min_interval_ns)
		r->result = OOMX_RESULT_COOLING;
	else
		return true;
	return false;
}

static __always_inline int oomx_kill(struct oomx_scope *scope, int whom)
{
	struct oomx_decision *r = &oomx_record;
	struct oomx_look *look = &oomx_look;
	bool done = false;

	oomx_for_each_number(i, look->parts)
		done |= oomx_kill_in(scope, look->part[i & (OOMX_PARTS - 1)], whom);
	if (!done) {
		r->result = OOMX_RESULT_KILL_FAILED;
		return OOMX_DECLINED;
	}
	r->result = OOMX_RESULT_KILLED;
	oomx_last_kill_ns = r->time_ns;
	return OOMX_HANDLED;
}

/*
 * Kill every process of the victim and of what is below it, and claim the OOM; pass it on when the
 * rails forbid it or the kernel refused every one. Call it outside the walk: killing sleeps.
 */
static __always_inline int oomx_kill_cgroup(struct oomx_scope *scope, struct mem_cgroup *victim)
{
	oomx_course.granularity = OOMX_CGROUP;
	return oomx_kill_is_due(scope, victim, 0) ? oomx_kill(scope, OOMX_ALL) : OOMX_DECLINED;
}

/*
 * As above, but kill one process of the victim and with it its memory.oom.group: the one with this
 * pid, or with 0 the one that the policy ranks first.
 */
static __always_inline int oomx_kill_process(struct oomx_scope *scope, struct mem_cgroup *victim,
					     int pid)
{
	struct oomx_decision *r = &oomx_record;

	oomx_course.granularity = OOMX_PROCESS;
	if (!oomx_kill_is_due(scope, victim, pid))
		return OOMX_DECLINED;
	return oomx_kill(scope, r->victim_pid ? r->victim_pid : OOMX_NONE);
}

/*
 * An earlier victim is still dying. The kernel takes an OOM for handled only if memory was freed
 * within this very call, and asking for a kill of a process on its way out says so without a
 * second kill. In shadow mode even that is left to the kernel. Where the victim has vanished since
 * the walk there is nothing left to claim the OOM with, and mostly no need to: its memory is back.
 */
static __always_inline int oomx_wait_for_dying(struct oomx_scope *scope)
{
	oomx_memcg_ref dying = oomx_memcg_with(oomx_course.dying);
	struct oomx_decision *r = &oomx_record;

	r->victim = oomx_course.dying;
	r->victim_usage = oomx_usage(dying);
	r->victim_pid = 0; /* whom the policy wanted to kill before it came to this one */
	r->result = OOMX_RESULT_WAITING;
	r->decided_ns = bpf_ktime_get_ns() - r->time_ns;
	if (oomx_rails()->mode != OOMX_ENFORCE)
		return OOMX_DECLINED;
	if (dying && oomx_kill_processes(scope->oc, dying, OOMX_DYING))
		return OOMX_HANDLED;
	r->result = OOMX_RESULT_DECLINED;
	if (oomx_relieved(scope)) {
		r->result = OOMX_RESULT_RELIEVED;
		r->victim = r->victim_usage = 0;
	}
	return OOMX_DECLINED;
}

#endif
