/* SPDX-License-Identifier: GPL-2.0-only */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM psi

#if !defined(_TRACE_PSI_H) || defined(TRACE_HEADER_MULTI_READ)
#define _TRACE_PSI_H

#include <linux/psi_types.h>
#include <linux/tracepoint.h>

/* The averages of a group have been brought up to date. */
TRACE_EVENT(psi_avgs_work,

	TP_PROTO(struct psi_group *group),

	TP_ARGS(group),

	TP_STRUCT__entry(
		__field(u64, cgroup_id)
	),

	TP_fast_assign(
		__entry->cgroup_id = group->cgroup_id;
	),

	TP_printk("cgroup_id=%llu", __entry->cgroup_id)
);

#endif /* _TRACE_PSI_H */

/* This part must be outside protection */
#include <trace/define_trace.h>
