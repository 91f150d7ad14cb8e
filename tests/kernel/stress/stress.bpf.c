// SPDX-License-Identifier: GPL-2.0-only
/* Policies for the stress test: good, useless, lying and redundant. */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char _license[] SEC("license") = "GPL";

extern int bpf_oom_kill_process(struct oom_control *oc, struct task_struct *task,
				const char *message__str) __ksym;
extern struct mem_cgroup *bpf_get_mem_cgroup(struct cgroup_subsys_state *css) __ksym;
extern void bpf_put_mem_cgroup(struct mem_cgroup *memcg) __ksym;
extern int bpf_iter_css_task_new(struct bpf_iter_css_task *it, struct cgroup_subsys_state *css,
				 unsigned int flags) __ksym;
extern struct task_struct *bpf_iter_css_task_next(struct bpf_iter_css_task *it) __ksym;
extern void bpf_iter_css_task_destroy(struct bpf_iter_css_task *it) __ksym;
extern int bpf_psi_create_trigger(struct bpf_psi *bpf_psi, u64 cgroup_id, u32 resource,
				  u32 threshold_us, u32 window_us) __ksym;

/* Calls of handlers, kills, callbacks. */
u64 called, killed, offlines, events, onlines, triggers, trigger_errors;
/* Triggers that init() makes, and for which cgroup. */
u64 many, trigger_cgroup;

static int kill_all(struct oom_control *oc, bool twice)
{
	struct mem_cgroup *memcg = oc->memcg;
	struct task_struct *task;
	int n = 0;

	if (!memcg)
		return 0;
	bpf_for_each(css_task, task, &memcg->css, CSS_TASK_ITER_PROCS) {
		if (!bpf_oom_kill_process(oc, task, "stress"))
			n++;
		if (twice)
			bpf_oom_kill_process(oc, task, "again");
	}
	__sync_fetch_and_add(&killed, n);
	return n;
}

#define POLICY(x, body)								\
SEC("struct_ops.s/handle_out_of_memory")						\
int BPF_PROG(oom_##x, struct bpf_oom_ctx *octx, struct oom_control *oc)		\
{											\
	__sync_fetch_and_add(&called, 1);						\
	body										\
}											\
SEC("struct_ops.s/handle_cgroup_offline")						\
int BPF_PROG(offline_##x, struct bpf_oom_ctx *octx, u64 id)				\
{											\
	__sync_fetch_and_add(&offlines, 1);						\
	return 0;									\
}											\
SEC(".struct_ops.link")									\
struct bpf_oom_ops ops_##x = {							\
	.handle_out_of_memory = (void *)oom_##x,					\
	.handle_cgroup_offline = (void *)offline_##x,				\
	.name = #x,									\
};

POLICY(kills, return kill_all(oc, false);)
POLICY(declines, return 0;)
POLICY(claims, return 1;)
POLICY(twice, return kill_all(oc, true);)

static int create(struct bpf_psi *psi, u64 id, u32 window)
{
	int err = bpf_psi_create_trigger(psi, id, PSI_MEM, 1000, window);

	__sync_fetch_and_add(err ? &trigger_errors : &triggers, 1);
	return err;
}

SEC("struct_ops.s/init")
int BPF_PROG(psi_init, struct bpf_psi *psi)
{
	int i;

	/* That cgroup may be gone: then fail, half way through. */
	bpf_for(i, 0, many)
		if (create(psi, i % 2 ? trigger_cgroup : 0, 100000 + i * 1000))
			return -1;
	return 0;
}

SEC("struct_ops.s/handle_psi_event")
int BPF_PROG(psi_event, struct bpf_psi *psi, struct psi_trigger *t)
{
	__sync_fetch_and_add(&events, 1);
	return 0;
}

SEC("struct_ops.s/handle_cgroup_online")
int BPF_PROG(psi_online, struct bpf_psi *psi, u64 id)
{
	__sync_fetch_and_add(&onlines, 1);
	create(psi, id, 100000);
	return 0;
}

SEC("struct_ops.s/handle_cgroup_offline")
int BPF_PROG(psi_offline, struct bpf_psi *psi, u64 id)
{
	__sync_fetch_and_add(&offlines, 1);
	return 0;
}

SEC(".struct_ops.link")
struct bpf_psi_ops psi_ops = {
	.init = (void *)psi_init,
	.handle_psi_event = (void *)psi_event,
	.handle_cgroup_online = (void *)psi_online,
	.handle_cgroup_offline = (void *)psi_offline,
};
