/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_COLLECT_BPF_H
#define OOMX_COLLECT_BPF_H

/*
 * The first half of a walk: a list of the cgroups of the scope that are candidates. It runs under
 * RCU and only reads: no references, no processes. The second half (walk.bpf.h) opens one candidate
 * after the other, outside of RCU. So no RCU section lasts as long as a decision, and the verifiers
 * of 6.12 and of 7.x accept the same code: that of 7.x lets nobody list the processes of a cgroup
 * under RCU.
 */
#include <oomx/emit.bpf.h>
#include <oomx/prefer.bpf.h>
#include <oomx/scope.bpf.h>

/* A decision goes through no more cgroups than this, candidates or not. */
#define OOMX_CGROUPS (1 << 17)

struct oomx_listed {
	__u64 cgroup_id;
	__u64 usage;	/* memory.current, bytes */
	__u64 min, low; /* effective, bytes or OOMX_NO_LIMIT: see oomx_effective() */
	struct oomx_preference preference;
	__u32 depth; /* below the scope */
	__u32 reserved;
};

struct oomx_list {
	__u32 count;  /* of candidates in the list */
	__u32 beyond; /* candidates that a bound leaves out: the record counts them */
	/*
	 * Of the candidates that a bound leaves out the one that holds most. It is looked at all
	 * the same: nobody is safe by standing behind many others.
	 */
	struct oomx_listed largest_beyond;
	struct oomx_listed candidate[OOMX_CANDIDATES];
};

OOMX_SCRATCH static struct oomx_list oomx_list = {};

/* The one of the list that the walk is at. */
static struct oomx_listed oomx_listed = {};

/* What the cgroups above the one at hand hand down, one a level below the scope. */
struct oomx_level {
	struct oomx_preference preference;
	__u64 min, low; /* effective, pages */
};

/*
 * From level OOMX_MAX_DEPTH on a cgroup has what it was given itself and what is on the last of
 * these levels; those between are left out.
 */
OOMX_SCRATCH static struct oomx_level oomx_levels[OOMX_MAX_DEPTH] = {};

/*
 * What a cgroup really has of its memory.min or memory.low, in pages: no more than it uses, and no
 * more than its share of what its parent really has. Where the hierarchy is mounted with
 * memory_recursiveprot, children share by their use what none of them claims. From
 * Documentation/admin-guide/cgroup-v2.rst and mm/page_counter.c.
 */
__weak __noinline __u64 oomx_effective(__u64 setting, __u64 usage, __u64 claimed,
				       __u64 parent_usage, __u64 parent_has)
{
	__u64 has = oomx_smaller(setting, usage);

	if (claimed > parent_has)
		return has * parent_has / claimed;
	if (oomx_course.recursive && parent_has > claimed && parent_usage > claimed && usage > has)
		has += (oomx_smaller(parent_has, parent_usage) - claimed) * (usage - has) /
		       (parent_usage - claimed);
	return has;
}

/* A child of the scope has what it was given: as in reclaim, the scope itself gives nothing. */
static __always_inline void oomx_protect(struct oomx_level *own, struct mem_cgroup *memcg,
					 struct mem_cgroup *parent, const struct oomx_level *above,
					 __u32 depth)
{
	__u64 usage = memcg->memory.usage.counter;
	__u64 parent_usage = parent->memory.usage.counter;

	own->min = memcg->memory.min;
	own->low = memcg->memory.low;
	if (depth < 2)
		return;
	own->min = oomx_effective(own->min, usage, parent->memory.children_min_usage.counter,
				  parent_usage, above->min);
	own->low = oomx_effective(own->low, usage, parent->memory.children_low_usage.counter,
				  parent_usage, above->low);
}

/* A bound leaves this one out. */
static __always_inline void oomx_leave_beyond(const struct oomx_listed *found)
{
	oomx_list.beyond++;
	if (!oomx_list.largest_beyond.cgroup_id || found->usage > oomx_list.largest_beyond.usage)
		oomx_list.largest_beyond = *found;
}

static __always_inline void oomx_list_add(const struct oomx_listed *found)
{
	__u32 at = oomx_list.count;

	if (at < OOMX_CANDIDATES && at < oomx_rails()->max_candidates) {
		oomx_list.candidate[at] = *found;
		oomx_list.count = at + 1;
		return;
	}
	oomx_leave_beyond(found);
}

/* Does it die as a whole? Else it is above candidates. A leaf counts itself and nobody else. */
static __always_inline bool oomx_is_candidate(struct cgroup_subsys_state *css,
					      struct mem_cgroup *memcg, __u32 level, __u32 depth)
{
	return css->online_cnt.counter == 1 || (level && memcg->oom_group) ||
	       (depth && depth == oomx_course.level);
}

/* One cgroup of the scope. */
__weak __noinline int oomx_collect_one(struct cgroup_subsys_state *css __arg_trusted)
{
	struct mem_cgroup *memcg = oomx_memcg_of(css);
	struct oomx_course *course = &oomx_course;
	__u32 level = css->cgroup->level;
	__u32 depth = level - course->scope_level;
	__u32 up = depth ? depth - 1 : 0;
	struct oomx_listed found = {
		.cgroup_id = css->cgroup->kn->id,
		.usage = oomx_bytes(memcg->memory.usage.counter),
		.depth = depth,
	};
	const struct oomx_preference *said;
	const struct oomx_level *above;
	struct oomx_level own = {};

	/* Part of the candidate before; or offline, which counts nothing. */
	if (level > course->inside || !css->online_cnt.counter)
		return 0;
	course->inside = ~0U;

	above = &oomx_levels[up < OOMX_MAX_DEPTH ? up : OOMX_MAX_DEPTH - 1];
	if (!depth) {
		own.preference = course->preference;
	} else {
		said = oomx_said_of(found.cgroup_id);
		if (said)
			own.preference = *said;
		oomx_inherit(&own.preference, &above->preference, said);
	}
	if (depth && oomx_reads(OOMX_READ_PROTECTION))
		oomx_protect(&own, memcg, oomx_memcg_of(css->parent), above, depth);

	if (oomx_is_candidate(css, memcg, level, depth)) {
		course->inside = level;
		found.preference = own.preference;
		found.min = oomx_limit(own.min);
		found.low = oomx_limit(own.low);
		oomx_list_add(&found);
	} else if (depth < OOMX_MAX_DEPTH) {
		oomx_levels[depth] = own;
	}
	return 0;
}

__weak __noinline int oomx_collect(struct mem_cgroup *scope __arg_trusted)
{
	oomx_rcu_section rcu = oomx_rcu_enter();
	struct cgroup_subsys_state *css;
	oomx_memcg_iter it;

	oomx_course.inside = ~0U;
	oomx_course.cgroups = 0;
	oomx_list.count = oomx_list.beyond = 0;
	oomx_list.largest_beyond.cgroup_id = 0;
	bpf_iter_css_new(&it, &scope->css, BPF_CGROUP_ITER_DESCENDANTS_PRE);
	while ((css = bpf_iter_css_next(&it))) {
		if (oomx_course.cgroups++ >= OOMX_CGROUPS)
			break;
		oomx_collect_one(css);
	}
	return 0;
}

#endif
