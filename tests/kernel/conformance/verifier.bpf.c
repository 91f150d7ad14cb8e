// SPDX-License-Identifier: GPL-2.0-only
/* What the verifier must refuse (no_*) and what it must accept (yes_*). One struct_ops map each, or a bare program. */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

char _license[] SEC("license") = "GPL";

extern int bpf_oom_kill_process(struct oom_control *oc, struct task_struct *task,
				const char *message__str) __ksym;
extern bool bpf_task_is_oom_victim(struct task_struct *task) __ksym;
extern int bpf_out_of_memory(struct mem_cgroup *memcg__nullable, int order, u64 flags,
			     const char *constraint_text__nullable) __ksym;
extern int bpf_psi_create_trigger(struct bpf_psi *bpf_psi, u64 cgroup_id, u32 resource,
				  u32 threshold_us, u32 window_us) __ksym;
extern struct task_struct *bpf_task_from_pid(s32 pid) __ksym;
extern struct task_struct *bpf_task_acquire(struct task_struct *p) __ksym;
extern void bpf_task_release(struct task_struct *p) __ksym;
extern struct cgroup *bpf_cgroup_from_id(u64 cgid) __ksym;
extern void bpf_cgroup_release(struct cgroup *cgrp) __ksym;
extern struct mem_cgroup *bpf_get_root_mem_cgroup(void) __ksym;
extern struct mem_cgroup *bpf_get_mem_cgroup(struct cgroup_subsys_state *css) __ksym;
extern void bpf_put_mem_cgroup(struct mem_cgroup *memcg) __ksym;
extern unsigned long bpf_mem_cgroup_usage(struct mem_cgroup *memcg) __ksym;
extern void bpf_mem_cgroup_flush_stats(struct mem_cgroup *memcg) __ksym;
extern void bpf_rcu_read_lock(void) __ksym;
extern void bpf_rcu_read_unlock(void) __ksym;
extern int bpf_iter_css_new(struct bpf_iter_css *it, struct cgroup_subsys_state *start,
			    unsigned int flags) __ksym;
extern struct cgroup_subsys_state *bpf_iter_css_next(struct bpf_iter_css *it) __ksym;
extern void bpf_iter_css_destroy(struct bpf_iter_css *it) __ksym;
extern int bpf_iter_css_task_new(struct bpf_iter_css_task *it, struct cgroup_subsys_state *css,
				 unsigned int flags) __ksym;
extern struct task_struct *bpf_iter_css_task_next(struct bpf_iter_css_task *it) __ksym;
extern void bpf_iter_css_task_destroy(struct bpf_iter_css_task *it) __ksym;

unsigned long result;
char writable_text[64] = "text";
char message[16] = "writable";

#define OOM(name, section, body)							\
SEC("?" section "/handle_out_of_memory")						\
int BPF_PROG(prog_##name, struct bpf_oom_ctx *octx, struct oom_control *oc)		\
{ body }										\
SEC("?.struct_ops.link")								\
struct bpf_oom_ops name = { .handle_out_of_memory = (void *)prog_##name };

#define PSI_INIT(name, section, body)							\
SEC("?" section "/init")								\
int BPF_PROG(prog_##name, struct bpf_psi *psi)						\
{ body }										\
SEC("?struct_ops.s/handle_psi_event")							\
int BPF_PROG(event_##name, struct bpf_psi *psi, struct psi_trigger *t)			\
{ return 0; }										\
SEC("?.struct_ops.link")								\
struct bpf_psi_ops psi_##name = {							\
	.init = (void *)prog_##name, .handle_psi_event = (void *)event_##name,		\
};

/* ---- oom_control ---- */

OOM(no_null_test, "struct_ops.s",
	result = bpf_mem_cgroup_usage(oc->memcg);
	return 0;
)
OOM(yes_null_test, "struct_ops.s",
	struct mem_cgroup *memcg = oc->memcg;
	if (memcg)
		result = bpf_mem_cgroup_usage(memcg);
	return 0;
)
OOM(no_write, "struct_ops.s",
	oc->bpf_memory_freed = true;
	return 1;
)
OOM(no_chosen, "struct_ops.s",
	return bpf_oom_kill_process(oc, oc->chosen, "message");
)

/* ---- kill ---- */

OOM(no_kill_not_sleepable, "struct_ops",
	struct task_struct *task = bpf_task_from_pid(1);
	if (task) {
		bpf_oom_kill_process(oc, task, "message");
		bpf_task_release(task);
	}
	return 0;
)
OOM(no_kill_null, "struct_ops.s",
	bpf_oom_kill_process(oc, bpf_task_from_pid(1), "message");
	return 0;
)
OOM(no_kill_writable_message, "struct_ops.s",
	struct task_struct *task = bpf_task_from_pid(1);
	if (task) {
		bpf_oom_kill_process(oc, task, message);
		bpf_task_release(task);
	}
	return 0;
)
OOM(no_kill_in_walk, "struct_ops.s",
	struct task_struct *task = bpf_task_from_pid(1);
	if (task) {
		bpf_rcu_read_lock();
		bpf_oom_kill_process(oc, task, "message");
		bpf_rcu_read_unlock();
		bpf_task_release(task);
	}
	return 0;
)
SEC("?syscall")
int no_kill_from_syscall(void *ctx)
{
	struct task_struct *task = bpf_task_from_pid(1);

	if (task) {
		result = bpf_task_is_oom_victim(task);
		bpf_task_release(task);
	}
	return 0;
}
OOM(no_task_leak, "struct_ops.s",
	struct task_struct *task = bpf_task_from_pid(1);
	return task != NULL;
)
OOM(no_copy_from_user, "struct_ops.s",
	char c;
	return bpf_copy_from_user(&c, 1, NULL);
)

/* ---- declare ---- */

OOM(no_declare_in_oom, "struct_ops.s",
	return bpf_out_of_memory(NULL, 0, 0, NULL);
)
OOM(no_trigger_in_oom, "struct_ops.s",
	return bpf_psi_create_trigger((void *)octx, 0, 0, 1, 1);
)
SEC("?syscall")
int no_declare_from_syscall(void *ctx)
{
	return bpf_out_of_memory(NULL, 0, 0, NULL);
}
PSI_INIT(no_declare_not_sleepable, "struct_ops",
	return bpf_out_of_memory(NULL, 0, 0, NULL);
)
PSI_INIT(no_declare_literal, "struct_ops.s",
	return bpf_out_of_memory(NULL, 0, 0, "a literal");
)
PSI_INIT(yes_declare_writable, "struct_ops.s",
	return bpf_out_of_memory(NULL, 0, 0, writable_text);
)

/* ---- pressure ---- */

PSI_INIT(no_trigger_not_sleepable, "struct_ops",
	return bpf_psi_create_trigger(psi, 0, PSI_MEM, 1000, 2000000);
)
PSI_INIT(yes_not_sleepable, "struct_ops",
	return 0;
)

/* ---- memory cgroups ---- */

OOM(no_memcg_leak, "struct_ops.s",
	return bpf_get_root_mem_cgroup() != NULL;
)
OOM(no_memcg_null, "struct_ops.s",
	struct mem_cgroup *memcg = bpf_get_root_mem_cgroup();
	bpf_put_mem_cgroup(memcg);
	return 0;
)
OOM(no_put_borrowed, "struct_ops.s",
	struct mem_cgroup *memcg = oc->memcg;
	if (memcg)
		bpf_put_mem_cgroup(memcg);
	return 0;
)
OOM(no_flush_not_sleepable, "struct_ops",
	struct mem_cgroup *memcg = oc->memcg;
	if (memcg)
		bpf_mem_cgroup_flush_stats(memcg);
	return 0;
)
OOM(yes_usage_not_sleepable, "struct_ops",
	struct mem_cgroup *memcg = oc->memcg;
	if (memcg)
		result = bpf_mem_cgroup_usage(memcg);
	return 0;
)
OOM(no_parent, "struct_ops.s",
	struct mem_cgroup *memcg = oc->memcg;
	if (memcg) {
		memcg = bpf_get_mem_cgroup(memcg->css.parent);
		if (memcg)
			bpf_put_mem_cgroup(memcg);
	}
	return 0;
)
SEC("?syscall")
int no_css_of_controller(void *ctx)
{
	struct cgroup *cgrp = bpf_cgroup_from_id(1);
	struct mem_cgroup *memcg;

	if (!cgrp)
		return 0;
	bpf_rcu_read_lock();
	memcg = bpf_get_mem_cgroup(cgrp->subsys[1]);
	if (memcg)
		bpf_put_mem_cgroup(memcg);
	bpf_rcu_read_unlock();
	bpf_cgroup_release(cgrp);
	return 0;
}

/* ---- a whole policy: walk, choose, look at the tasks, kill ---- */

SEC("?struct_ops.s/handle_out_of_memory")
int BPF_PROG(prog_yes_policy, struct bpf_oom_ctx *octx, struct oom_control *oc)
{
	struct mem_cgroup *root = oc->memcg, *own = NULL, *chosen = NULL, *memcg;
	struct cgroup_subsys_state *css;
	unsigned long most = 0, usage;
	struct task_struct *task;
	int killed = 0;

	if (!root) {
		own = bpf_get_root_mem_cgroup();
		if (!own)
			return 0;
		root = own;
	}
	bpf_mem_cgroup_flush_stats(root);
	bpf_rcu_read_lock();
	bpf_for_each(css, css, &root->css, BPF_CGROUP_ITER_DESCENDANTS_POST) {
		memcg = bpf_get_mem_cgroup(css);
		if (!memcg)
			continue;
		usage = bpf_mem_cgroup_usage(memcg);
		if (usage > most) {
			most = usage;
			if (chosen)
				bpf_put_mem_cgroup(chosen);
			chosen = memcg;
		} else {
			bpf_put_mem_cgroup(memcg);
		}
	}
	bpf_rcu_read_unlock();
	if (chosen) {
		bpf_for_each(css_task, task, &chosen->css, CSS_TASK_ITER_PROCS)
			if (!bpf_task_is_oom_victim(task))
				killed |= !bpf_oom_kill_process(oc, task, "message");
		bpf_put_mem_cgroup(chosen);
	}
	if (own)
		bpf_put_mem_cgroup(own);
	return killed;
}
SEC("?.struct_ops.link")
struct bpf_oom_ops yes_policy = { .handle_out_of_memory = (void *)prog_yes_policy };
