// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* tenant: one cgroup may die, named by its id; every other one is left to the kernel. */
#include <oomx/policy.bpf.h>

#include "tenant.h"

OOMX_CONFIG(struct tenant_config);

static __always_inline int handle(struct oomx_scope *scope)
{
	oomx_memcg_ref victim = NULL;

	oomx_for_each_candidate(scope, leaf)
		if (oomx_memcg_id(leaf) == config.cgroup_id)
			oomx_replace(&victim, leaf);
	return victim ? oomx_kill_cgroup(scope, victim) : OOMX_DECLINED;
}

OOMX_POLICY(tenant, handle);
