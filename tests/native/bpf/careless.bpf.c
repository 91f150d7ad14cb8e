// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* careless: does what no verifier accepts, one thing at a time. It is only run natively. */
#include <oomx/policy.bpf.h>

#include "careless.h"

OOMX_CONFIG(struct oomx_careless_config);

/* What an author may have, too: part of the state of an instance. */
static __u64 calls = 0;
__u64 calls_in_sight = 1000;

static __always_inline void sleep_under_rcu(struct oomx_scope *scope)
{
	oomx_rcu_section rcu = oomx_rcu_enter();

	bpf_mem_cgroup_flush_stats(scope->root);
}

static __always_inline void walk_without_rcu(struct oomx_scope *scope)
{
	oomx_memcg_iter it;

	bpf_iter_css_new(&it, &scope->root->css, BPF_CGROUP_ITER_DESCENDANTS_PRE);
	while (bpf_iter_css_next(&it))
		;
}

static __always_inline void keep_iterator(struct oomx_scope *scope)
{
	struct bpf_iter_css_task it;

	bpf_iter_css_task_new(&it, &scope->root->css, CSS_TASK_ITER_PROCS);
}

static __always_inline void put_twice(struct oomx_scope *scope)
{
	struct mem_cgroup *root = bpf_get_root_mem_cgroup();

	if (root) {
		bpf_put_mem_cgroup(root);
		bpf_put_mem_cgroup(root);
	}
}

static __always_inline void list_without_reference(struct oomx_scope *scope)
{
	oomx_rcu_section rcu = oomx_rcu_enter();
	struct cgroup_subsys_state *css;
	oomx_memcg_iter it;

	bpf_iter_css_new(&it, &scope->root->css, BPF_CGROUP_ITER_DESCENDANTS_PRE);
	while ((css = bpf_iter_css_next(&it))) {
		oomx_process_iter processes;

		bpf_iter_css_task_new(&processes, css, CSS_TASK_ITER_PROCS);
	}
}

static __always_inline int handle(struct oomx_scope *scope)
{
	calls++;
	calls_in_sight++;
	switch (config.how) {
	case OOMX_CARELESS_SLEEPS_UNDER_RCU:
		sleep_under_rcu(scope);
		break;
	case OOMX_CARELESS_KEEPS_RCU:
		bpf_rcu_read_lock();
		break;
	case OOMX_CARELESS_WALKS_WITHOUT_RCU:
		walk_without_rcu(scope);
		break;
	case OOMX_CARELESS_KEEPS_ITERATOR:
		keep_iterator(scope);
		break;
	case OOMX_CARELESS_KEEPS_REFERENCE:
		(void)bpf_get_root_mem_cgroup();
		break;
	case OOMX_CARELESS_PUTS_TWICE:
		put_twice(scope);
		break;
	case OOMX_CARELESS_LISTS_WITHOUT_REFERENCE:
		list_without_reference(scope);
		break;
	case OOMX_CARELESS_CLAIMS:
		return OOMX_HANDLED;
	case OOMX_CARELESS_COUNTS:
		oomx_record.refused = calls;
		oomx_record.killed = calls_in_sight;
		break;
	}
	return OOMX_DECLINED;
}

OOMX_POLICY(careless, handle);
