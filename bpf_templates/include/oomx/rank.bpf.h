/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_RANK_BPF_H
#define OOMX_RANK_BPF_H

/*
 * A policy that is one pure function: which of two candidates dies first. It writes
 *
 *	static __always_inline __u64 score(const struct oomx_candidate *c);
 *
 *	OOMX_CONFIG(struct my_config);
 *	OOMX_RANK_POLICY(name, score, OOMX_READ_USAGE | OOMX_READ_PREFERENCE);
 *
 * and the candidate with the highest score dies, none whose score is OOMX_SPARE. Of equal ones the
 * one with the higher usage dies, of these the one with the lower cgroup id. The second member of
 * the config is a struct oomx_ranking named ranking. The last argument names what score() reads.
 *
 * One that ranks processes as well adds a function, and OOMX_SPARE means the same there:
 *
 *	static __always_inline __u64 process_score(const struct oomx_process *p);
 *
 *	OOMX_RANK_POLICY_BY_PROCESS(name, score, reads, process_score);
 *
 * If the config says OOMX_PROCESS the process of the chosen candidate dies that has the highest
 * score; without such a function that is what it holds in memory and in swap. Of equal ones the one
 * with more in memory is first, of these the one with the lower pid.
 */
#include <oomx/kill.bpf.h>
#include <oomx/memcg.bpf.h>
#include <oomx/walk.bpf.h>

/* Fill in what is read of the candidate at hand. The compiler knows `reads`: the rest is no code.
 */
static __always_inline void oomx_read(struct oomx_candidate *c, struct mem_cgroup *memcg,
				      __u32 reads)
{
	const struct oomx_listed *listed = &oomx_listed;
	const struct oomx_look *look = &oomx_look;
	__u64 file = 0;
	__u64 shmem = 0;

	c->cgroup_id = look->cgroup_id;
	c->processes = look->processes;
	c->depth = listed->depth;
	c->process_score = look->first.score;
	c->oom_group = memcg->oom_group;
	if (reads & OOMX_READ_USAGE)
		c->usage = listed->usage;
	if (reads & OOMX_READ_ANON)
		c->anon =
			oomx_stat(memcg, bpf_core_enum_value(enum node_stat_item, NR_ANON_MAPPED));
	if (reads & (OOMX_READ_FILE | OOMX_READ_GAIN))
		file = oomx_stat(memcg, bpf_core_enum_value(enum node_stat_item, NR_FILE_PAGES));
	if (reads & (OOMX_READ_SHMEM | OOMX_READ_GAIN))
		shmem = oomx_stat(memcg, bpf_core_enum_value(enum node_stat_item, NR_SHMEM));
	if (reads & OOMX_READ_FILE)
		c->file = file;
	if (reads & OOMX_READ_SHMEM)
		c->shmem = shmem;
	if (reads & OOMX_READ_GAIN)
		c->gain = oomx_held_by_candidate(listed->usage, file, shmem);
	if (reads & OOMX_READ_KERNEL)
		c->kernel = oomx_stat(memcg, bpf_core_enum_value(enum memcg_stat_item, MEMCG_KMEM));
	if (reads & OOMX_READ_SWAP)
		c->swap = oomx_bytes(memcg->swap.usage.counter);
	if (reads & OOMX_READ_LIMITS) {
		c->high = oomx_limit(memcg->memory.high);
		c->max = oomx_limit(memcg->memory.max);
	}
	if (reads & OOMX_READ_PROTECTION) {
		c->min = listed->min;
		c->low = listed->low;
		c->protection = c->min > c->low ? c->min : c->low;
	}
	if (reads & OOMX_READ_PREFERENCE) {
		c->tier = oomx_entry.tier;
		c->preference = oomx_entry.preference;
	}
	if (reads & OOMX_READ_AGE)
		c->age_ns = oomx_over(oomx_record.time_ns, look->since);
}

/* Strict priority first: of two candidates the one with the higher tier, then the larger one. */
static __always_inline __u64 oomx_score(__u32 tier, __u64 size)
{
	const __u64 most = (1ULL << 48) - 1; /* 256 TiB */

	return ((__u64)(tier > OOMX_MAX_TIER ? OOMX_MAX_TIER : tier) << 48) |
	       (size > most ? most : size);
}

static __always_inline void oomx_rank_begin(const struct oomx_ranking *ranking)
{
	oomx_course.level = ranking->level;
	oomx_course.granularity = oomx_record.granularity = ranking->granularity;
}

static __always_inline int oomx_rank_end(struct oomx_scope *scope)
{
	struct oomx_decision *r = &oomx_record;
	oomx_memcg_ref victim = r->top_count ? oomx_memcg_with(r->top[0].cgroup_id) : NULL;

	if (!victim)
		return OOMX_DECLINED;
	return r->granularity == OOMX_PROCESS ? oomx_kill_process(scope, victim, 0)
					      : oomx_kill_cgroup(scope, victim);
}

#define OOMX_RANK_POLICY_(policy_name, score, reads)                                               \
	static __always_inline bool oomx_reads(__u32 what)                                         \
	{                                                                                          \
		return (reads) & what;                                                             \
	}                                                                                          \
	static __always_inline int oomx_rank(struct oomx_scope *scope)                             \
	{                                                                                          \
		oomx_rank_begin(&config.ranking);                                                  \
		oomx_for_each_candidate(scope, memcg) {                                            \
			struct oomx_candidate candidate = {};                                      \
			__u64 points;                                                              \
                                                                                                   \
			oomx_read(&candidate, memcg, reads);                                       \
			points = score(&candidate);                                                \
			if (points == OOMX_SPARE)                                                  \
				oomx_spare();                                                      \
			else                                                                       \
				oomx_rate(points);                                                 \
		}                                                                                  \
		return oomx_rank_end(scope);                                                       \
	}                                                                                          \
	OOMX_POLICY_(policy_name, oomx_rank)

#define OOMX_RANK_POLICY(policy_name, score, reads)                                                \
	static __always_inline bool oomx_ranks_processes(void)                                     \
	{                                                                                          \
		return config.ranking.granularity == OOMX_PROCESS;                                 \
	}                                                                                          \
	static __always_inline __u64 oomx_process_score(const struct oomx_process *process)        \
	{                                                                                          \
		return oomx_held(process);                                                         \
	}                                                                                          \
	OOMX_RANK_POLICY_(policy_name, score, reads)

#define OOMX_RANK_POLICY_BY_PROCESS(policy_name, score, reads, process_score)                      \
	static __always_inline bool oomx_ranks_processes(void)                                     \
	{                                                                                          \
		return true;                                                                       \
	}                                                                                          \
	static __always_inline __u64 oomx_process_score(const struct oomx_process *process)        \
	{                                                                                          \
		return process_score(process);                                                     \
	}                                                                                          \
	OOMX_RANK_POLICY_(policy_name, score, reads)

#endif
