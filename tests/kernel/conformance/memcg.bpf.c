// SPDX-License-Identifier: GPL-2.0-only
/* The memory cgroup kfuncs, from syscall programs; and one program of each other type that uses them. */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "shared.h"

char _license[] SEC("license") = "GPL";

extern struct cgroup *bpf_cgroup_from_id(u64 cgid) __ksym;
extern void bpf_cgroup_release(struct cgroup *cgrp) __ksym;
extern struct mem_cgroup *bpf_get_root_mem_cgroup(void) __ksym;
extern struct mem_cgroup *bpf_get_mem_cgroup(struct cgroup_subsys_state *css) __ksym;
extern void bpf_put_mem_cgroup(struct mem_cgroup *memcg) __ksym;
extern unsigned long bpf_mem_cgroup_usage(struct mem_cgroup *memcg) __ksym;
extern unsigned long bpf_mem_cgroup_page_state(struct mem_cgroup *memcg, int idx) __ksym;
extern unsigned long bpf_mem_cgroup_vm_events(struct mem_cgroup *memcg,
					      enum vm_event_item event) __ksym;
extern unsigned long bpf_mem_cgroup_memory_events(struct mem_cgroup *memcg,
						  enum memcg_memory_event event) __ksym;
extern void bpf_mem_cgroup_flush_stats(struct mem_cgroup *memcg) __ksym;
extern int bpf_iter_css_new(struct bpf_iter_css *it, struct cgroup_subsys_state *start,
			    unsigned int flags) __ksym;
extern struct cgroup_subsys_state *bpf_iter_css_next(struct bpf_iter_css *it) __ksym;
extern void bpf_iter_css_destroy(struct bpf_iter_css *it) __ksym;
extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;

struct memcg_query query;

#define WITH_MEMCG(name, value)								\
SEC("?syscall")										\
int name(void *ctx)									\
{											\
	struct cgroup *cgrp = bpf_cgroup_from_id(query.cgroup_id);			\
	struct mem_cgroup *memcg;							\
											\
	query.found = 0;								\
	if (!cgrp)									\
		return 1;								\
	memcg = bpf_get_mem_cgroup(&cgrp->self);					\
	if (memcg) {									\
		bpf_mem_cgroup_flush_stats(memcg);					\
		query.result = (value);							\
		query.found = 1;							\
		bpf_put_mem_cgroup(memcg);						\
	}										\
	bpf_cgroup_release(cgrp);							\
	return 0;									\
}

WITH_MEMCG(read_id, memcg->css.cgroup->kn->id)
WITH_MEMCG(read_usage, bpf_mem_cgroup_usage(memcg))
WITH_MEMCG(read_page_state, bpf_mem_cgroup_page_state(memcg, query.index))
WITH_MEMCG(read_vm_event, bpf_mem_cgroup_vm_events(memcg, query.index))
WITH_MEMCG(read_memory_event, bpf_mem_cgroup_memory_events(memcg, query.index))
WITH_MEMCG(read_max, memcg->memory.max * 4096)
WITH_MEMCG(read_min, memcg->memory.min * 4096)
WITH_MEMCG(read_low, memcg->memory.low * 4096)
WITH_MEMCG(read_high, memcg->memory.high * 4096)
WITH_MEMCG(read_swap_max, memcg->swap.max)
WITH_MEMCG(read_oom_group, memcg->oom_group)
WITH_MEMCG(read_anon, bpf_mem_cgroup_page_state(memcg,
		bpf_core_enum_value(enum node_stat_item, NR_ANON_MAPPED)))
WITH_MEMCG(read_kernel_stack, bpf_mem_cgroup_page_state(memcg,
		bpf_core_enum_value(enum node_stat_item, NR_KERNEL_STACK_KB)))
WITH_MEMCG(read_activate_file, bpf_mem_cgroup_page_state(memcg,
		bpf_core_enum_value(enum node_stat_item, WORKINGSET_ACTIVATE_FILE)))
WITH_MEMCG(read_restore_anon, bpf_mem_cgroup_page_state(memcg,
		bpf_core_enum_value(enum node_stat_item, WORKINGSET_RESTORE_ANON)))
/* Counted for nodes, not for memory cgroups. */
WITH_MEMCG(read_uncounted_page_state, bpf_mem_cgroup_page_state(memcg,
		bpf_core_enum_value(enum node_stat_item, NR_DIRTIED)))
WITH_MEMCG(read_uncounted_vm_event, bpf_mem_cgroup_vm_events(memcg,
		bpf_core_enum_value(enum vm_event_item, OOM_KILL)))
WITH_MEMCG(read_memory_event_count, bpf_mem_cgroup_memory_events(memcg,
		bpf_core_enum_value(enum memcg_memory_event, MEMCG_NR_MEMORY_EVENTS)))
WITH_MEMCG(read_pgfault, bpf_mem_cgroup_vm_events(memcg,
		bpf_core_enum_value(enum vm_event_item, PGFAULT)))
WITH_MEMCG(read_oom_kill, bpf_mem_cgroup_memory_events(memcg,
		bpf_core_enum_value(enum memcg_memory_event, MEMCG_OOM_KILL)))

SEC("?syscall")
int read_root(void *ctx)
{
	struct mem_cgroup *memcg = bpf_get_root_mem_cgroup();

	query.found = !!memcg;
	if (memcg) {
		query.result = memcg->css.cgroup->kn->id;
		bpf_put_mem_cgroup(memcg);
	}
	return 0;
}

/* From the memory controller's own css, and from those that a walk over it meets. */
SEC("?syscall")
int read_by_css(void *ctx)
{
	struct mem_cgroup *root = bpf_get_root_mem_cgroup(), *memcg;
	struct cgroup_subsys_state *css;

	query.found = query.result = 0;
	if (!root)
		return 1;
	bpf_rcu_read_lock();
	bpf_for_each(css, css, &root->css, BPF_CGROUP_ITER_DESCENDANTS_PRE) {
		memcg = bpf_get_mem_cgroup(css);
		if (!memcg)
			continue;
		if (memcg->css.cgroup->kn->id == query.cgroup_id) {
			query.result = query.cgroup_id;
			query.found = 1;
		}
		bpf_put_mem_cgroup(memcg);
	}
	bpf_rcu_read_unlock();
	bpf_put_mem_cgroup(root);
	return 0;
}

static __always_inline int use_kfuncs(void)
{
	struct mem_cgroup *memcg = bpf_get_root_mem_cgroup();

	if (memcg) {
		query.result = bpf_mem_cgroup_usage(memcg);
		bpf_put_mem_cgroup(memcg);
	}
	return 0;
}

SEC("?fentry/oom_kill_process")
int any_fentry(void *ctx) { return use_kfuncs(); }
SEC("?tp_btf/mark_victim")
int any_tp_btf(void *ctx) { return use_kfuncs(); }
SEC("?kprobe/oom_kill_process")
int any_kprobe(void *ctx) { return use_kfuncs(); }
SEC("?tracepoint/oom/mark_victim")
int any_tracepoint(void *ctx) { return use_kfuncs(); }
SEC("?perf_event")
int any_perf_event(void *ctx) { return use_kfuncs(); }
SEC("?lsm/file_open")
int any_lsm(void *ctx) { return use_kfuncs(); }
SEC("?iter/task")
int any_iter(void *ctx) { return use_kfuncs(); }
SEC("?tc")
int any_tc(void *ctx) { return use_kfuncs(); }
SEC("?xdp")
int any_xdp(void *ctx) { use_kfuncs(); return XDP_PASS; }
SEC("?cgroup_skb/egress")
int any_cgroup_skb(void *ctx) { use_kfuncs(); return 1; }
SEC("?syscall")
int any_syscall(void *ctx) { return use_kfuncs(); }

/* Callbacks of timers and work queues. */
struct element {
	struct bpf_timer timer;
	struct bpf_wq wq;
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, u32);
	__type(value, struct element);
} elements SEC(".maps");

extern int bpf_wq_init(struct bpf_wq *wq, void *map, unsigned int flags) __ksym;
extern int bpf_wq_start(struct bpf_wq *wq, unsigned int flags) __ksym;
/* The last argument is for the verifier to fill in: 6.12 wants a place for it, 7.x does not. */
extern int bpf_wq_set_callback_impl(struct bpf_wq *wq, int (callback_fn)(void *map, int *key, void *value),
				    unsigned int flags, void *aux__ign) __weak __ksym;
extern int bpf_wq_set_callback(struct bpf_wq *wq, int (callback_fn)(void *map, int *key, void *value),
			       unsigned int flags) __weak __ksym;

static int timer_callback(void *map, int *key, struct bpf_timer *timer)
{
	return use_kfuncs();
}

static int wq_callback(void *map, int *key, void *value)
{
	return use_kfuncs();
}

SEC("?tc")
int any_timer(void *ctx)
{
	u32 key = 0;
	struct element *e = bpf_map_lookup_elem(&elements, &key);

	if (e && !bpf_timer_init(&e->timer, &elements, 1))
		bpf_timer_set_callback(&e->timer, timer_callback);
	return 0;
}

SEC("?tc")
int any_wq(void *ctx)
{
	u32 key = 0;
	struct element *e = bpf_map_lookup_elem(&elements, &key);

	if (!e || bpf_wq_init(&e->wq, &elements, 0))
		return 0;
	if (bpf_ksym_exists(bpf_wq_set_callback))
		bpf_wq_set_callback(&e->wq, wq_callback, 0);
	else
		bpf_wq_set_callback_impl(&e->wq, wq_callback, 0, NULL);
	return 0;
}
