// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* kills_in_walk: kills the first candidate that may die, inside the walk, which ends there. */
#include <oomx/policy.bpf.h>

#include "decliner.h"

OOMX_CONFIG(struct oomx_decliner_config);

static __always_inline int handle(struct oomx_scope *scope)
{
	oomx_for_each_candidate(scope, candidate) {
		if (oomx_kill_cgroup(scope, candidate) == OOMX_HANDLED)
			return OOMX_HANDLED;
	}
	return OOMX_DECLINED;
}

OOMX_POLICY(kills_in_walk, handle);
