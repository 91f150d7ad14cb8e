// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* hostile: ignores what the walk offers, and claims every OOM whatever came of it. */
#include <oomx/policy.bpf.h>

#include "hostile.h"

OOMX_CONFIG(struct oomx_hostile_config);

static __always_inline int handle(struct oomx_scope *scope)
{
	oomx_memcg_ref target = oomx_memcg_with(config.target);
	oomx_memcg_ref second = oomx_memcg_with(config.second);

	if (config.how == OOMX_HOSTILE_LOOK) {
		oomx_for_each_number(i, 1000000) {
			oomx_for_each_candidate(scope, candidate)
				;
		}
		return OOMX_HANDLED;
	}
	if (config.how == OOMX_HOSTILE_LEAVE) {
		oomx_for_each_candidate(scope, candidate)
			;
		oomx_for_each_candidate(scope, candidate)
			break;
		return OOMX_HANDLED;
	}
	if (config.how == OOMX_HOSTILE_CLAIM || !target)
		return OOMX_HANDLED;
	if (config.how == OOMX_HOSTILE_KILL_ONE) {
		oomx_kill_process(scope, target, config.pid);
		return OOMX_HANDLED;
	}
	if (config.how == OOMX_HOSTILE_STRAY) {
		oomx_for_each_candidate(scope, candidate)
			oomx_spare();
	}
	oomx_kill_cgroup(scope, target);
	if (config.how == OOMX_HOSTILE_KILL_AGAIN && second)
		oomx_kill_cgroup(scope, second);
	return OOMX_HANDLED;
}

OOMX_POLICY(hostile, handle);
