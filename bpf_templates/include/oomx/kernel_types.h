/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_KERNEL_TYPES_H
#define OOMX_KERNEL_TYPES_H

/*
 * The kernel types a policy touches, with only the fields it touches: CO-RE finds their true
 * offsets at load time, and a native build takes them as they stand. Names and fields:
 * include/linux/{sched,sched/signal,mm_types,cgroup-defs,memcontrol,page_counter,oom}.h.
 */
#include <linux/types.h>
#include <stdbool.h>

typedef struct {
	int counter;
} atomic_t;

typedef struct {
	long counter;
} atomic_long_t;

struct percpu_counter {
	__s64 count; /* short of what single processors have not added yet */
};

struct kernfs_node {
	__u64 id;
};

struct cgroup_subsys_state {
	struct cgroup *cgroup;
	struct cgroup_subsys_state *parent;
	atomic_t online_cnt;
};

struct cgroup {
	struct cgroup_subsys_state self;
	int level; /* below the root, which has 0 */
	struct kernfs_node *kn;
};

struct page_counter {
	atomic_long_t usage;
	unsigned long min;
	unsigned long low;
	unsigned long high;
	unsigned long max;
};

struct mem_cgroup {
	struct cgroup_subsys_state css;
	struct page_counter memory;
	struct page_counter swap;
	bool oom_group;
};

struct maple_tree {
	void *ma_root;
};

/* Move between kernels as other enum values do: see kernel.bpf.h. */
enum {
	MM_FILEPAGES = 0,
	MM_ANONPAGES = 1,
	MM_SWAPENTS = 2,
	MM_SHMEMPAGES = 3,
	NR_MM_COUNTERS = 4,
};

struct mm_struct {
	struct maple_tree mm_mt;
	atomic_t mm_users;
	atomic_long_t pgtables_bytes;
	struct percpu_counter rss_stat[NR_MM_COUNTERS];
	unsigned long flags;
};

struct signal_struct {
	atomic_t live; /* threads that have not begun to exit */
	struct mm_struct *oom_mm;
	short oom_score_adj;
};

struct task_struct {
	int pid;
	int tgid;
	unsigned int flags;
	__u64 start_time; /* CLOCK_MONOTONIC, ns */
	struct mm_struct *mm;
	struct signal_struct *signal;
	char comm[16];
};

enum oom_constraint {
	CONSTRAINT_MEMCG = 3,
};

struct oom_control {
	struct mem_cgroup *memcg; /* NULL: a system-wide OOM */
	int order;
	unsigned long totalpages;
	enum oom_constraint constraint;
};

enum node_stat_item {
	NR_ANON_MAPPED = 0,
	NR_FILE_PAGES = 1,
	NR_SHMEM = 2,
};

enum memcg_stat_item {
	MEMCG_KMEM = 10,
};

#define PF_KTHREAD	    0x00200000 /* include/linux/sched.h */
#define MMF_OOM_SKIP	    21	    /* include/linux/mm_types.h: the reaper is done with this mm */
#define CSS_TASK_ITER_PROCS 1	    /* include/linux/cgroup.h: thread group leaders only */
#define OOM_SCORE_ADJ_MIN   (-1000) /* include/uapi/linux/oom.h */

#endif
