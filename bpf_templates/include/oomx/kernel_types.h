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

struct cgroup_root {
	unsigned int flags;
};

struct cgroup {
	struct cgroup_subsys_state self;
	struct cgroup_root *root;
	int level; /* below the root, which has 0 */
	struct kernfs_node *kn;
};

struct css_set {
	struct cgroup *dfl_cgrp; /* in the one hierarchy of cgroup v2 */
};

struct page_counter {
	atomic_long_t usage;
	atomic_long_t children_min_usage; /* what its children use within their memory.min */
	atomic_long_t children_low_usage; /* as above, of memory.low */
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
	atomic_t mm_users; /* threads, of whatever process, and who looks at it just now */
	atomic_long_t pgtables_bytes;
	struct percpu_counter rss_stat[NR_MM_COUNTERS];
	unsigned long flags; /* of a kernel before 6.18: see oomx_mm_flags() */
};

struct signal_struct {
	atomic_t live; /* threads that have not begun to exit */
	unsigned int flags;
	bool oom_flag_origin;	  /* this process is about to need much memory: swapoff() */
	struct mm_struct *oom_mm; /* once the OOM killer has taken the process */
	short oom_score_adj;
};

struct completion;

struct task_struct {
	int pid;
	int tgid;
	unsigned int flags;
	int exit_state;	  /* 0 until a thread has given back all that it had */
	__u64 start_time; /* CLOCK_MONOTONIC, ns */
	struct mm_struct *mm;
	struct signal_struct *signal;
	struct css_set *cgroups;
	struct task_struct *real_parent;
	struct task_struct *group_leader; /* the first thread of its process */
	struct completion *vfork_done;	  /* not NULL: between vfork() and exec() */
	char comm[16];
};

enum oom_constraint {
	CONSTRAINT_CPUSET = 1,
	CONSTRAINT_MEMORY_POLICY = 2,
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

#define PF_EXITING	  0x00000004 /* include/linux/sched.h */
#define PF_KTHREAD	  0x00200000 /* include/linux/sched.h */
#define SIGNAL_GROUP_EXIT 0x00000004 /* include/linux/sched/signal.h: the process is ending */
#define MMF_OOM_SKIP	  21	     /* include/linux/mm_types.h: the reaper is done with this mm */
#define OOM_SCORE_ADJ_MIN (-1000)    /* include/uapi/linux/oom.h */

#define CSS_TASK_ITER_PROCS 1 /* include/linux/cgroup.h: thread group leaders only */

/* kernel/bpf/task_iter.c */
#define BPF_TASK_ITER_ALL_PROCS	   0
#define BPF_TASK_ITER_PROC_THREADS 2

/* include/linux/cgroup-defs.h: what memory.low and memory.min leave over is the children's */
#define CGRP_ROOT_MEMORY_RECURSIVE_PROT (1 << 18)

#endif
