// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * largest_leaf: of the cgroups inside the OOM's scope, the one dies whole of which a kill gets the
 * most memory.
 *
 * Page cache does not count because the kernel takes it back without a kill. Shared memory counts
 * as far as processes of the cgroup have mapped it: a file in a tmpfs that nobody has mapped stays
 * when all are dead. A cgroup of which a kill gets less than min_usage is spared.
 */
#include <oomx/policy.bpf.h>

#include "largest_leaf.h"

OOMX_CONFIG(struct oomx_largest_leaf_config);

static __always_inline __u64 score(const struct oomx_candidate *c)
{
	return c->gain < config.min_usage ? OOMX_SPARE : c->gain;
}

OOMX_RANK_POLICY(largest_leaf, score, OOMX_READ_GAIN);
