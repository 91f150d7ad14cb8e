/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_KILL_BPF_H
#define OOMX_KILL_BPF_H

/* The kill, within the rails. */
#include <oomx/emit.bpf.h>
#include <oomx/rails.bpf.h>
#include <oomx/scope.bpf.h>
#include <oomx/task.bpf.h>
#include <oomx/victims.bpf.h>
#include <oomx/wait.bpf.h>

/* When this policy last killed for a scope. Of so many scopes it is known: the latest. */
#define OOMX_KILLS 64

struct oomx_kill_time {
	__u64 scope_id;
	__u64 time_ns; /* CLOCK_MONOTONIC */
};

static struct oomx_kill_time oomx_kills[OOMX_KILLS] = {};
static __u32 oomx_next_kill = 0;

/* Whom of a cgroup to kill. */
enum oomx_whom {
	OOMX_ALL = 0,
	OOMX_NONE = -1, /* the policy ranks none that could be killed */
			/* else one: its pid */
};

/* Is it one of those? Of more than the rails allow, the later ones came after they were counted. */
static __always_inline bool oomx_is_meant(struct task_struct *task, int whom)
{
	int life = oomx_life_of(task);

	if ((task->flags & PF_KTHREAD) || oomx_unkillable(task) || life == OOMX_SPENT)
		return false;
	/* The kernel lists it once more while it ends: it was killed in this call. */
	if (life == OOMX_DIES && (task->flags & PF_EXITING))
		return false;
	if (whom == OOMX_ALL)
		return oomx_record.killed < oomx_rails()->max_processes;
	return task->tgid == whom;
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
		/*
		 * Who is between vfork() and exec() dies with its parent, or not at all. And the
		 * policy may have named a process that the rails spare beside others that may die.
		 */
		if (oomx_read_memory(task) && (oomx_memory.in_vfork || oomx_is_shared()))
			continue;
		if (whom > 0)
			oomx_comm(r->victim_comm, task);
		err = bpf_oom_kill_process(oc, task, "Out of memory (oomx)");
		if (err) {
			r->refused++;
			r->error = err;
			continue;
		}
		r->killed++;
		oomx_keep(task);
		done = true;
		if (whom > 0)
			break;
	}
	return done;
}

/* As above, in one of the cgroups of the candidate that was judged last. */
static __always_inline bool oomx_kill_in(struct oomx_scope *scope, __u32 part, int whom)
{
	const struct oomx_part *at = &oomx_parts[part < OOMX_PARTS ? part : 0];
	oomx_memcg_ref memcg = at->never ? NULL : oomx_memcg_with(at->cgroup_id);

	return memcg && oomx_kill_processes(scope->oc, memcg, whom);
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

	oomx_for_each_number(i, OOMX_ANCESTORS) {
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

/* Where this policy keeps when it last killed for this scope, or NULL. */
static __always_inline struct oomx_kill_time *oomx_last_kill(void)
{
	oomx_for_each_number(i, OOMX_KILLS) {
		struct oomx_kill_time *at = &oomx_kills[i & (OOMX_KILLS - 1)];

		if (at->time_ns && at->scope_id == oomx_course.scope_id)
			return at;
	}
	return NULL;
}

static __always_inline void oomx_remember_kill(void)
{
	struct oomx_kill_time *at = oomx_last_kill();

	if (!at)
		at = &oomx_kills[oomx_next_kill++ % OOMX_KILLS];
	at->scope_id = oomx_course.scope_id;
	at->time_ns = oomx_record.time_ns;
}

static __always_inline bool oomx_is_too_soon(void)
{
	const struct oomx_kill_time *last = NULL;

	if (!oomx_rails()->min_interval_ns)
		return false;
	last = oomx_last_kill();
	return last && oomx_record.time_ns - last->time_ns < oomx_rails()->min_interval_ns;
}

/*
 * Would the kill free less than the rails want? It is not known before how much comes back: this is
 * what is held. If it is one of the victim that needs memory its end helps whatever it holds.
 */
static __always_inline bool oomx_is_too_little(struct mem_cgroup *victim)
{
	const struct oomx_look *look = &oomx_look;
	__u64 least = oomx_course.scope_size / 1000 * oomx_rails()->min_relief;
	__u64 file, shmem;

	if (!least || look->asking)
		return false;
	if (oomx_record.granularity == OOMX_PROCESS && !look->groups)
		return look->relief < least;
	file = oomx_stat(victim, bpf_core_enum_value(enum node_stat_item, NR_FILE_PAGES));
	shmem = oomx_stat(victim, bpf_core_enum_value(enum node_stat_item, NR_SHMEM));
	return oomx_held_by_candidate(oomx_usage(victim), file, shmem) < least;
}

/*
 * What the rails say of a victim that was chosen. If it may lose one process only it is looked at
 * once more for which one: that is not known where candidates die whole.
 */
static __always_inline __u32 oomx_judge_victim(struct mem_cgroup *victim)
{
	struct oomx_look *look = &oomx_look;
	__u32 verdict = oomx_judge(victim);
	__u32 only = look->only_process;

	if (verdict != OOMX_VERDICT_CANDIDATE || !only)
		return verdict;
	if (oomx_dies_with_others())
		return only;
	if (oomx_course.granularity == OOMX_PROCESS)
		return verdict;
	oomx_course.granularity = OOMX_PROCESS;
	oomx_course.tasks = oomx_course.cgroups = 0;
	verdict = oomx_judge(victim);
	look->only_process = only;
	return verdict;
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

	oomx_note();
	if (oomx_course.dying || r->victim)
		return false; /* that one is waited for; one decision, one victim */
	if (group)
		victim = group;

	oomx_course.tasks = oomx_course.cgroups = 0;
	oomx_course.named = pid;
	oomx_look_at_scope(scope->root); /* user space may have said more meanwhile */
	verdict = oomx_judge_victim(victim);
	if (oomx_course.dying)
		return false;
	/* Nobody may have shown it to the policy. */
	known = oomx_is_noted(oomx_look.cgroup_id);
	if (!known) {
		oomx_enter(oomx_usage(victim), verdict);
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
	else if (oomx_is_too_little(victim))
		r->result = OOMX_RESULT_TOO_LITTLE;
	else if (rails->mode != OOMX_ENFORCE)
		r->result = OOMX_RESULT_SHADOW;
	else if (oomx_is_too_soon())
		r->result = OOMX_RESULT_COOLING;
	else
		return true;
	return false;
}

static __always_inline int oomx_kill(struct oomx_scope *scope, int whom)
{
	struct oomx_decision *r = &oomx_record;
	bool done = false;

	oomx_for_each_number(i, oomx_part_count()) {
		done |= oomx_kill_in(scope, i, whom);
		if (done && whom != OOMX_ALL) {
			r->error = 0; /* where it was not, is of no interest */
			break;
		}
	}
	if (!done) {
		r->result = OOMX_RESULT_KILL_FAILED;
		return OOMX_DECLINED;
	}
	r->result = OOMX_RESULT_KILLED;
	oomx_exits_since = 0;
	oomx_remember_kill();
	return OOMX_HANDLED;
}

/* The process that is to die, or all of them. */
static __always_inline int oomx_kill_whom(struct oomx_scope *scope)
{
	struct oomx_decision *r = &oomx_record;

	if (r->granularity == OOMX_CGROUP)
		return oomx_kill(scope, OOMX_ALL);
	return oomx_kill(scope, r->victim_pid ? r->victim_pid : OOMX_NONE);
}

/*
 * Kill every process of the victim and of what is below it, and claim the OOM; pass it on when the
 * rails forbid it or the kernel refused every one. Where only one process of it may die, that one
 * does: see oomx_why_not_all(). Sleeps.
 */
static __always_inline int oomx_kill_cgroup(struct oomx_scope *scope, struct mem_cgroup *victim)
{
	oomx_course.granularity = OOMX_CGROUP;
	return oomx_kill_is_due(scope, victim, 0) ? oomx_kill_whom(scope) : OOMX_DECLINED;
}

/*
 * As above, but kill one process of the victim and with it its memory.oom.group: the one with this
 * pid, or with 0 the one that the policy ranks first.
 */
static __always_inline int oomx_kill_process(struct oomx_scope *scope, struct mem_cgroup *victim,
					     int pid)
{
	oomx_course.granularity = OOMX_PROCESS;
	return oomx_kill_is_due(scope, victim, pid) ? oomx_kill_whom(scope) : OOMX_DECLINED;
}

#endif
