/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_WALK_BPF_H
#define OOMX_WALK_BPF_H

/*
 * The walk over the candidates: what would die as a whole, see candidate.h. The rails are part of
 * it: a policy never sees a candidate that must be spared, and the record says why it did not.
 */
#include <oomx/collect.bpf.h>
#include <oomx/emit.bpf.h>
#include <oomx/rails.bpf.h>
#include <oomx/scope.bpf.h>

/* How often one decision may go through the candidates; another walk finds nobody. */
#define OOMX_WALKS 4

/*
 * Which one of the list, a copy in oomx_listed: false at the end. At max_tasks the walk goes on
 * without looking at processes; last of all comes the largest of those that a bound has left out.
 */
__weak __noinline bool oomx_take_listed(__u32 at)
{
	struct oomx_list *list = &oomx_list;

	if (at > list->count || at > OOMX_CANDIDATES)
		return false;
	if (at < list->count && at < OOMX_CANDIDATES) {
		oomx_listed = list->candidate[at];
		return true;
	}
	oomx_listed = list->largest_beyond;
	if (oomx_listed.cgroup_id && oomx_course.walks == 1)
		list->beyond--;
	oomx_course.tasks = 0;
	return oomx_listed.cgroup_id;
}

/* The budget is spent before this one of the list: is it left out? */
static __always_inline bool oomx_leave_out(__u32 at)
{
	struct oomx_list *list = &oomx_list;

	if (at >= list->count || oomx_course.tasks < oomx_rails()->max_tasks)
		return false;
	if (oomx_course.walks == 1)
		oomx_leave_beyond(&oomx_listed);
	return true;
}

/*
 * The candidate at this place of the list, with a reference, or NULL: it is spared, or gone, or
 * there is none. Ends the walk when an earlier victim is found dying: there is nothing to choose
 * then.
 */
static __always_inline struct mem_cgroup *oomx_candidate_at(__u32 at)
{
	struct oomx_course *course = &oomx_course;
	struct mem_cgroup *memcg;
	__u32 verdict;

	if (!oomx_take_listed(at)) {
		course->walking = 0;
		return NULL;
	}
	if (oomx_leave_out(at))
		return NULL;
	memcg = oomx_memcg_with(oomx_listed.cgroup_id);
	if (!memcg)
		return NULL;
	verdict = oomx_judge_listed(memcg);
	oomx_enter(oomx_listed.usage, verdict);
	if (course->walks > 1)
		oomx_entry.cgroup_id = 0;
	if (verdict == OOMX_VERDICT_CANDIDATE) {
		course->walking = 0; /* unless the policy comes to oomx_candidate_done() */
		return memcg;
	}
	oomx_note();
	bpf_put_mem_cgroup(memcg);
	if (course->dying)
		course->walking = 0;
	return NULL;
}

static __always_inline struct bpf_iter_num___oomx *oomx_walk_begin(struct oomx_scope *scope,
								   struct bpf_iter_num___oomx *it)
{
	struct oomx_course *course = &oomx_course;

	course->walks++;
	course->tasks = 0;
	course->walking = !course->dying && !oomx_record.victim && course->walks <= OOMX_WALKS;
	/* Later walks go through the same list, and the record counts those of the first. */
	if (course->walking && course->walks == 1)
		oomx_collect(scope->root);
	return oomx_numbers_begin(it, OOMX_CANDIDATES + 2);
}

static __always_inline int *oomx_walk_next(struct bpf_iter_num___oomx *it)
{
	return oomx_course.walking ? bpf_iter_num_next___oomx(it) : NULL;
}

/* The policy is done with a candidate. */
static __always_inline void oomx_candidate_done(struct mem_cgroup **memcg)
{
	oomx_note();
	oomx_put_memcg(memcg);
	*memcg = NULL;
	oomx_course.walking = !oomx_record.victim;
}

/*
 * for each cgroup of the scope that may be killed, parents before children's siblings as the
 * kernel's pre-order walk goes. `memcg` is held for one turn: oomx_replace() keeps it longer.
 * break, continue and return are all fine, and a kill ends the walk.
 */
#define oomx_for_each_candidate(scope, memcg)                                                      \
	for (struct bpf_iter_num___oomx oomx_it_##memcg                                            \
	     __attribute__((cleanup(bpf_iter_num_destroy___oomx))),                                \
	     *oomx_on_##memcg = oomx_walk_begin(scope, &oomx_it_##memcg);                          \
	     oomx_on_##memcg; oomx_on_##memcg = NULL)                                              \
		for (int *oomx_at_##memcg = oomx_walk_next(oomx_on_##memcg); oomx_at_##memcg;      \
		     oomx_at_##memcg = oomx_walk_next(oomx_on_##memcg))                            \
			for (oomx_memcg_ref memcg = oomx_candidate_at(*oomx_at_##memcg); memcg;    \
			     oomx_candidate_done(&memcg))

#endif
