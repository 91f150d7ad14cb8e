/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_CANDIDATE_H
#define OOMX_CANDIDATE_H

/*
 * What a policy ranks. A candidate is a cgroup that would die as a whole: a leaf; above leaves the
 * topmost cgroup with memory.oom.group, or one at the level that the config says. What is below it
 * counts as part of it.
 *
 * Only those fields are filled in that the policy names (enum oomx_read), and the first three; the
 * others are 0.
 */
#include <linux/types.h>

/* A limit of "max". Any other is a number of bytes. */
#define OOMX_NO_LIMIT ((__u64) - 1)

/* The score of whom the policy spares. */
#define OOMX_SPARE 0

/* What is read of each candidate, and what of each process. */
enum oomx_read {
	OOMX_READ_USAGE = 1 << 0,      /* usage */
	OOMX_READ_ANON = 1 << 1,       /* anon; this, the next three and gain are the dearest */
	OOMX_READ_FILE = 1 << 2,       /* file */
	OOMX_READ_SHMEM = 1 << 3,      /* shmem */
	OOMX_READ_KERNEL = 1 << 4,     /* kernel */
	OOMX_READ_SWAP = 1 << 5,       /* swap */
	OOMX_READ_LIMITS = 1 << 6,     /* high, max */
	OOMX_READ_PROTECTION = 1 << 7, /* min, low, protection */
	OOMX_READ_PREFERENCE = 1 << 8, /* tier, preference */
	OOMX_READ_AGE = 1 << 9,	       /* age_ns */
	OOMX_READ_GAIN = 1 << 10,      /* gain */
};

/* What memory.stat has. */
#define OOMX_READ_STAT                                                                             \
	(OOMX_READ_ANON | OOMX_READ_FILE | OOMX_READ_SHMEM | OOMX_READ_KERNEL | OOMX_READ_GAIN)

struct oomx_candidate {
	__u64 cgroup_id;
	__u32 processes;
	__u32 depth; /* below the scope */

	__u64 usage; /* memory.current, bytes */

	__u64 anon, file, shmem, kernel; /* as in memory.stat, bytes */

	__u64 swap; /* memory.swap.current, bytes */

	/*
	 * What of usage comes back when all its processes die, bytes: not page cache, which the
	 * kernel takes back without a kill, and not files in a tmpfs that none of them has mapped,
	 * which stay. Of the candidate whose process asks for memory these count all the same: it
	 * may be filling them, and its end stops that.
	 */
	__u64 gain;

	__u64 high, max; /* bytes or OOMX_NO_LIMIT */

	/*
	 * memory.min and memory.low, bytes or OOMX_NO_LIMIT: what the cgroups between it and the
	 * scope leave of them, so that nobody is protected by its own word.
	 */
	__u64 min, low;
	__u64 protection; /* the larger of the two */

	__u32 tier;	  /* see struct oomx_preference; 0 where none was given */
	__s32 preference; /* see struct oomx_preference; 0 where none was given */

	__u64 age_ns; /* how long its oldest process has been there */

	__u64 process_score; /* the highest of its processes, where the policy ranks them, else 0 */
	__u32 oom_group;     /* 1: memory.oom.group is set */
	__u32 reserved;
};

/* What a policy may rank inside a candidate. Sizes as the kernel's own killer sees them. */
struct oomx_process {
	__s32 pid;
	__s32 oom_score_adj;
	__u32 oom_flag_origin; /* 1: it wants to die before others do, as in swapoff() */
	__u32 reserved;
	__u64 rss;	   /* bytes */
	__u64 swap;	   /* bytes */
	__u64 page_tables; /* bytes */
	__u64 age_ns;
	__u64 scope_size; /* bytes that the scope of the OOM may hold: totalpages of oom_control */
};

#endif
