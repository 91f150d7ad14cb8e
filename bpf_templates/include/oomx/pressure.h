/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_PRESSURE_H
#define OOMX_PRESSURE_H

/* What a pressure policy waits for, seen alike by BPF and C++. No padding. */
#include <linux/types.h>

#define OOMX_WATCHES 64

enum oomx_resource {
	OOMX_MEMORY = 0,
	OOMX_IO = 1,
	OOMX_CPU = 2,
};

enum oomx_share {
	OOMX_SOME = 0, /* time in which at least one task was stalled */
	OOMX_FULL = 1, /* time in which all that had anything to do were */
};

struct oomx_pressure {
	__u32 resource;	 /* enum oomx_resource */
	__u32 share;	 /* enum oomx_share */
	__u32 stall_us;	 /* an event is this much stall … */
	__u32 window_us; /* … within this time */
};

struct oomx_watch {
	__u64 cgroup_id; /* 0: the whole system */
	struct oomx_pressure pressure;
};

/* What every pressure policy's config starts with. */
struct oomx_watches {
	__u64 min_interval_ns; /* between two declarations of this policy; 0: none */
	__u32 mode;	       /* enum oomx_mode, oomx/config.h */
	__u32 max_renewed;     /* triggers, see oomx_triggers.renewed */
	__u32 count;
	__u32 reserved;
	struct oomx_watch watch[OOMX_WATCHES];
};

/*
 * How the triggers of the latest attach came out. A variable and not what init() returns: on a
 * kernel with the posted v2 an init() that fails after it has made a trigger leaves memory in use
 * that is freed.
 */
struct oomx_triggers {
	__s32 error;   /* negative errno, or 0 */
	__u32 failed;  /* which watch that was */
	__u64 renewed; /* triggers that fired their only time and were made anew */
	__u64 rearmed; /* not 0: triggers of this kernel fire more than once */
};

#endif
