// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * largest_leaf: of the leaf cgroups inside the OOM's scope, the one that holds the most memory
 * besides page cache dies whole.
 *
 * Spared are leaves that hold a process with oom_score_adj -1000 (the rails see to that) and
 * leaves below min_usage. Of two equally large ones the one with the lower cgroup id dies, so
 * that the order of the walk does not matter.
 */
#include <oomx/policy.bpf.h>

#include "largest_leaf.h"

OOMX_CONFIG(struct oomx_largest_leaf_config);

static __always_inline int handle(struct oomx_scope *scope)
{
	oomx_memcg_ref victim = NULL;
	__u64 largest = 0;

	oomx_for_each_leaf(scope, leaf) {
		__u64 size = oomx_leaf_size(scope);

		if (size < config.min_usage) {
			oomx_spare(leaf);
			continue;
		}
		if (size > largest ||
		    (size == largest && oomx_memcg_id(leaf) < oomx_memcg_id(victim))) {
			largest = size;
			oomx_replace(&victim, leaf);
		}
	}
	return victim ? oomx_kill_cgroup(scope, victim) : OOMX_DECLINED;
}

OOMX_POLICY(largest_leaf, handle);
