/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_JUDGE_BPF_H
#define OOMX_JUDGE_BPF_H

/*
 * What the rails say of a candidate: in one place, asked by the walk and once more before a kill.
 *
 * The functions are global, as the verifier looks at a global function once; a loop inside the
 * walk's would be too much for it. What they find is in oomx_look: one is enough, see emit.bpf.h.
 */
#include <oomx/emit.bpf.h>
#include <oomx/preference.h>
#include <oomx/scope.bpf.h>
#include <oomx/task.bpf.h>

/* Of how many cgroups a candidate may consist. */
#define OOMX_PARTS 1024

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, OOMX_PREFERENCES);
	__type(key, __u64); /* cgroup id */
	__type(value, struct oomx_preference);
} oomx_preferences SEC(".maps");

/* The process of a candidate that the policy would kill first. */
struct oomx_first {
	__u64 score;
	__u64 rss;
	__s32 pid; /* 0: none */
	char comm[OOMX_COMM_LEN];
};

struct oomx_look {
	__u64 cgroup_id;
	struct oomx_preference preference; /* never_kill: also of what is in it */
	struct oomx_first first;
	__u64 since;	  /* its oldest process started, ns */
	__u32 processes;  /* seen */
	__u32 killable;	  /* of them */
	__u32 unkillable; /* of them, by oom_score_adj */
	__u32 init;	  /* 1: process 1 is among them */
	__u32 dying;	  /* 1: an earlier victim is */
	__u32 groups;	  /* 1: of it or in it some die together, by memory.oom.group */
	__u32 parts;	  /* cgroups with processes that belong to it */
	__u64 part[OOMX_PARTS];
};

static struct oomx_look oomx_look = {};

/*
 * What is above the cgroup that was judged last: for its siblings the same. Their parent is known
 * by its address, a number here: as long as the walk's RCU section lasts no other comes to be
 * there.
 */
struct oomx_above {
	__u64 parent; /* 0: not known */
	struct oomx_preference preference;
	__u32 in_scope; /* 1: the scope is among them */
};

static struct oomx_above oomx_above = {};

/* All but the list of parts. */
static __always_inline void oomx_forget(void)
{
	__builtin_memset(&oomx_look, 0, offsetof(struct oomx_look, part));
}

/* The nearest one upwards holds, but for never_kill, which no one below takes back. */
static __always_inline void oomx_inherit(struct oomx_preference *to,
					 const struct oomx_preference *from, bool found)
{
	__u32 never_kill = to->never_kill | from->never_kill;

	if (!found)
		*to = *from;
	to->never_kill = never_kill;
}

static __always_inline struct oomx_preference *oomx_said_of(__u64 cgroup_id)
{
	return bpf_map_lookup_elem(&oomx_preferences, &cgroup_id);
}

/* Go up from the parent of a cgroup to the scope, or past it to the root. */
__weak __noinline int oomx_look_above(struct mem_cgroup *memcg __arg_trusted)
{
	struct cgroup_subsys_state *css = memcg->css.parent;
	const struct oomx_course *course = &oomx_course;
	struct oomx_above *above = &oomx_above;
	bool found = false;

	above->preference = (struct oomx_preference){};
	above->in_scope = 0;
	oomx_for_each_number(i, OOMX_MAX_DEPTH) {
		const struct oomx_preference *said;
		__u64 id;

		if (!css)
			break;
		id = css->cgroup->kn->id;
		if (id == course->scope_id) {
			oomx_inherit(&above->preference, &course->preference, found);
			above->in_scope = 1;
			break;
		}
		said = oomx_said_of(id);
		if (said) {
			oomx_inherit(&above->preference, said, found);
			found = true;
		}
		css = css->parent;
	}
	return 0;
}

/* What user space said of a cgroup and of those above it. False if the scope is not among them. */
__weak __noinline bool oomx_look_up(struct mem_cgroup *memcg __arg_trusted)
{
	struct cgroup_subsys_state *parent = memcg->css.parent;
	const struct oomx_course *course = &oomx_course;
	struct oomx_above *above = &oomx_above;
	struct oomx_look *look = &oomx_look;
	const struct oomx_preference *said;

	if (look->cgroup_id == course->scope_id) {
		look->preference = course->preference;
		return true;
	}
	if (!parent || (__u64)parent != above->parent)
		oomx_look_above(memcg);
	above->parent = (__u64)parent;

	said = oomx_said_of(look->cgroup_id);
	if (said)
		look->preference = *said;
	oomx_inherit(&look->preference, &above->preference, said);
	return above->in_scope;
}

/* What holds for all of the scope is looked for once in a walk. */
static __always_inline void oomx_look_at_scope(struct mem_cgroup *scope)
{
	struct oomx_course *course = &oomx_course;

	oomx_forget();
	oomx_above.parent = 0;
	oomx_look.cgroup_id = oomx_memcg_id(scope);
	course->scope_id = 0; /* to look past it, up to the root */
	oomx_look_up(scope);
	oomx_above.parent = 0;
	course->preference = oomx_look.preference;
	course->scope_id = oomx_look.cgroup_id;
}

static __always_inline void oomx_look_at_first(struct task_struct *task, struct mm_struct *mm)
{
	struct oomx_first *first = &oomx_look.first;
	struct oomx_process process = {
		.pid = task->tgid,
		.oom_score_adj = task->signal->oom_score_adj,
		.rss = oomx_rss(mm),
		.swap = oomx_swapped(mm),
		.page_tables = oomx_page_tables(mm),
		.age_ns = oomx_over(oomx_record.time_ns, task->start_time),
		.scope_size = oomx_course.scope_size,
	};
	__u64 score = oomx_process_score(&process);

	if (score < first->score || score == OOMX_SPARE)
		return;
	if (score == first->score && first->pid &&
	    (process.rss < first->rss || (process.rss == first->rss && process.pid > first->pid)))
		return;
	first->score = score;
	first->rss = process.rss;
	first->pid = process.pid;
	oomx_comm(first->comm, task);
}

/*
 * The first thread of a process may end before the others. What it holds one of those tells, as
 * find_lock_task_mm() (mm/oom_kill.c) has it.
 */
__weak __noinline bool oomx_look_at_other_threads(struct mem_cgroup *memcg __arg_trusted, int tgid)
{
	struct task_struct *task;
	oomx_process_iter it;

	if (bpf_iter_css_task_new(&it, &memcg->css, 0))
		return false;

	while ((task = bpf_iter_css_task_next(&it))) {
		struct mm_struct *mm = task->mm;

		if (task->tgid == tgid && mm) {
			oomx_look_at_first(task, mm);
			break;
		}
	}
	return true;
}

/* Look at the processes of one cgroup. Not being able to look is not the same as nobody there. */
__weak __noinline bool oomx_look_at_processes(struct mem_cgroup *memcg __arg_trusted, __u64 id)
{
	struct oomx_look *look = &oomx_look;
	struct task_struct *task;
	oomx_process_iter it;
	bool readable = true;
	bool some = false;

	if (bpf_iter_css_task_new(&it, &memcg->css, CSS_TASK_ITER_PROCS))
		return false;

	while ((task = bpf_iter_css_task_next(&it))) {
		int life = oomx_life_of(task);
		struct mm_struct *mm;

		if ((task->flags & PF_KTHREAD) || life == OOMX_SPENT)
			continue;
		some = true;
		look->processes++;
		if (oomx_reads(OOMX_READ_AGE) && (!look->since || task->start_time < look->since))
			look->since = task->start_time;
		if (life == OOMX_DIES) {
			look->dying = 1;
			oomx_course.dying = id;
			break;
		}
		if (task->tgid == 1) {
			look->init = 1;
			continue;
		}
		if (oomx_unkillable(task)) {
			look->unkillable++;
			continue;
		}
		look->killable++;
		if (!oomx_ranks_processes())
			continue;
		mm = task->mm;
		if (mm)
			oomx_look_at_first(task, mm);
		else if (!oomx_look_at_other_threads(memcg, task->tgid))
			readable = false;
	}
	if (some && look->parts < OOMX_PARTS)
		look->part[look->parts & (OOMX_PARTS - 1)] = id;
	look->parts += some;
	return readable;
}

/* Look at a cgroup and all below it that is online. */
__weak __noinline bool oomx_look_at_all(struct mem_cgroup *candidate __arg_trusted)
{
	oomx_rcu_section rcu = oomx_rcu_enter();
	struct cgroup_subsys_state *css;
	oomx_memcg_iter it;
	bool readable = true;

	bpf_iter_css_new(&it, &candidate->css, BPF_CGROUP_ITER_DESCENDANTS_PRE);
	while ((css = bpf_iter_css_next(&it))) {
		oomx_memcg_ref memcg = css->online_cnt.counter ? bpf_get_mem_cgroup(css) : NULL;
		const struct oomx_preference *said;
		__u64 id;

		if (!memcg)
			continue;
		id = oomx_memcg_id(memcg);
		said = oomx_said_of(id);
		if (said)
			oomx_look.preference.never_kill |= said->never_kill;
		oomx_look.groups |= memcg->oom_group;
		if (!oomx_look_at_processes(memcg, id))
			readable = false;
		if (oomx_look.dying)
			break;
	}
	return readable;
}

/* What the rails say: enum oomx_verdict. */
__weak __noinline __u32 oomx_judge(struct mem_cgroup *candidate __arg_trusted)
{
	const struct oomx_rails *rails = oomx_rails();
	struct oomx_look *look = &oomx_look;
	bool whole = oomx_course.granularity == OOMX_CGROUP || candidate->oom_group;
	bool readable;

	oomx_forget();
	look->cgroup_id = oomx_memcg_id(candidate);
	if (!oomx_look_up(candidate))
		return OOMX_VERDICT_OUT_OF_SCOPE;
	readable = candidate->css.cgroup->level < OOMX_MAX_DEPTH;
	if (candidate->css.online_cnt.counter > 1)
		readable &= oomx_look_at_all(candidate);
	else
		readable &= oomx_look_at_processes(candidate, look->cgroup_id);

	if (look->dying)
		return OOMX_VERDICT_DYING;
	if (!readable)
		return OOMX_VERDICT_UNREADABLE;
	if (!look->processes)
		return OOMX_VERDICT_EMPTY;
	if (look->preference.never_kill)
		return OOMX_VERDICT_SPARED_NEVER;
	if (look->init && (whole || !look->killable))
		return OOMX_VERDICT_SPARED_INIT;
	if (look->unkillable && (oomx_course.granularity == OOMX_CGROUP || !look->killable))
		return OOMX_VERDICT_SPARED_ADJ;
	if (look->parts > OOMX_PARTS ||
	    ((whole || look->groups) && look->processes > rails->max_processes))
		return OOMX_VERDICT_SPARED_MANY;
	return OOMX_VERDICT_CANDIDATE;
}

/* Of one that is not looked at no more is known than that. */
static __always_inline __u32 oomx_overlook(struct mem_cgroup *memcg)
{
	oomx_forget();
	oomx_look.cgroup_id = oomx_memcg_id(memcg);
	return OOMX_VERDICT_OVER_BOUND;
}

/* What was judged becomes the cgroup at hand. */
static __always_inline void oomx_enter(struct mem_cgroup *memcg, __u32 verdict)
{
	struct oomx_entry *entry = &oomx_entry;

	entry->cgroup_id = oomx_look.cgroup_id;
	entry->usage = oomx_usage(memcg);
	entry->processes = oomx_look.processes;
	entry->verdict = verdict;
	entry->tier = oomx_look.preference.tier;
	entry->preference = oomx_look.preference.preference;
	entry->score = verdict == OOMX_VERDICT_CANDIDATE ? entry->usage : OOMX_SPARE;
}

#endif
