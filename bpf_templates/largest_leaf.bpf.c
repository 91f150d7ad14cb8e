// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * largest_leaf: of the cgroups inside the OOM's scope, the one that holds the most memory besides
 * page cache dies whole.
 *
 * Page cache does not count because the kernel gives it back without a kill. Shared memory does,
 * though the kernel calls it file: it has no file to go back to. Spared is who holds less than
 * min_usage.
 */
#include <oomx/policy.bpf.h>

#include "largest_leaf.h"

OOMX_CONFIG(struct oomx_largest_leaf_config);

static __always_inline __u64 score(const struct oomx_candidate *c)
{
	__u64 size = oomx_without_cache(c->usage, c->file, c->shmem);

	return size < config.min_usage ? OOMX_SPARE : size;
}

OOMX_RANK_POLICY(largest_leaf, score, OOMX_READ_USAGE | OOMX_READ_FILE | OOMX_READ_SHMEM);
