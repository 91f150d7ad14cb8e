/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_PREFERENCE_H
#define OOMX_PREFERENCE_H

/*
 * What user space says of a cgroup and all below it, also of what comes later: the nearest one
 * upwards holds, but for never_kill, which no one below takes back.
 */
#include <linux/types.h>

/* How many cgroups can have one of their own. */
#define OOMX_PREFERENCES 4096

/* So far below the scope a cgroup inherits from all that are above it: see oomx_levels. */
#define OOMX_MAX_DEPTH 64

/* The highest tier: so many bits a score has for it, see oomx_score(). */
#define OOMX_MAX_TIER 0xffff

struct oomx_preference {
	__u32 tier;	  /* a policy's own meaning; for tiers.bpf.c: the highest dies first */
	__s32 preference; /* a policy's own meaning; as a rule -1000 to 1000, higher dies sooner */
	__u32 never_kill; /* 1: a rail, whatever the policy */
	__u32 reserved;
};

#endif
