/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_NATIVE_H
#define OOMX_NATIVE_H

/*
 * Where a natively built policy and the program that runs it meet, seen alike by C and C++: what
 * the policy calls in the place of helpers and kfuncs, and what the program finds of the policy.
 *
 * Every function of the kernel goes through one table, so that nothing is linked by name: many
 * policies fit into one program, and one policy runs over several models.
 */
#include <linux/types.h>

#include <oomx/config.h>
#include <oomx/kernel_types.h>
#include <oomx/preference.h>
#include <oomx/pressure.h>

/* Open-coded iterators. They live on the policy's stack; the kernel alone looks inside. */
struct bpf_iter_css {
	struct cgroup_subsys_state *start; /* NULL: nothing to visit */
	struct cgroup_subsys_state *at;
	unsigned int flags;
};

struct bpf_iter_css_task {
	struct cgroup_subsys_state *css; /* NULL: nothing to visit */
	__u64 position;
};

struct bpf_iter_task {
	struct task_struct *task; /* NULL: nothing to visit */
	__u64 position;
	unsigned int flags;
};

/* Helpers and kfuncs. Each takes `self` first; what they do and return is as in the kernel. */
struct oomx_native_kernel {
	void *self;

	__u64 (*ktime_get_ns)(void *self);
	int (*ringbuf_output)(void *self, const void *record, __u64 size);
	struct oomx_preference *(*preference)(void *self, __u64 cgroup_id);

	void (*rcu_read_lock)(void *self);
	void (*rcu_read_unlock)(void *self);

	int (*css_new)(void *self, struct bpf_iter_css *it, struct cgroup_subsys_state *start,
		       unsigned int flags);
	struct cgroup_subsys_state *(*css_next)(void *self, struct bpf_iter_css *it);
	void (*css_destroy)(void *self, struct bpf_iter_css *it);

	int (*css_task_new)(void *self, struct bpf_iter_css_task *it,
			    struct cgroup_subsys_state *css, unsigned int flags);
	struct task_struct *(*css_task_next)(void *self, struct bpf_iter_css_task *it);
	void (*css_task_destroy)(void *self, struct bpf_iter_css_task *it);

	int (*task_new)(void *self, struct bpf_iter_task *it, struct task_struct *task,
			unsigned int flags);
	struct task_struct *(*task_next)(void *self, struct bpf_iter_task *it);
	void (*task_destroy)(void *self, struct bpf_iter_task *it);

	struct mem_cgroup *(*get_root_mem_cgroup)(void *self);
	struct mem_cgroup *(*get_mem_cgroup)(void *self, struct cgroup_subsys_state *css);
	void (*put_mem_cgroup)(void *self, struct mem_cgroup *memcg);
	unsigned long (*page_state)(void *self, struct mem_cgroup *memcg, int idx);
	void (*flush_stats)(void *self, struct mem_cgroup *memcg);

	struct cgroup *(*cgroup_from_id)(void *self, __u64 id);
	void (*cgroup_release)(void *self, struct cgroup *cgroup);
	struct task_struct *(*task_acquire)(void *self, struct task_struct *task);
	void (*task_release)(void *self, struct task_struct *task);
	struct task_struct *(*kptr_xchg)(void *self, struct task_struct **place,
					 struct task_struct *task);

	struct task_struct *(*current_task)(void *self); /* NULL: nobody whom the model knows */
	int (*kill_process)(void *self, struct oom_control *oc, struct task_struct *task,
			    const char *message);
	int (*create_trigger)(void *self, __u64 cgroup_id, __u32 resource, __u32 threshold_us,
			      __u32 window_us);
	int (*out_of_memory)(void *self, struct mem_cgroup *memcg, int order, __u64 flags,
			     const char *constraint);
};

/* One natively built policy: oomx_native_<name>. */
struct oomx_native_policy {
	const char *name;

	/* An OOM policy: 0 passes the OOM on, 1 claims it. */
	int (*on_oom)(struct oom_control *oc, __u64 attached_to);
	void (*on_gone)(__u64 cgroup_id);

	/* A pressure policy: what it waits for is made when it is attached. */
	void (*on_attach)(void);
	void (*on_pressure)(__u64 cgroup_id, const struct oomx_pressure *pressure);

	/*
	 * All that the policy can write, the variables of its author included: cmake/oomx_state.ld
	 * puts it together. A copy of these bytes is an instance of the policy; what follows points
	 * into them.
	 */
	char *state_begin;
	char *state_end;

	/* The references to processes that it keeps from one call to the next; NULL: none. */
	void *victims;
	__u64 victims_size; /* bytes */

	const struct oomx_native_kernel **kernel; /* to be set before any call */
	volatile struct oomx_object *object;
	struct oomx_control *control;
	void *configs;
	__u64 config_slots; /* how many of them */
	__u64 config_size;
	__u64 record_version; /* OOMX_RECORD_VERSION it was built with */
};

#endif
