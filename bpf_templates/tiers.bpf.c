// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * tiers: the least important first. A tier is a number that user space gives to a cgroup and all
 * below it (struct oomx_preference): those with the highest one die first, and nobody of tier 0,
 * which is everybody who was given none.
 *
 * Within a tier the one dies that is furthest over its protection, the larger of memory.min and
 * memory.low as far as the cgroups above it leave it that: who keeps to what was promised to it is
 * the last. Spared is who is over by less than
 * min_over, or not at all.
 */
#include <oomx/policy.bpf.h>

#include "tiers.h"

OOMX_CONFIG(struct oomx_tiers_config);

static __always_inline __u64 score(const struct oomx_candidate *c)
{
	__u64 over = oomx_over(c->usage, c->protection);

	if (!c->tier || !over || over < config.min_over)
		return OOMX_SPARE;
	return oomx_score(c->tier, over);
}

OOMX_RANK_POLICY(tiers, score, OOMX_READ_USAGE | OOMX_READ_PROTECTION | OOMX_READ_PREFERENCE);
