/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_SCOPED_BPF_H
#define OOMX_SCOPED_BPF_H

/*
 * References that end with their scope, so that a policy never writes a release call or a goto:
 *
 *	oomx_memcg_ref victim = NULL;
 *
 * The verifier sees the release on every path out of the scope, whatever the author returns.
 */
#include <oomx/kernel.bpf.h>

static __always_inline void oomx_put_memcg(struct mem_cgroup **ref)
{
	if (*ref)
		bpf_put_mem_cgroup(*ref);
}

static __always_inline void oomx_put_task(struct task_struct **ref)
{
	if (*ref)
		bpf_task_release(*ref);
}

static __always_inline void oomx_put_cgroup(struct cgroup **ref)
{
	if (*ref)
		bpf_cgroup_release(*ref);
}

#define oomx_memcg_ref	struct mem_cgroup *__attribute__((cleanup(oomx_put_memcg)))
#define oomx_task_ref	struct task_struct *__attribute__((cleanup(oomx_put_task)))
#define oomx_cgroup_ref struct cgroup *__attribute__((cleanup(oomx_put_cgroup)))

/* An RCU read section that ends with its scope. */
static __always_inline int oomx_rcu_enter(void)
{
	bpf_rcu_read_lock();
	return 1;
}

static __always_inline void oomx_rcu_leave(int *unused)
{
	bpf_rcu_read_unlock();
}

#define oomx_rcu_section int __attribute__((cleanup(oomx_rcu_leave)))

/* Let *ref hold memcg instead of what it held. memcg stays its owner's; both end on their own. */
static __always_inline void oomx_replace(struct mem_cgroup **ref, struct mem_cgroup *memcg)
{
	struct mem_cgroup *held = *ref;

	*ref = bpf_get_mem_cgroup(&memcg->css);
	if (held)
		bpf_put_mem_cgroup(held);
}

#endif
