/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_INSPECT_BPF_H
#define OOMX_INSPECT_BPF_H

/*
 * What a candidate consists of: its processes, and what they hold. The functions are global, as the
 * verifier looks at a global function once; a loop inside the walk's would be too much for it.
 */
#include <oomx/collect.bpf.h>
#include <oomx/emit.bpf.h>
#include <oomx/prefer.bpf.h>
#include <oomx/scope.bpf.h>
#include <oomx/survey.bpf.h>
#include <oomx/task.bpf.h>
#include <oomx/victims.bpf.h>

/* Of how many cgroups a candidate may consist, and lose more than one process. */
#define OOMX_PARTS 1024

struct oomx_part {
	__u64 cgroup_id;
	__u64 usage; /* pages */
	__u64 never; /* 1: a preference inside the candidate says never to kill it */
};

/* The process of a candidate that the policy would kill first. */
struct oomx_first {
	__u64 score;
	__u64 rss;
	__s32 pid; /* 0: none */
	char comm[OOMX_COMM_LEN];
};

struct oomx_look {
	__u64 cgroup_id;
	struct oomx_preference preference;
	struct oomx_first first;
	__u64 since;	  /* its oldest process started, ns */
	__u64 shmem;	  /* that its processes have mapped, bytes: also those that must not die */
	__u64 relief;	  /* what the end of the process to be killed gives back, bytes */
	__u32 processes;  /* seen */
	__u32 killable;	  /* of them */
	__u32 unkillable; /* of them, by oom_score_adj */
	__u32 never;	  /* of them, by a preference inside the candidate */
	__u32 shared;	  /* of them, whose memory others outside use as well */
	__u32 borrowed;	  /* 1: one between vfork() and exec() uses memory from outside */
	__u32 init;	  /* 1: process 1 is among them */
	__u32 dying;	  /* 1: an earlier victim is */
	__u32 groups;	  /* 1: some of it die together, by memory.oom.group */
	__u32 asking;	  /* 1: who needs memory and gets none is of it */
	__u32 cut;	  /* 1: not all of it was looked at */
	__u32 unreadable; /* 1: the processes of one of its cgroups could not be listed */
	__u32 only_process; /* see struct oomx_entry */
	__u32 parts;	    /* cgroups that belong to it */
};

static struct oomx_look oomx_look = {};

/* Its cgroups. Those that find no room take the place of the last one if they hold more. */
OOMX_SCRATCH static struct oomx_part oomx_parts[OOMX_PARTS] = {};

/*
 * What comes back when a process ends, bytes: its share of page cache the kernel takes back without
 * a kill, and what it has in swap is no memory.
 */
static __always_inline __u64 oomx_held_by_process(const struct oomx_memory *m)
{
	return m->anon + m->shmem + m->page_tables;
}

/* As above, of a candidate: see struct oomx_candidate. Its processes have been looked at. */
static __always_inline __u64 oomx_held_by_candidate(__u64 usage, __u64 file, __u64 shmem)
{
	const struct oomx_look *look = &oomx_look;

	return oomx_over(oomx_without_cache(usage, file, shmem),
			 look->asking ? 0 : oomx_over(shmem, look->shmem));
}

static __always_inline void oomx_look_at_first(struct task_struct *task)
{
	struct oomx_first *first = &oomx_look.first;
	const struct oomx_memory *m = &oomx_memory;
	struct oomx_process process = {
		.pid = task->tgid,
		.oom_score_adj = task->signal->oom_score_adj,
		.oom_flag_origin = task->signal->oom_flag_origin,
		.rss = m->anon + m->file + m->shmem,
		.swap = m->swap,
		.page_tables = m->page_tables,
		.age_ns = oomx_over(oomx_record.time_ns, task->start_time),
		.scope_size = oomx_course.scope_size,
	};
	__u64 score = oomx_process_score(&process);

	if (score < first->score || score == OOMX_SPARE)
		return;
	if (score == first->score && first->pid &&
	    (process.rss < first->rss || (process.rss == first->rss && process.pid > first->pid)))
		return;
	if (!oomx_course.named)
		oomx_look.relief = oomx_held_by_process(m);
	first->score = score;
	first->rss = process.rss;
	first->pid = process.pid;
	oomx_comm(first->comm, task);
}

/* What is known of its memory besides: others use it whom a kill would take as well. */
static __always_inline bool oomx_is_shared(void)
{
	const struct oomx_shared *shared;

	if (!oomx_memory.shared)
		return false;
	shared = oomx_find_shared(oomx_memory.mm);
	return shared && (shared->spread || shared->unkillable);
}

/*
 * It is between vfork() and exec(), and nobody. But the kernel kills it with its memory.oom.group,
 * and with it its parent: does that one have to live?
 */
static __always_inline bool oomx_borrows(struct task_struct *task)
{
	struct task_struct *parent = task->real_parent;

	return !oomx_unkillable(task) &&
	       (BPF_CORE_READ(parent, cgroups, dfl_cgrp, kn, id) != oomx_home_of(task) ||
		BPF_CORE_READ(parent, tgid) == 1 ||
		BPF_CORE_READ(parent, signal, oom_score_adj) == OOM_SCORE_ADJ_MIN);
}

/* Look at one process that lives. `never`: a preference says never to kill it. */
__weak __noinline int oomx_look_at_process(struct task_struct *task __arg_trusted, bool never)
{
	const struct oomx_memory *m = &oomx_memory;
	struct oomx_look *look = &oomx_look;
	bool has_memory = oomx_read_memory(task);

	if (has_memory && m->in_vfork) {
		look->borrowed |= oomx_borrows(task);
		return 0;
	}
	look->processes++;
	if (has_memory)
		look->shmem += m->shmem;
	if (oomx_reads(OOMX_READ_AGE) && (!look->since || task->start_time < look->since))
		look->since = task->start_time;
	if (task->tgid == 1) {
		look->init = 1;
	} else if (oomx_unkillable(task)) {
		look->unkillable++;
	} else if (never) {
		look->never++;
	} else if (has_memory && oomx_is_shared()) {
		look->shared++;
	} else {
		look->killable++;
		if (!has_memory)
			return 0;
		if (oomx_course.named && task->tgid == oomx_course.named)
			look->relief = oomx_held_by_process(m);
		if (oomx_ranks_processes() || oomx_course.granularity == OOMX_PROCESS)
			oomx_look_at_first(task);
		return 0;
	}
	return 0;
}

/* Look at the processes of one cgroup. Not being able to look is not the same as nobody there. */
__weak __noinline int oomx_look_at_processes(struct mem_cgroup *memcg __arg_trusted, __u64 id,
					     bool never)
{
	struct oomx_look *look = &oomx_look;
	struct task_struct *task;
	oomx_process_iter it;

	if (id == oomx_course.asking)
		look->asking = 1;
	if (bpf_iter_css_task_new(&it, &memcg->css, CSS_TASK_ITER_PROCS)) {
		look->unreadable = 1;
		return 0;
	}
	while ((task = bpf_iter_css_task_next(&it))) {
		int life;

		if (oomx_course.tasks++ >= oomx_rails()->max_tasks) {
			look->cut = 1;
			break;
		}
		oomx_record.tasks++;
		life = oomx_life_of(task);
		if ((task->flags & PF_KTHREAD) || life == OOMX_SPENT)
			continue;
		if (life == OOMX_DIES) {
			look->dying = 1;
			look->processes++;
			oomx_course.dying = id;
			oomx_keep(task);
			break;
		}
		oomx_look_at_process(task, never);
	}
	return 0;
}

static __always_inline void oomx_add_part(__u64 cgroup_id, __u64 usage, bool never)
{
	__u32 at = oomx_look.parts++;

	if (at >= OOMX_PARTS) {
		oomx_look.cut = 1;
		at = OOMX_PARTS - 1;
		if (usage <= oomx_parts[at].usage)
			return;
	}
	oomx_parts[at] = (struct oomx_part){ cgroup_id, usage, never };
}

/* One cgroup of a candidate. What is said of it never to kill holds for all below it. */
static __always_inline void oomx_collect_part(struct cgroup_subsys_state *css)
{
	struct mem_cgroup *memcg = oomx_memcg_of(css);
	__u64 id = css->cgroup->kn->id;
	__u32 level = css->cgroup->level;
	const struct oomx_preference *said;

	if (!css->online_cnt.counter)
		return;
	if (level <= oomx_course.never_level) {
		said = oomx_said_of(id);
		oomx_course.never_level = said && said->never_kill ? level : ~0U;
	}
	oomx_look.groups |= memcg->oom_group;
	oomx_add_part(id, memcg->memory.usage.counter, oomx_course.never_level != ~0U);
}

/* The cgroups that a candidate consists of: it and all below it that is online. */
__weak __noinline int oomx_collect_parts(struct mem_cgroup *candidate __arg_trusted)
{
	oomx_rcu_section rcu = oomx_rcu_enter();
	struct cgroup_subsys_state *css;
	oomx_memcg_iter it;

	oomx_course.never_level = ~0U;
	bpf_iter_css_new(&it, &candidate->css, BPF_CGROUP_ITER_DESCENDANTS_PRE);
	while ((css = bpf_iter_css_next(&it))) {
		if (oomx_course.cgroups++ >= OOMX_CGROUPS) {
			oomx_look.cut = 1;
			break;
		}
		oomx_collect_part(css);
	}
	return 0;
}

__weak __noinline int oomx_look_at_part(__u32 at)
{
	struct oomx_part *part = &oomx_parts[at < OOMX_PARTS ? at : 0];
	oomx_memcg_ref memcg = oomx_memcg_with(part->cgroup_id);

	return memcg ? oomx_look_at_processes(memcg, part->cgroup_id, part->never) : 0;
}

/* How many entries of oomx_parts there are. */
static __always_inline __u32 oomx_part_count(void)
{
	return oomx_smaller(oomx_look.parts, OOMX_PARTS);
}

/* All of a candidate: into oomx_look, whose cgroup_id and preference are there already. */
static __always_inline void oomx_inspect(struct mem_cgroup *candidate)
{
	struct oomx_look *look = &oomx_look;

	if (candidate->css.online_cnt.counter < 2) {
		look->groups = candidate->oom_group;
		oomx_add_part(look->cgroup_id, 0, false);
		oomx_look_at_processes(candidate, look->cgroup_id, false);
		return;
	}
	oomx_collect_parts(candidate);
	oomx_for_each_number(i, oomx_part_count()) {
		oomx_look_at_part(i);
		if (look->dying)
			break;
	}
}

#endif
