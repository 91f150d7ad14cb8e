/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_KERNEL_BPF_H
#define OOMX_KERNEL_BPF_H

/*
 * The kernel types a policy touches, with only the fields it touches: CO-RE finds their true
 * offsets at load time. Instead of a vmlinux.h, so that a policy does not depend on the kernel of
 * the machine it was built on. Names and fields: include/linux/{sched,mm_types,cgroup-defs,
 * memcontrol,page_counter,oom}.h.
 */
#include <linux/types.h>
#include <stdbool.h>
#include <stddef.h>

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	long counter;
} atomic_long_t;

struct kernfs_node {
	__u64 id;
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	atomic_t online_cnt;
};

struct cgroup {
	struct cgroup_subsys_state self;
	struct kernfs_node *kn;
};

struct page_counter {
	atomic_long_t usage;
	unsigned long max;
};

struct mem_cgroup {
	struct cgroup_subsys_state css;
	struct page_counter memory;
};

struct maple_tree {
	void *ma_root;
};

struct mm_struct {
	struct maple_tree mm_mt;
	atomic_t mm_users;
	unsigned long flags;
};

struct signal_struct {
	struct mm_struct *oom_mm;
	short oom_score_adj;
};

struct task_struct {
	int tgid;
	unsigned int flags;
	struct mm_struct *mm;
	struct signal_struct *signal;
};

enum oom_constraint {
	CONSTRAINT_MEMCG = 3,
};

struct oom_control {
	struct mem_cgroup *memcg; /* NULL: a system-wide OOM */
	int order;
	enum oom_constraint constraint;
};

#pragma clang attribute pop

/* Enum values move between kernels: always through bpf_core_enum_value(). */
enum node_stat_item {
	NR_FILE_PAGES = 1,
	NR_SHMEM = 2,
};

#define PF_KTHREAD	    0x00200000 /* include/linux/sched.h */
#define MMF_OOM_SKIP	    21	    /* include/linux/mm_types.h: the reaper is done with this mm */
#define CSS_TASK_ITER_PROCS 1	    /* include/linux/cgroup.h: thread group leaders only */
#define OOM_SCORE_ADJ_MIN   (-1000) /* include/uapi/linux/oom.h */

#endif
