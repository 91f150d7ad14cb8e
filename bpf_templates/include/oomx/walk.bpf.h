/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_WALK_BPF_H
#define OOMX_WALK_BPF_H

/*
 * The walk over the candidates: what would die as a whole, see candidate.h. The rails are part of
 * it: a policy never sees a candidate that must be spared, and the record says why it did not.
 */
#include <oomx/emit.bpf.h>
#include <oomx/judge.bpf.h>
#include <oomx/scope.bpf.h>

/* Does it die as a whole? Else it is part of what was met before, or above candidates. */
static __always_inline bool oomx_is_candidate(struct cgroup_subsys_state *css,
					      struct mem_cgroup *memcg, __u32 level)
{
	struct oomx_course *course = &oomx_course;
	__u32 below = level - course->scope_level;

	/* A leaf counts itself, and nothing else that is online. */
	if (css->online_cnt.counter == 1 || (level && memcg->oom_group) ||
	    (below && below == course->level)) {
		course->inside = level;
		return true;
	}
	return false;
}

/* How often one decision may go through the candidates; another walk finds nobody. */
#define OOMX_WALKS 4

/*
 * The next cgroup that may be killed, with a reference, or NULL at the end. Ends early when an
 * earlier victim is found dying: there is nothing to choose then.
 */
static __always_inline struct mem_cgroup *oomx_next_candidate(struct bpf_iter_css *it)
{
	struct oomx_course *course = &oomx_course;
	struct cgroup_subsys_state *css;

	oomx_note();
	if (course->dying || course->walks > OOMX_WALKS)
		return NULL;

	while ((css = bpf_iter_css_next(it))) {
		__u32 level = css->cgroup->level;
		struct mem_cgroup *memcg;
		__u32 verdict;

		/* An offline one counts nothing. */
		if (level > course->inside || !css->online_cnt.counter)
			continue;
		course->inside = ~0U;
		memcg = bpf_get_mem_cgroup(css);
		if (!memcg)
			continue;
		if (!oomx_is_candidate(css, memcg, level)) {
			bpf_put_mem_cgroup(memcg);
			continue;
		}
		if (course->met++ >= oomx_rails()->max_candidates)
			verdict = oomx_overlook(memcg);
		else
			verdict = oomx_judge(memcg);
		oomx_enter(memcg, verdict);
		if (course->walks > 1)
			oomx_entry.cgroup_id = 0;
		if (verdict == OOMX_VERDICT_CANDIDATE)
			return memcg;
		oomx_note();
		bpf_put_mem_cgroup(memcg);
		if (course->dying)
			return NULL;
	}
	return NULL;
}

static __always_inline struct bpf_iter_css *oomx_walk_start(struct oomx_scope *scope,
							    struct bpf_iter_css *it)
{
	oomx_course.inside = ~0U;
	oomx_course.met = 0;
	oomx_above.parent = 0;
	oomx_course.walks++;
	bpf_iter_css_new(it, &scope->root->css, BPF_CGROUP_ITER_DESCENDANTS_PRE);
	return it;
}

/*
 * for each cgroup of the scope that may be killed, parents before children's siblings as the
 * kernel's pre-order walk goes. `memcg` is held for one turn: oomx_replace() keeps it longer. Runs
 * under RCU: choose here, act after the loop. break, continue and return are all fine.
 */
#define oomx_for_each_candidate(scope, memcg)                                                      \
	for (oomx_rcu_section oomx_once_##memcg = oomx_rcu_enter(); oomx_once_##memcg;             \
	     oomx_once_##memcg = 0)                                                                \
		for (struct bpf_iter_css oomx_it_##memcg                                           \
		     __attribute__((cleanup(bpf_iter_css_destroy))),                               \
		     *oomx_on_##memcg = oomx_walk_start(scope, &oomx_it_##memcg);                  \
		     oomx_on_##memcg; oomx_on_##memcg = NULL)                                      \
			for (oomx_memcg_ref memcg = oomx_next_candidate(oomx_on_##memcg); memcg;   \
			     oomx_put_memcg(&memcg), memcg = oomx_next_candidate(oomx_on_##memcg))

#endif
