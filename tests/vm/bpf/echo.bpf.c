// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* echo: the score of a candidate is one of its fields, and one more, so that nobody is spared. */
#include <oomx/policy.bpf.h>

#include "echo.h"

OOMX_CONFIG(struct oomx_echo_config);

static __always_inline __u64 of_candidate(const struct oomx_candidate *c)
{
	switch (config.field) {
	case OOMX_ECHO_PROCESSES:
		return c->processes;
	case OOMX_ECHO_DEPTH:
		return c->depth;
	case OOMX_ECHO_USAGE:
		return c->usage;
	case OOMX_ECHO_ANON:
		return c->anon;
	case OOMX_ECHO_FILE:
		return c->file;
	case OOMX_ECHO_SHMEM:
		return c->shmem;
	case OOMX_ECHO_KERNEL:
		return c->kernel;
	case OOMX_ECHO_SWAP:
		return c->swap;
	case OOMX_ECHO_HIGH:
		return c->high;
	case OOMX_ECHO_MAX:
		return c->max;
	case OOMX_ECHO_MIN:
		return c->min;
	case OOMX_ECHO_LOW:
		return c->low;
	case OOMX_ECHO_PROTECTION:
		return c->protection;
	case OOMX_ECHO_TIER:
		return c->tier;
	case OOMX_ECHO_PREFERENCE:
		return c->preference;
	case OOMX_ECHO_AGE:
		return c->age_ns;
	case OOMX_ECHO_OOM_GROUP:
		return c->oom_group;
	default:
		return c->process_score - 1;
	}
}

static __always_inline __u64 of_process(const struct oomx_process *p)
{
	switch (config.field) {
	case OOMX_ECHO_PROCESS_PID:
		return p->pid;
	case OOMX_ECHO_PROCESS_ADJ:
		return p->oom_score_adj;
	case OOMX_ECHO_PROCESS_RSS:
		return p->rss;
	case OOMX_ECHO_PROCESS_SWAP:
		return p->swap;
	case OOMX_ECHO_PROCESS_TABLES:
		return p->page_tables;
	case OOMX_ECHO_PROCESS_AGE:
		return p->age_ns;
	default:
		return p->scope_size;
	}
}

static __always_inline __u64 plus_one(__u64 field)
{
	return field == OOMX_NO_LIMIT ? field : field + 1;
}

static __always_inline __u64 score(const struct oomx_candidate *c)
{
	return plus_one(of_candidate(c));
}

static __always_inline __u64 process_score(const struct oomx_process *p)
{
	return plus_one(of_process(p));
}

OOMX_RANK_POLICY_BY_PROCESS(echo, score,
			    OOMX_READ_USAGE | OOMX_READ_STAT | OOMX_READ_SWAP | OOMX_READ_LIMITS |
				    OOMX_READ_PROTECTION | OOMX_READ_PREFERENCE | OOMX_READ_AGE,
			    process_score);
