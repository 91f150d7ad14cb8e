/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_SURVEY_BPF_H
#define OOMX_SURVEY_BPF_H

/*
 * One look at every process of the machine, before a decision: who of the scope is dying already,
 * whoever killed it, and which address spaces more than one process uses. No list of one cgroup's
 * processes has either: see victims.bpf.h, and the kernel kills everybody who shares the memory of
 * a victim, in whatever cgroup (mm/oom_kill.c, __oom_kill_process()).
 *
 * A few reads a process: about a millisecond for 10,000 of them. It is made once an incident, as
 * the kernel's later asks find the victim among those that are kept.
 */
#include <oomx/emit.bpf.h>
#include <oomx/prefer.bpf.h>
#include <oomx/scope.bpf.h>
#include <oomx/task.bpf.h>
#include <oomx/victims.bpf.h>

/* A process that ends without an OOM is waited for if it holds more than this part of the scope. */
#define OOMX_EXIT_PARTS 64

/* Of how many address spaces it is known who shares them. Of others it is not: see below. */
#define OOMX_SHARED_MEMORIES 1024

struct oomx_shared {
	__u64 mm;	  /* an address, a number here; 0: no entry */
	__u64 cgroup_id;  /* of the first process that was met */
	__u32 spread;	  /* 1: those who use it are in more than one cgroup */
	__u32 unkillable; /* 1: one of them must not be killed */
};

OOMX_SCRATCH static struct oomx_shared oomx_shared[OOMX_SHARED_MEMORIES] = {};
OOMX_SCRATCH static __u32 oomx_shared_count = 0;

/* How far an entry may be from where it should be. */
#define OOMX_SHARED_PROBES 16

static __always_inline __u32 oomx_shared_place(__u64 mm, __u32 probe)
{
	return (((mm >> 6) * 0x9e3779b97f4a7c15ULL >> 54) + probe) % OOMX_SHARED_MEMORIES;
}

/*
 * What is known of a shared address space, or NULL. Where the table had no room it is taken for one
 * that nobody else uses: those who fill the table on purpose share with themselves.
 */
static __always_inline struct oomx_shared *oomx_find_shared(__u64 mm)
{
	oomx_for_each_number(probe, OOMX_SHARED_PROBES) {
		struct oomx_shared *at = &oomx_shared[oomx_shared_place(mm, probe)];

		if (at->mm == mm)
			return at;
		if (!at->mm)
			break;
	}
	return NULL;
}

/* Note that this process, whose memory is in oomx_memory, shares it. */
__weak __noinline int oomx_add_shared(struct task_struct *process __arg_trusted)
{
	__u64 home = oomx_home_of(process);
	__u64 mm = oomx_memory.mm;

	oomx_for_each_number(probe, OOMX_SHARED_PROBES) {
		struct oomx_shared *at = &oomx_shared[oomx_shared_place(mm, probe)];

		if (!at->mm) {
			*at = (struct oomx_shared){ .mm = mm, .cgroup_id = home };
			oomx_shared_count++;
		}
		if (at->mm != mm)
			continue;
		at->spread |= at->cgroup_id != home;
		at->unkillable |= oomx_unkillable(process) || process->tgid == 1;
		break;
	}
	return 0;
}

/* Most are: they live, and their memory is their own. */
static __always_inline bool oomx_is_ordinary(struct task_struct *process)
{
	struct signal_struct *signal = process->signal;
	struct mm_struct *mm = process->mm;

	if (process->flags & PF_KTHREAD)
		return true;
	if (signal->flags & SIGNAL_GROUP_EXIT)
		return !mm && !signal->oom_mm;
	if (signal->oom_mm)
		return false;
	if (!mm)
		return !signal->live.counter;
	return mm->mm_users.counter <= signal->live.counter;
}

/* Is the memory of this process on its way, so that nobody else has to die? */
static __always_inline bool oomx_is_dying(struct task_struct *process, bool has_memory)
{
	const struct oomx_memory *m = &oomx_memory;
	int life = oomx_life_of(process);

	if (life == OOMX_EXITS)
		return has_memory && oomx_waits_for_exits() &&
		       m->anon + m->shmem > oomx_course.scope_size / OOMX_EXIT_PARTS;
	return life == OOMX_DIES;
}

/* One of the others. */
__weak __noinline int oomx_survey_one(struct task_struct *process __arg_trusted)
{
	bool has_memory = oomx_read_memory(process);

	if (has_memory && oomx_memory.shared && !oomx_memory.in_vfork)
		oomx_add_shared(process);
	if (!oomx_course.dying && oomx_is_dying(process, has_memory) &&
	    oomx_is_at_home_in_scope(process)) {
		oomx_course.dying = oomx_home_of(process);
		oomx_keep(process);
	}
	return 0;
}

/* Sets oomx_course.dying if there is somebody of the scope who is. */
__weak __noinline int oomx_survey(void)
{
	oomx_rcu_section rcu = oomx_rcu_enter();
	struct task_struct *process;
	struct bpf_iter_task it;

	if (oomx_shared_count) {
		oomx_for_each_number(i, OOMX_SHARED_MEMORIES)
			oomx_shared[i & (OOMX_SHARED_MEMORIES - 1)].mm = 0;
	}
	oomx_shared_count = 0;
	bpf_iter_task_new(&it, NULL, BPF_TASK_ITER_ALL_PROCS);
	while ((process = bpf_iter_task_next(&it))) {
		oomx_task_ref held = oomx_is_ordinary(process) ? NULL : bpf_task_acquire(process);

		if (held)
			oomx_survey_one(held);
	}
	bpf_iter_task_destroy(&it);
	return 0;
}

#endif
