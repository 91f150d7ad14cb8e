// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* refused: compiles, but no verifier accepts it: it reads through a reference that may be NULL. */
#include <oomx/policy.bpf.h>

#include "decliner.h"

OOMX_CONFIG(struct oomx_decliner_config);

static __always_inline int handle(struct oomx_scope *scope)
{
	struct mem_cgroup *memcg = scope->oc->memcg;

	return memcg->css.online_cnt.counter > 1 ? OOMX_DECLINED : OOMX_HANDLED;
}

OOMX_POLICY(refused, handle);
