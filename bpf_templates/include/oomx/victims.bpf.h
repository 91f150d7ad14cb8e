/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_VICTIMS_BPF_H
#define OOMX_VICTIMS_BPF_H

/*
 * Victims that were killed and may not have given their memory back. A policy keeps a reference to
 * them, as the kernel's lists of processes do not show every one: from 7.x on a process is in none
 * of them once its last thread has begun to exit, which is before its memory is freed, and in
 * earlier kernels one whose first thread has ended is not there in that time either
 * (kernel/cgroup/cgroup.c, css_task_iter_advance()).
 *
 * A kept process costs its task_struct and mm_struct until another one takes its place, or until
 * the policy is gone: OOMX_VICTIMS of them at most.
 */
#include <oomx/emit.bpf.h>
#include <oomx/prefer.bpf.h>
#include <oomx/scope.bpf.h>
#include <oomx/task.bpf.h>

#define OOMX_VICTIMS 16

OOMX_VICTIM_MAP(oomx_victims, OOMX_VICTIMS);

/* Where the next one goes. */
static __u32 oomx_next_victim = 0;

/*
 * A process that ends without an OOM is waited for, too, but no longer than this: a tenant whose
 * processes come and go all the time cannot put off a kill for ever.
 */
#define OOMX_EXIT_WAIT_NS 1000000000ULL

/* After this the next one is another incident: the last may have ended without a kill. */
#define OOMX_EXIT_FORGET_NS (10 * OOMX_EXIT_WAIT_NS)

/* When the wait for such processes began, CLOCK_MONOTONIC; 0: nobody waits. */
static __u64 oomx_exits_since = 0;

static __always_inline bool oomx_waits_for_exits(void)
{
	__u64 waited = oomx_record.time_ns - oomx_exits_since;

	if (waited >= OOMX_EXIT_FORGET_NS)
		oomx_exits_since = 0;
	return !oomx_exits_since || waited < OOMX_EXIT_WAIT_NS;
}

/* Is it the scope of this OOM, or below it? An address, as nobody vouches for this pointer. */
__weak __noinline bool oomx_is_in_scope(__u64 address)
{
	struct cgroup *cgroup = (struct cgroup *)address;
	struct cgroup_subsys_state *css;

	if (!oomx_course.scoped)
		return true;
	css = cgroup ? &cgroup->self : NULL;
	oomx_for_each_number(i, OOMX_ANCESTORS) {
		if (!css)
			break;
		if (BPF_CORE_READ(css, cgroup, kn, id) == oomx_course.scope_id)
			return true;
		css = BPF_CORE_READ(css, parent);
	}
	return false;
}

/* The id of the cgroup that a process is in, or was in when it ended. */
static __always_inline __u64 oomx_home_of(struct task_struct *task)
{
	return BPF_CORE_READ(task, cgroups, dfl_cgrp, kn, id);
}

static __always_inline bool oomx_is_at_home_in_scope(struct task_struct *task)
{
	__u64 home = (__u64)BPF_CORE_READ(task, cgroups, dfl_cgrp);

	return oomx_is_in_scope(home);
}

/* Keep one more, instead of the one that was kept first. */
static __always_inline void oomx_keep(struct task_struct *task)
{
	struct task_struct *kept = bpf_task_acquire(task);
	__u32 slot = oomx_next_victim++ % OOMX_VICTIMS;

	if (!kept)
		return;
	kept = oomx_swap_victim(&oomx_victims, slot, kept);
	if (kept)
		bpf_task_release(kept);
}

/* The kept victim in this slot with a reference, or NULL if there is none or not of this scope. */
static __always_inline struct task_struct *oomx_kept_victim(__u32 slot)
{
	oomx_rcu_section rcu = oomx_rcu_enter();
	struct task_struct *task = oomx_victim_in(&oomx_victims, slot);

	if (!task || !oomx_is_at_home_in_scope(task))
		return NULL;
	return bpf_task_acquire(task);
}

/*
 * Is memory of this victim still to come? One that user space has killed, and one that has only
 * shared memory left to give back, is waited for as long as others that end by themselves.
 */
static __always_inline bool oomx_is_in_flight(struct task_struct *victim)
{
	int life = oomx_life_of(victim);

	if (life == OOMX_DIES)
		return true;
	if (life == OOMX_LIVES || !oomx_waits_for_exits())
		return false;
	if (life == OOMX_SPENT && !oomx_is_leaving(victim))
		return false;
	if (!oomx_exits_since)
		oomx_exits_since = oomx_record.time_ns;
	return true;
}

#endif
