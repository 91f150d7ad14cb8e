/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_WAIT_BPF_H
#define OOMX_WAIT_BPF_H

/* Where nobody has to be killed, as memory is on its way or has come back. */
#include <oomx/emit.bpf.h>
#include <oomx/scope.bpf.h>
#include <oomx/scoped.bpf.h>
#include <oomx/task.bpf.h>
#include <oomx/victims.bpf.h>

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

/* A thread of this process that has its memory still, with a reference, or NULL. */
static __always_inline struct task_struct *oomx_thread_with_memory(struct task_struct *process)
{
	oomx_rcu_section rcu = oomx_rcu_enter();
	struct task_struct *thread, *found = NULL;
	struct bpf_iter_task it;

	bpf_iter_task_new(&it, process, BPF_TASK_ITER_PROC_THREADS);
	while (!found && (thread = bpf_iter_task_next(&it))) {
		if (thread->mm)
			found = bpf_task_acquire(thread);
	}
	bpf_iter_task_destroy(&it);
	return found;
}

/*
 * Ask for an earlier victim once more: a kernel that agrees says that there is progress. The posted
 * series asks task_will_free_mem() (mm/oom_kill.c) of just this task, which says no without memory,
 * and then it counts and reports one more kill of the process: so not of a first thread that has
 * ended before the others.
 */
__weak __noinline bool oomx_ask_again(struct oom_control *oc __arg_trusted,
				      struct task_struct *victim __arg_trusted)
{
	oomx_task_ref thread = victim->mm ? NULL : oomx_thread_with_memory(victim);

	return !bpf_oom_kill_process(oc, thread ?: victim, "Out of memory (oomx), earlier victim");
}

/*
 * Memory came back, and nobody has to die. The kernel takes an OOM for handled only if a kill was
 * asked for in this very call; with the posted series its own killer takes somebody otherwise. So
 * ask for a victim that has given everything back, if one is kept. A kernel that refuses that looks
 * at the limit by itself.
 */
static __always_inline int oomx_claim_relief(struct oomx_scope *scope)
{
	struct oomx_decision *r = &oomx_record;

	r->result = OOMX_RESULT_RELIEVED;
	if (r->mode != OOMX_ENFORCE)
		return OOMX_DECLINED;
	oomx_for_each_number(slot, OOMX_VICTIMS) {
		oomx_task_ref victim = oomx_kept_victim(slot);

		if (victim && oomx_ask_again(scope->oc, victim))
			return OOMX_HANDLED;
	}
	return OOMX_DECLINED;
}

/* Is the victim in this slot dying still? Then ask for it again, and say so in the record. */
static __always_inline bool oomx_waits_for(struct oomx_scope *scope, __u32 slot)
{
	oomx_task_ref victim = oomx_kept_victim(slot);
	struct oomx_decision *r = &oomx_record;
	oomx_memcg_ref home = NULL;

	if (!victim || !oomx_is_in_flight(victim))
		return false;
	if (r->mode == OOMX_ENFORCE && !oomx_ask_again(scope->oc, victim))
		return false;
	r->victim = oomx_home_of(victim);
	home = oomx_memcg_with(r->victim);
	r->victim_usage = oomx_usage(home);
	r->victim_pid = 0; /* whom the policy wanted to kill before it came to this one */
	r->result = OOMX_RESULT_WAITING;
	return true;
}

/* An earlier victim is dying: nobody else has to. In shadow mode even that is the kernel's. */
static __always_inline bool oomx_waits(struct oomx_scope *scope)
{
	oomx_for_each_number(slot, OOMX_VICTIMS) {
		if (oomx_waits_for(scope, slot))
			return true;
	}
	return false;
}

#endif
