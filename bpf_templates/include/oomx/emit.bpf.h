/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_EMIT_BPF_H
#define OOMX_EMIT_BPF_H

/*
 * The record of the decision under way.
 *
 * There is one record, not one a call: the kernel calls every OOM handler with oom_lock held
 * (mm/oom_kill.c), so no two decisions of one policy overlap, and a record would not fit the
 * 512-byte BPF stack.
 */
#include <oomx/decision.h>
#include <oomx/events.bpf.h>
#include <oomx/kernel.bpf.h>
#include <oomx/memcg.bpf.h>

static struct oomx_decision oomx_record = {};

/*
 * The cgroup at hand: part of the record as soon as its score is known. Without an id there is
 * none, or it is recorded already: what a policy sees in a second walk.
 */
static struct oomx_entry oomx_entry = {};

/* By score, then by usage, then by id: the order of the walk does not show. */
static __always_inline bool oomx_ranks_before(const struct oomx_entry *a,
					      const struct oomx_entry *b)
{
	if (a->score != b->score)
		return a->score > b->score;
	if (a->usage != b->usage)
		return a->usage > b->usage;
	return a->cgroup_id < b->cgroup_id;
}

/* Put an entry into a list that keeps the first `most` of them. */
static __always_inline __u32 oomx_insert(struct oomx_entry *list, __u32 count, __u32 most,
					 struct oomx_entry *entry)
{
	__u32 i;

	/* Of many candidates most are none of the first: not each is compared with all of them. */
	if (count == most && !oomx_ranks_before(entry, &list[most - 1]))
		return most;
	for (i = 0; i < most; i++) {
		if (i >= count) {
			list[i] = *entry;
			return i + 1;
		}
		if (oomx_ranks_before(entry, &list[i])) {
			struct oomx_entry next = list[i];

			list[i] = *entry;
			*entry = next;
		}
	}
	return most;
}

/*
 * The cgroup at hand is done with. Global, as the verifier looks at a global function once and not
 * at each place in a walk where it is called.
 */
__weak __noinline int oomx_note(void)
{
	struct oomx_decision *r = &oomx_record;
	struct oomx_entry *entry = &oomx_entry;
	__u32 verdict = entry->verdict;

	if (!entry->cgroup_id)
		return 0;
	r->considered++;
	if (verdict < OOMX_VERDICTS)
		r->verdicts[verdict]++;
	if (verdict == OOMX_VERDICT_CANDIDATE) {
		r->eligible++;
		r->top_count = oomx_insert(r->top, r->top_count, OOMX_TOP, entry);
	} else if (entry->usage ||
		   (verdict != OOMX_VERDICT_EMPTY && verdict != OOMX_VERDICT_OVER_BOUND)) {
		/* Who holds memory without a process says where it is. */
		r->spared_count = oomx_insert(r->spared, r->spared_count, OOMX_SPARED, entry);
	}
	entry->cgroup_id = 0;
	return 0;
}

/*
 * Does the record know that cgroup? It names the first ones only: who is not among them may be one
 * of the others, if there are any.
 */
__weak __noinline bool oomx_is_noted(__u64 cgroup_id)
{
	const struct oomx_decision *r = &oomx_record;
	__u32 i;

	for (i = 0; i < OOMX_TOP; i++)
		if (r->top[i].cgroup_id == cgroup_id)
			return true;
	for (i = 0; i < OOMX_SPARED; i++)
		if (r->spared[i].cgroup_id == cgroup_id)
			return true;
	return r->eligible > OOMX_TOP;
}

/* Change what the record says of a cgroup that it knows. */
__weak __noinline int oomx_renote(__u64 cgroup_id, __u32 verdict)
{
	struct oomx_decision *r = &oomx_record;
	__u32 was = OOMX_VERDICT_CANDIDATE;
	__u32 i;

	for (i = 0; i < OOMX_TOP; i++) {
		if (r->top[i].cgroup_id == cgroup_id) {
			r->top[i].verdict = verdict;
			r->victim_score = r->top[i].score;
		}
	}
	for (i = 0; i < OOMX_SPARED; i++) {
		if (r->spared[i].cgroup_id == cgroup_id) {
			was = r->spared[i].verdict;
			r->spared[i].verdict = verdict;
		}
	}
	if (was < OOMX_VERDICTS && verdict < OOMX_VERDICTS) {
		r->verdicts[was]--;
		r->verdicts[verdict]++;
	}
	return 0;
}

/* What the policy makes of the cgroup at hand: how much it should die. As long as nothing is said
 * that is its usage. */
static __always_inline void oomx_rate(__u64 score)
{
	oomx_entry.score = score;
}

/* The policy's own rule lets the cgroup at hand live. */
static __always_inline void oomx_spare(void)
{
	oomx_entry.score = OOMX_SPARE;
	oomx_entry.verdict = OOMX_VERDICT_SPARED_POLICY;
}

#endif
