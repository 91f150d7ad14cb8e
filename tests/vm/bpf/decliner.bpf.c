// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* decliner: looks at every candidate, records what it saw, and leaves the OOM to the next one. */
#include <oomx/policy.bpf.h>

#include "decliner.h"

OOMX_CONFIG(struct oomx_decliner_config);

static __always_inline int handle(struct oomx_scope *scope)
{
	oomx_for_each_candidate(scope, candidate)
		;
	return OOMX_DECLINED;
}

OOMX_POLICY(decliner, handle);
