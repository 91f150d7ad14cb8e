/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_ABI_BPF_H
#define OOMX_ABI_BPF_H

/*
 * Everything on the BPF side that knows a revision of the "mm: BPF OOM" series, with abi_psi.bpf.h
 * for pressure; its C++ twin is oomx/bpf/abi.hpp. v2 (27 Oct 2025), v3 (26 Jan 2026) and the work
 * branch after it, v4; what was tried of them on a kernel: docs/kernel-support.md.
 */
#include <oomx/decision.h>
#include <oomx/kernel.bpf.h>

#ifdef __bpf__

struct bpf_oom_ctx {
	__u64 cgroup_id; /* where this instance is attached, 0: system-wide */
} __attribute__((preserve_access_index));

struct bpf_struct_ops_link {
	struct cgroup *cgroup; /* where it is attached: v3 */
} __attribute__((preserve_access_index));

/* As v2 has it: later revisions attach system-wide to the root, whose id is 1. */
static __always_inline __u64 oomx_attached_to(struct cgroup *cgroup)
{
	__u64 id = BPF_CORE_READ(cgroup, kn, id);

	return id == 1 ? 0 : id;
}

/* What follows ___ is ours: libbpf looks for bpf_oom_ops and compares the members by name. */
struct bpf_oom_ops___v2 {
	int (*handle_out_of_memory)(struct bpf_oom_ctx *ctx, struct oom_control *oc);
	void (*handle_cgroup_offline)(struct bpf_oom_ctx *ctx, __u64 cgroup_id);
	char name[OOMX_NAME_LEN];
};

struct bpf_oom_ops___v3 {
	int (*handle_out_of_memory)(struct oom_control *oc, struct bpf_struct_ops_link *link);
	char name[OOMX_NAME_LEN];
};

struct bpf_oom_ops___v4 {
	int (*handle_out_of_memory)(struct oom_control *oc, struct cgroup *cgroup);
	char name[OOMX_NAME_LEN];
};

/*
 * The struct_ops instances of a policy, one a revision. on_oom is int (struct oom_control *,
 * __u64 attached_to): 0 passes the OOM on, 1 claims it; on_gone is void (__u64 cgroup_id), and only
 * v2 calls it. All are left out of the load, programs included, unless user space enables them; it
 * enables the one of the kernel's revision.
 */
#define OOMX_ABI(policy_name, on_oom, on_gone)                                                     \
	OOMX_ABI_V2(policy_name, on_oom, on_gone);                                                 \
	OOMX_ABI_V3(policy_name, on_oom);                                                          \
	OOMX_ABI_V4(policy_name, on_oom)

#define OOMX_ABI_V2(policy_name, on_oom, on_gone)                                                  \
	SEC("?struct_ops.s/handle_out_of_memory")                                                  \
	int BPF_PROG(oomx_oom_v2, struct bpf_oom_ctx *instance, struct oom_control *oc)            \
	{                                                                                          \
		return on_oom(oc, instance->cgroup_id);                                            \
	}                                                                                          \
	SEC("?struct_ops.s/handle_cgroup_offline")                                                 \
	void BPF_PROG(oomx_gone_v2, struct bpf_oom_ctx *instance, __u64 cgroup_id)                 \
	{                                                                                          \
		on_gone(cgroup_id);                                                                \
	}                                                                                          \
	SEC("?.struct_ops.link")                                                                   \
	struct bpf_oom_ops___v2 oomx_ops_v2 = {                                                    \
		.handle_out_of_memory = (void *)oomx_oom_v2,                                       \
		.handle_cgroup_offline = (void *)oomx_gone_v2,                                     \
		.name = policy_name,                                                               \
	}

#define OOMX_ABI_V3(policy_name, on_oom)                                                           \
	SEC("?struct_ops.s/handle_out_of_memory")                                                  \
	int BPF_PROG(oomx_oom_v3, struct oom_control *oc, struct bpf_struct_ops_link *link)        \
	{                                                                                          \
		return on_oom(oc, oomx_attached_to(BPF_CORE_READ(link, cgroup)));                  \
	}                                                                                          \
	SEC("?.struct_ops.link")                                                                   \
	struct bpf_oom_ops___v3 oomx_ops_v3 = {                                                    \
		.handle_out_of_memory = (void *)oomx_oom_v3,                                       \
		.name = policy_name,                                                               \
	}

#define OOMX_ABI_V4(policy_name, on_oom)                                                           \
	SEC("?struct_ops.s/handle_out_of_memory")                                                  \
	int BPF_PROG(oomx_oom_v4, struct oom_control *oc, struct cgroup *cgroup)                   \
	{                                                                                          \
		return on_oom(oc, oomx_attached_to(cgroup));                                       \
	}                                                                                          \
	SEC("?.struct_ops.link")                                                                   \
	struct bpf_oom_ops___v4 oomx_ops_v4 = {                                                    \
		.handle_out_of_memory = (void *)oomx_oom_v4,                                       \
		.name = policy_name,                                                               \
	}

#else

/* A native build has no revision: one symbol by which the program finds the policy. */
#define OOMX_ABI(policy_name, on_oom_event, on_gone_event)                                         \
	const struct oomx_native_policy OOMX_NATIVE_SYMBOL = {                                     \
		.name = policy_name,                                                               \
		.on_oom = on_oom_event,                                                            \
		.on_gone = on_gone_event,                                                          \
		.victims = oomx_victims,                                                           \
		.victims_size = sizeof(oomx_victims),                                              \
		OOMX_NATIVE_COMMON,                                                                \
	}

#endif

#endif
