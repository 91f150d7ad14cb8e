/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_MEMCG_BPF_H
#define OOMX_MEMCG_BPF_H

/* What a memory cgroup is and holds, in bytes. A NULL memcg holds nothing. */
#include <oomx/candidate.h>
#include <oomx/config.bpf.h>
#include <oomx/kernel.bpf.h>
#include <oomx/scoped.bpf.h>

#define oomx_memcg_iter struct bpf_iter_css __attribute__((cleanup(bpf_iter_css_destroy)))

static __always_inline __u64 oomx_memcg_id(struct mem_cgroup *memcg)
{
	return memcg ? memcg->css.cgroup->kn->id : 0;
}

/* The memory cgroup with this id, held, or NULL: it was removed, or lacks the controller. */
static __always_inline struct mem_cgroup *oomx_memcg_with(__u64 cgroup_id)
{
	oomx_cgroup_ref cgroup = bpf_cgroup_from_id(cgroup_id);

	return cgroup ? bpf_get_mem_cgroup(&cgroup->self) : NULL;
}

static __always_inline __u64 oomx_bytes(__u64 pages)
{
	return pages * oomx_object.page_size;
}

static __always_inline __u64 oomx_pages(__u64 bytes)
{
	return bytes / oomx_object.page_size;
}

/* A limit: the kernel's "max" is the largest number of pages (PAGE_COUNTER_MAX). */
static __always_inline __u64 oomx_limit(__u64 pages)
{
	__u64 bytes = oomx_bytes(pages);

	return bytes > OOMX_NO_LIMIT / 2 - oomx_object.page_size ? OOMX_NO_LIMIT : bytes;
}

/*
 * memory.current; 0 for the root, which is not charged. From the counter itself: the kfunc
 * bpf_mem_cgroup_usage() gives pages on kernels with the posted v2 and bytes on others.
 */
static __always_inline __u64 oomx_usage(struct mem_cgroup *memcg)
{
	return memcg ? oomx_bytes(memcg->memory.usage.counter) : 0;
}

/* One number of memory.stat. The kfunc says -1 of what this kernel does not count. */
static __always_inline __u64 oomx_stat(struct mem_cgroup *memcg, int item)
{
	long bytes = bpf_mem_cgroup_page_state(memcg, item);

	return bytes > 0 ? bytes : 0;
}

/* How much more than that, at least nothing. Counters are read one after the other. */
static __always_inline __u64 oomx_over(__u64 bytes, __u64 than)
{
	return bytes > than ? bytes - than : 0;
}

/*
 * memory.current without page cache: what only a kill can free. Shared memory is counted as file
 * by the kernel but has no file to go back to, so it stays in.
 */
static __always_inline __u64 oomx_without_cache(__u64 usage, __u64 file, __u64 shmem)
{
	return oomx_over(usage, oomx_over(file, shmem));
}

static __always_inline __u64 oomx_smaller(__u64 a, __u64 b)
{
	return a < b ? a : b;
}

#endif
