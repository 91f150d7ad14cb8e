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
 * Name a cgroup in the record, keeping the OOMX_TOP largest, largest first. Global, as the verifier
 * looks at a global function once and not at each place in a walk where it is called.
 */
__weak __noinline int oomx_note(__u64 cgroup_id, __u64 size, __u32 processes, __u32 verdict)
{
	struct oomx_decision *r = &oomx_record;
	struct oomx_entry entry = {
		.cgroup_id = cgroup_id,
		.size = size,
		.processes = processes,
		.verdict = verdict,
	};
	__u32 i;

	for (i = 0; i < OOMX_TOP; i++) {
		struct oomx_entry *at = &r->top[i];

		if (i >= r->top_count) {
			*at = entry;
			r->top_count = i + 1;
			break;
		}
		/* Equal sizes by id, so that the order of the walk does not show. */
		if (entry.size > at->size ||
		    (entry.size == at->size && entry.cgroup_id < at->cgroup_id)) {
			struct oomx_entry smaller = *at;

			*at = entry;
			entry = smaller;
		}
	}
	return 0;
}

/* Change what the record says of a cgroup it may already name. */
__weak __noinline int oomx_renote(__u64 cgroup_id, __u32 verdict)
{
	struct oomx_decision *r = &oomx_record;
	__u32 i;

	for (i = 0; i < OOMX_TOP; i++)
		if (r->top[i].cgroup_id == cgroup_id)
			r->top[i].verdict = verdict;
	return 0;
}

/* The policy's own rule lets this one live. */
static __always_inline void oomx_spare(struct mem_cgroup *leaf)
{
	oomx_record.eligible--;
	oomx_renote(oomx_memcg_id(leaf), OOMX_VERDICT_SPARED_POLICY);
}

#endif
