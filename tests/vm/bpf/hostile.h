/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_TEST_HOSTILE_H
#define OOMX_TEST_HOSTILE_H

#include <oomx/config.h>

enum oomx_hostile_how {
	OOMX_HOSTILE_KILL = 0,	     /* a cgroup of its choice, whole */
	OOMX_HOSTILE_KILL_ONE = 1,   /* a process of it */
	OOMX_HOSTILE_KILL_AGAIN = 2, /* that one, and then another */
	OOMX_HOSTILE_CLAIM = 3,	     /* nobody, and say that it is handled */
	OOMX_HOSTILE_STRAY = 4,	     /* spare all the walk offers, and kill that cgroup */
	OOMX_HOSTILE_LOOK = 5,	     /* go through the candidates for ever */
	OOMX_HOSTILE_LEAVE = 6,	     /* look at all, then begin anew and stop at the first */
};

struct oomx_hostile_config {
	struct oomx_rails rails;
	__u64 target; /* cgroup id */
	__u64 second; /* cgroup id */
	__u32 how;    /* enum oomx_hostile_how */
	__s32 pid;    /* for OOMX_HOSTILE_KILL_ONE */
};

#endif
