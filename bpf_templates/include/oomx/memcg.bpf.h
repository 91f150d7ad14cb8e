/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_MEMCG_BPF_H
#define OOMX_MEMCG_BPF_H

/* What a memory cgroup holds, in bytes. A NULL memcg holds nothing. */
#include <oomx/config.bpf.h>
#include <oomx/kernel.bpf.h>

extern unsigned long bpf_mem_cgroup_page_state(struct mem_cgroup *memcg, int idx) __weak __ksym;
extern void bpf_mem_cgroup_flush_stats(struct mem_cgroup *memcg) __weak __ksym;

static __always_inline __u64 oomx_memcg_id(struct mem_cgroup *memcg)
{
	return memcg ? BPF_CORE_READ(memcg, css.cgroup, kn, id) : 0;
}

/*
 * memory.current; 0 for the root, which is not charged. From the counter itself: the kfunc
 * bpf_mem_cgroup_usage() gives pages on kernels with the posted v2 and bytes on others.
 */
static __always_inline __u64 oomx_usage(struct mem_cgroup *memcg)
{
	return memcg ? memcg->memory.usage.counter * oomx_object.page_size : 0;
}

/*
 * memory.current without page cache: what only a kill can free. Shared memory is counted as file
 * by the kernel but has no file to go back to, so it stays in. The two counters are read one after
 * the other and statistics lag behind usage: never below zero.
 */
static __always_inline __u64 oomx_usage_without_cache(struct mem_cgroup *memcg)
{
	__u64 usage, file, shmem;

	if (!memcg)
		return 0;
	usage = oomx_usage(memcg);
	file = bpf_mem_cgroup_page_state(memcg,
					 bpf_core_enum_value(enum node_stat_item, NR_FILE_PAGES));
	shmem = bpf_mem_cgroup_page_state(memcg,
					  bpf_core_enum_value(enum node_stat_item, NR_SHMEM));
	file = file > shmem ? file - shmem : 0;
	return usage > file ? usage - file : 0;
}

#endif
