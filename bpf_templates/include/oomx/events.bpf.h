/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_EVENTS_BPF_H
#define OOMX_EVENTS_BPF_H

/* The ring buffer that every record leaves through. */
#include <oomx/config.bpf.h>
#include <oomx/decision.h>
#include <oomx/kernel.bpf.h>

struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 256 * 1024);
} oomx_events SEC(".maps");

static __always_inline void oomx_emit(void *record, __u32 size)
{
	if (bpf_ringbuf_output(&oomx_events, record, size, 0))
		__sync_fetch_and_add(&oomx_control.dropped, 1);
}

/* A cgroup that the policy was attached to, or watched, has been removed. */
static __always_inline void oomx_emit_gone(__u64 cgroup_id, const char *policy, __u64 name_len)
{
	struct oomx_cgroup_gone gone = {
		.event = { OOMX_RECORD_VERSION, OOMX_EVENT_CGROUP_GONE, sizeof(gone) },
		.time_ns = bpf_ktime_get_ns(),
		.cgroup_id = cgroup_id,
	};

	__builtin_memcpy(gone.policy, policy, name_len);
	oomx_emit(&gone, sizeof(gone));
}

#endif
