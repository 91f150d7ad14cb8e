// SPDX-License-Identifier: GPL-2.0-only
/*
 * Memory cgroups for BPF: references, usage and counters.
 */

#include <linux/bpf.h>
#include <linux/bpf_oom.h>
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/init.h>
#include <linux/memcontrol.h>
#include <linux/page_counter.h>

#include "memcontrol-v1.h"

/* What the readers return for an index the kernel does not count. */
#define BPF_MEMCG_NO_SUCH_ITEM ((unsigned long)-1)

__bpf_kfunc_start_defs();

/**
 * bpf_get_root_mem_cgroup - The root of the memory cgroup hierarchy
 *
 * Return: the root, to be put with bpf_put_mem_cgroup(); NULL if memory
 * cgroups are disabled.
 */
__bpf_kfunc struct mem_cgroup *bpf_get_root_mem_cgroup(void)
{
	if (mem_cgroup_disabled())
		return NULL;

	/* css_get() knows that the root is not counted. */
	css_get(&root_mem_cgroup->css);
	return root_mem_cgroup;
}

/**
 * bpf_get_mem_cgroup - The memory cgroup behind a cgroup subsystem state
 * @css: the state of any controller, or of the cgroup itself
 *
 * Return: the memory cgroup of the same cgroup, to be put with
 * bpf_put_mem_cgroup(); NULL if that cgroup lacks the memory controller or is
 * going away. Never an ancestor's.
 */
__bpf_kfunc struct mem_cgroup *bpf_get_mem_cgroup(struct cgroup_subsys_state *css)
{
	struct mem_cgroup *memcg = NULL;

	if (mem_cgroup_disabled())
		return NULL;

	rcu_read_lock();
	if (css->ss != &memory_cgrp_subsys)
		css = rcu_dereference(css->cgroup->subsys[memory_cgrp_id]);
	if (css && css_tryget(css))
		memcg = mem_cgroup_from_css(css);
	rcu_read_unlock();

	return memcg;
}

/**
 * bpf_put_mem_cgroup - Drop a reference to a memory cgroup
 * @memcg: what bpf_get_mem_cgroup() or bpf_get_root_mem_cgroup() returned
 */
__bpf_kfunc void bpf_put_mem_cgroup(struct mem_cgroup *memcg)
{
	css_put(&memcg->css);
}

/**
 * bpf_mem_cgroup_usage - Memory charged to a memory cgroup and its descendants
 * @memcg: the memory cgroup
 *
 * Return: the usage in bytes; in pages when the posted series is imitated.
 */
__bpf_kfunc unsigned long bpf_mem_cgroup_usage(struct mem_cgroup *memcg)
{
	unsigned long pages = page_counter_read(&memcg->memory);

	return bpf_oom_as_posted ? pages : pages * PAGE_SIZE;
}

/**
 * bpf_mem_cgroup_page_state - A memory cgroup's statistics item
 * @memcg: the memory cgroup
 * @idx: enum node_stat_item or enum memcg_stat_item
 *
 * Return: bytes or, for the events among the items, a count;
 * (unsigned long)-1 for an index that is not counted per memory cgroup.
 */
__bpf_kfunc unsigned long bpf_mem_cgroup_page_state(struct mem_cgroup *memcg, int idx)
{
	if (!memcg_stat_item_valid(idx))
		return BPF_MEMCG_NO_SUCH_ITEM;

	return memcg_page_state_output(memcg, idx);
}

/**
 * bpf_mem_cgroup_vm_events - A memory cgroup's counter of a VM event
 * @memcg: the memory cgroup
 * @event: the event
 *
 * Return: the count, (unsigned long)-1 for an event that is not counted per
 * memory cgroup.
 */
__bpf_kfunc unsigned long bpf_mem_cgroup_vm_events(struct mem_cgroup *memcg,
						   enum vm_event_item event)
{
	if (!memcg_vm_event_valid(event))
		return BPF_MEMCG_NO_SUCH_ITEM;

	return memcg_events(memcg, event);
}

/**
 * bpf_mem_cgroup_memory_events - A memory cgroup's line of memory.events
 * @memcg: the memory cgroup
 * @event: the event
 *
 * Return: the count, descendants included; (unsigned long)-1 for a bad event.
 */
__bpf_kfunc unsigned long bpf_mem_cgroup_memory_events(struct mem_cgroup *memcg,
						       enum memcg_memory_event event)
{
	/* The cast also catches what a program passes as a negative number. */
	if ((u32)event >= MEMCG_NR_MEMORY_EVENTS)
		return BPF_MEMCG_NO_SUCH_ITEM;

	return atomic_long_read(&memcg->memory_events[event]);
}

/**
 * bpf_mem_cgroup_flush_stats - Bring a memory cgroup's statistics up to date
 * @memcg: the memory cgroup
 */
__bpf_kfunc void bpf_mem_cgroup_flush_stats(struct mem_cgroup *memcg)
{
	mem_cgroup_flush_stats(memcg);
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(bpf_memcontrol_kfuncs)
BTF_ID_FLAGS(func, bpf_get_root_mem_cgroup, KF_ACQUIRE | KF_RET_NULL)
BTF_ID_FLAGS(func, bpf_get_mem_cgroup, KF_ACQUIRE | KF_RET_NULL | KF_RCU)
BTF_ID_FLAGS(func, bpf_put_mem_cgroup, KF_RELEASE)
BTF_ID_FLAGS(func, bpf_mem_cgroup_usage, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_mem_cgroup_page_state, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_mem_cgroup_vm_events, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_mem_cgroup_memory_events, KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_mem_cgroup_flush_stats, KF_TRUSTED_ARGS | KF_SLEEPABLE)
BTF_KFUNCS_END(bpf_memcontrol_kfuncs)

static const struct btf_kfunc_id_set bpf_memcontrol_kfunc_set = {
	.owner	= THIS_MODULE,
	.set	= &bpf_memcontrol_kfuncs,
};

static int __init bpf_memcontrol_init(void)
{
	int err;

	/* Unspecified means every program type. */
	err = register_btf_kfunc_id_set(BPF_PROG_TYPE_UNSPEC,
					&bpf_memcontrol_kfunc_set);
	if (err)
		pr_warn("cannot register memory cgroup kfuncs: error %d, BPF programs that use them will not load\n",
			err);
	return err;
}
late_initcall(bpf_memcontrol_init);
