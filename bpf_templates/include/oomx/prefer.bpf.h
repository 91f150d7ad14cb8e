/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_PREFER_BPF_H
#define OOMX_PREFER_BPF_H

/* What user space said of cgroups, and what of it holds for one of them. */
#include <oomx/memcg.bpf.h>
#include <oomx/preference.h>
#include <oomx/scope.bpf.h>

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, OOMX_PREFERENCES);
	__type(key, __u64); /* cgroup id */
	__type(value, struct oomx_preference);
} oomx_preferences SEC(".maps");

/*
 * No hierarchy is searched further up than this: who is deeper below the scope is not known to be
 * inside, and lives. The walk itself comes from above and has no such bound.
 */
#define OOMX_ANCESTORS 8192

struct oomx_ancestry {
	struct oomx_preference preference;
	__u32 in_scope; /* 1: the scope is the cgroup itself or one above it */
	__u32 reserved;
};

static struct oomx_ancestry oomx_ancestry = {};

/* The nearest one upwards holds, but for never_kill, which no one below takes back. */
static __always_inline void oomx_inherit(struct oomx_preference *to,
					 const struct oomx_preference *from, bool found)
{
	__u32 never_kill = to->never_kill | from->never_kill;

	if (!found)
		*to = *from;
	to->never_kill = never_kill;
}

static __always_inline struct oomx_preference *oomx_said_of(__u64 cgroup_id)
{
	return bpf_map_lookup_elem(&oomx_preferences, &cgroup_id);
}

/*
 * Go up from a cgroup to the scope, or past it to the root, into oomx_ancestry. Global, as the
 * verifier looks at a global function once and not at each place where it is called.
 */
__weak __noinline bool oomx_look_up(struct mem_cgroup *memcg __arg_trusted)
{
	struct cgroup_subsys_state *css = &memcg->css;
	const struct oomx_course *course = &oomx_course;
	struct oomx_ancestry *found = &oomx_ancestry;
	bool some = false;

	found->preference = (struct oomx_preference){};
	found->in_scope = 0;
	oomx_for_each_number(i, OOMX_ANCESTORS) {
		const struct oomx_preference *said;
		__u64 id;

		if (!css)
			break;
		id = css->cgroup->kn->id;
		if (id == course->scope_id) {
			oomx_inherit(&found->preference, &course->preference, some);
			found->in_scope = 1;
			break;
		}
		said = oomx_said_of(id);
		if (said) {
			oomx_inherit(&found->preference, said, some);
			some = true;
		}
		css = css->parent;
	}
	return found->in_scope;
}

/* What holds for the scope, and so for all of it. */
static __always_inline void oomx_look_at_scope(struct mem_cgroup *scope)
{
	struct oomx_course *course = &oomx_course;

	course->scope_id = 0; /* to look past it, up to the root */
	oomx_look_up(scope);
	course->preference = oomx_ancestry.preference;
	course->scope_id = oomx_memcg_id(scope);
}

#endif
