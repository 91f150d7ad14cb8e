/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_CONFIG_H
#define OOMX_CONFIG_H

/*
 * What every policy's config starts with, seen alike by BPF and C++. No padding: the bytes are
 * compared and copied as they are.
 */
#include <linux/types.h>

enum oomx_mode {
	OOMX_ENFORCE = 0,
	OOMX_SHADOW = 1, /* decide and record, kill nothing, decline */
};

/* How many candidates one decision can hold. */
#define OOMX_CANDIDATES 10000

/* The limits no policy can leave; the building blocks enforce them. */
struct oomx_rails {
	__u64 min_interval_ns; /* between two kills for the same scope; 0: none */
	__u32 max_processes;   /* a cgroup with more of them does not die whole */
	__u32 max_candidates;  /* cgroups one decision looks at, at most OOMX_CANDIDATES */
	__u32 mode;	       /* enum oomx_mode */
	__u32 max_tasks;       /* processes one decision looks at */
	__u32 min_relief;      /* thousandths of what the scope may hold, at most 1000 */
	__u32 reserved;
};

enum oomx_granularity {
	OOMX_CGROUP = 0,  /* the chosen cgroup dies whole */
	OOMX_PROCESS = 1, /* one process of it dies, and with it its memory.oom.group */
};

/* What a policy that ranks has in its config behind the rails. */
struct oomx_ranking {
	__u32 level; /* candidates are cgroups this far below the scope, or leaves above it; 0:
			leaves */
	__u32 granularity; /* enum oomx_granularity */
};

/* What user space tells an object before it loads it. */
struct oomx_object {
	__u64 identity;	    /* of the compiled policy: the same for each load of the same bytes */
	__u64 page_size;    /* of this machine, bytes */
	__u64 machine_size; /* memory and swap of this machine, bytes; 0: not known */
};

/* One attachment of the policy. */
struct oomx_place {
	__u64 link_id;	 /* of the BPF link; 0: none */
	__u64 cgroup_id; /* of the cgroup; that of the root: the whole system */
};

/* The attachments that a policy remembers. */
#define OOMX_PLACES 64

/* The part of the object both sides write while it is loaded. */
struct oomx_control {
	__u64 armed; /* 0: decline at once. Set by user space when all of the policy is loaded. */
	__u64 generation; /* counts configs; modulo their number, the slot of the one in force */
	__u64 handled;	  /* OOM events that ended in a kill or in waiting for one */
	__u64 declined;	  /* OOM events left to the parent or to the kernel */
	__u64 waited;	  /* how often all there was to do was to wait for an earlier victim */
	__u64 dropped;	  /* events lost because the ring buffer was full */
	/* Written by user space, for a process that adopts the policy: not every kernel tells. */
	struct oomx_place attached_to[OOMX_PLACES];
};

#endif
