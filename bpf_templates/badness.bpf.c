// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * badness: the kernel's own rule (mm/oom_kill.c, oom_badness()), inside the OOM's scope and within
 * the rails.
 *
 * A process is as bad as it holds pages: in memory, in swap and in page tables; oom_score_adj adds
 * or takes away so many thousandths of what the scope may hold. A process that says that it is
 * about to take much memory, as in swapoff(), is worse than all others. The worst process dies, and
 * with it its memory.oom.group; with granularity cgroup all that share its cgroup. Unlike the
 * kernel's, no two are ever equally bad: then the one with more in memory dies, then the one with
 * the lower pid; of two cgroups with equal worst processes the one with the higher usage.
 */
#include <oomx/policy.bpf.h>

#include "badness.h"

OOMX_CONFIG(struct oomx_badness_config);

/*
 * Scores are in KiB, of which a page is some and the largest limit is 2^53. A good process is below
 * zero, but may die if there is none worse: scores are counted from here.
 */
#define ZERO  (1LL << 62)
#define WORST (~0ULL)

static __always_inline __u64 process_score(const struct oomx_process *p)
{
	__s64 size = (p->rss + p->swap + p->page_tables) >> 10;

	if (p->oom_flag_origin)
		return WORST;
	/* Whole pages, as the kernel divides those; not for all, as a division takes long. */
	if (p->oom_score_adj)
		size += p->oom_score_adj *
			(__s64)(oomx_bytes(oomx_pages(p->scope_size) / 1000) >> 10);
	return ZERO + size;
}

static __always_inline __u64 score(const struct oomx_candidate *c)
{
	return c->process_score;
}

OOMX_RANK_POLICY_BY_PROCESS(badness, score, 0, process_score);
