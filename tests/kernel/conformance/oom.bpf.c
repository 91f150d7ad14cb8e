// SPDX-License-Identifier: GPL-2.0-only
/* OOM handlers that do what the test says and note what they saw. */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "shared.h"

char _license[] SEC("license") = "GPL";

extern struct mem_cgroup *bpf_get_root_mem_cgroup(void) __ksym;
extern void bpf_mem_cgroup_flush_stats(struct mem_cgroup *memcg) __ksym;
extern void bpf_put_mem_cgroup(struct mem_cgroup *memcg) __ksym;
extern int bpf_oom_kill_process(struct oom_control *oc, struct task_struct *task,
				const char *message__str) __ksym;
extern bool bpf_task_is_oom_victim(struct task_struct *task) __ksym;
extern int bpf_iter_css_task_new(struct bpf_iter_css_task *it, struct cgroup_subsys_state *css,
				 unsigned int flags) __ksym;
extern struct task_struct *bpf_iter_css_task_next(struct bpf_iter_css_task *it) __ksym;
extern void bpf_iter_css_task_destroy(struct bpf_iter_css_task *it) __ksym;
extern struct task_struct *bpf_task_from_pid(s32 pid) __ksym;
extern void bpf_task_release(struct task_struct *p) __ksym;

struct oom_seen a, b, c, d;
struct oom_path path;
n64 sequence;

/* What v3 calls otherwise. */
#ifndef V3
#define POLICY_NAME(oc) (oc)->bpf_policy_name
#else
#define POLICY_NAME(oc) (oc)->bpf_handler_name
#endif

#define GFP_FS (1ULL << ___GFP_FS_BIT)

/* ---- on the way to a handler ---- */

extern const void oom_notify_list __ksym;

SEC("?fentry/blocking_notifier_call_chain")
int BPF_PROG(notifiers, void *list)
{
	if (list == &oom_notify_list)
		__sync_fetch_and_add(&path.notifications, 1);
	return 0;
}

SEC("?fentry/out_of_memory")
int BPF_PROG(entries, struct oom_control *oc)
{
	if (!oc->memcg && !(oc->gfp_mask & GFP_FS))
		__sync_fetch_and_add(&path.entered_without_fs, 1);
	return 0;
}

SEC("?tp_btf/mark_victim")
int BPF_PROG(victims, struct task_struct *task)
{
	if (task->pid == path.task)
		__sync_fetch_and_add(&path.victims, 1);
	return 0;
}

/* ---- the handlers ---- */

struct spin {
	volatile n64 *go_on;
};

static int spin_once(u32 i, void *arg)
{
	struct spin *spin = arg;

	return *spin->go_on ? 1 : 0;
}

/*
 * Take time until told to go on. Bounded, so that a test that dies does not
 * keep locks; with a call that yields the CPU, as there may be no preemption.
 */
static void spin(n64 *go_on)
{
	struct mem_cgroup *root = bpf_get_root_mem_cgroup();
	struct spin spin = { go_on };
	n64 end = bpf_ktime_get_ns() + 30000000000ULL;
	int i;

	if (!root)
		return;
	bpf_for(i, 0, 1 << 20) {
		if (bpf_loop(1 << 14, spin_once, &spin, 0) < 1 << 14 || bpf_ktime_get_ns() > end)
			break;
		bpf_mem_cgroup_flush_stats(root);
	}
	bpf_put_mem_cgroup(root);
}

static int handle(struct oom_seen *s, n64 attached_to, struct oom_control *oc)
{
	struct mem_cgroup *memcg = oc->memcg;
	struct task_struct *task;
	n64 action = s->action;
	i64 result = 1, second_result = 1;
	bool claims = action == CLAIM || action == KILL_VICTIM || action == KILL_TWICE ||
		      action == WALK_AND_KILL;

	if (!s->calls)
		path.notifications_first = path.notifications;
	if (!memcg && !(oc->gfp_mask & GFP_FS))
		__sync_fetch_and_add(&path.handled_without_fs, 1);
	if ((u32)bpf_get_current_pid_tgid() == path.task)
		__sync_fetch_and_add(&path.handled, 1);
	s->ctx_id = attached_to;
	s->memcg_id = memcg ? memcg->css.cgroup->kn->id : 0;
	s->order = oc->order;
	s->gfp_mask = oc->gfp_mask;
	s->totalpages = oc->totalpages;
	s->constraint = oc->constraint;
	s->nodes = oc->nodemask ? oc->nodemask->bits[0] : 0;
	s->freed_before = oc->bpf_memory_freed;
	s->sequence = __sync_add_and_fetch(&sequence, 1);
	bpf_probe_read_kernel_str(s->name, sizeof(s->name), POLICY_NAME(oc));

	if (action == SPIN) {
		__sync_fetch_and_add(&s->passed_on, 1);
		__sync_fetch_and_add(&s->calls, 1);
		spin(&s->go_on);
		return 0;
	}

	if (action == WALK_AND_KILL && memcg && !s->calls)
		bpf_for_each(css_task, task, &memcg->css, 0)
			s->walked++;
	if (action >= KILL_VICTIM) {
		task = bpf_task_from_pid(s->victim);
		if (task) {
			if (!s->calls)
				s->victim_before = bpf_task_is_oom_victim(task);
			result = bpf_oom_kill_process(oc, task, "conformance");
			s->victim_after = bpf_task_is_oom_victim(task);
			if (action == KILL_TWICE)
				second_result = bpf_oom_kill_process(oc, task, "again");
			bpf_task_release(task);
		}
	}
	if (!s->calls) {
		s->result = result;
		s->second_result = second_result;
		s->freed_after = oc->bpf_memory_freed;
	}
	if (!claims || result)
		__sync_fetch_and_add(&s->passed_on, 1);
	__sync_fetch_and_add(&s->calls, 1);
	return claims;
}

#ifndef V3
#define HANDLER(x)									\
SEC("?struct_ops.s/handle_out_of_memory")						\
int BPF_PROG(oom_##x, struct bpf_oom_ctx *octx, struct oom_control *oc)			\
{											\
	return handle(&x, octx->cgroup_id, oc);							\
}											\
SEC("?struct_ops.s/handle_cgroup_offline")						\
int BPF_PROG(offline_##x, struct bpf_oom_ctx *octx, u64 id)				\
{											\
	x.offline_ctx_id = octx->cgroup_id;						\
	x.offline_id = id;								\
	__sync_fetch_and_add(&x.offline_calls, 1);					\
	if (x.action == SPIN)								\
		spin(&x.go_on);								\
	return 0;									\
}											\
SEC("?.struct_ops.link")								\
struct bpf_oom_ops ops_##x = {								\
	.handle_out_of_memory = (void *)oom_##x,					\
	.handle_cgroup_offline = (void *)offline_##x,					\
	.name = "policy_" #x,								\
};
#else
#define HANDLER(x)									\
SEC("?struct_ops.s/handle_out_of_memory")						\
int BPF_PROG(oom_##x, struct oom_control *oc, struct bpf_struct_ops_link *link)		\
{											\
	return handle(&x, link->cgroup->kn->id, oc);					\
}											\
SEC("?.struct_ops.link")								\
struct bpf_oom_ops ops_##x = {								\
	.handle_out_of_memory = (void *)oom_##x,					\
	.name = "policy_" #x,								\
};
#endif

HANDLER(a)
HANDLER(b)
HANDLER(c)
HANDLER(d)

/* Not sleepable, nothing optional. */
n64 plain_calls;
char plain_name[64];

SEC("?struct_ops/handle_out_of_memory")
#ifndef V3
int BPF_PROG(oom_plain, struct bpf_oom_ctx *octx, struct oom_control *oc)
#else
int BPF_PROG(oom_plain, struct oom_control *oc)
#endif
{
	bpf_probe_read_kernel_str(plain_name, sizeof(plain_name), POLICY_NAME(oc));
	__sync_fetch_and_add(&plain_calls, 1);
	return 0;
}

#ifndef V3
SEC("?struct_ops/handle_cgroup_offline")
int BPF_PROG(offline_plain, struct bpf_oom_ctx *octx, u64 id)
{
	return 0;
}
#endif

SEC("?.struct_ops.link")
struct bpf_oom_ops ops_plain = {
	.handle_out_of_memory = (void *)oom_plain,
};

SEC("?.struct_ops.link")
struct bpf_oom_ops ops_without_handler = {
#ifndef V3
	.handle_cgroup_offline = (void *)offline_plain,
#else
	.name = "nothing",
#endif
};

/* The longest name, and one too long. */
#define TEN "0123456789"

SEC("?.struct_ops.link")
struct bpf_oom_ops ops_name_63 = {
	.handle_out_of_memory = (void *)oom_plain,
	.name = TEN TEN TEN TEN TEN TEN "abc",
};

SEC("?.struct_ops.link")
struct bpf_oom_ops ops_name_64 = {
	.handle_out_of_memory = (void *)oom_plain,
	.name = TEN TEN TEN TEN TEN TEN "abcd",
};

SEC("?.struct_ops.link")
struct bpf_oom_ops ops_name_two_lines = {
	.handle_out_of_memory = (void *)oom_plain,
	.name = "one\ntwo",
};

/* A legacy section: no link. */
SEC("?.struct_ops")
struct bpf_oom_ops ops_legacy = {
	.handle_out_of_memory = (void *)oom_plain,
};

#ifdef V3
/* ---- a declared OOM ---- */

extern struct cgroup *bpf_cgroup_from_id(u64 cgid) __ksym;
extern void bpf_cgroup_release(struct cgroup *cgrp) __ksym;
extern struct mem_cgroup *bpf_get_mem_cgroup(struct cgroup_subsys_state *css) __ksym;
extern int bpf_out_of_memory(struct mem_cgroup *memcg__nullable, int order, u64 flags) __ksym;

struct declare_args declared;
i64 declare_result;

SEC("?syscall")
int declare(void *ctx)
{
	struct cgroup *cgrp = bpf_cgroup_from_id(declared.cgroup_id);
	struct mem_cgroup *memcg;

	if (!cgrp)
		return 1;
	memcg = bpf_get_mem_cgroup(&cgrp->self);
	if (memcg) {
		declare_result = bpf_out_of_memory(memcg, declared.order, declared.flags);
		bpf_put_mem_cgroup(memcg);
	}
	bpf_cgroup_release(cgrp);
	return 0;
}
#endif
