/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_SCOPE_BPF_H
#define OOMX_SCOPE_BPF_H

/* The OOM being handled. Lives on the stack of the handler; a policy only passes it on. */
#include <oomx/abi.bpf.h>
#include <oomx/config.h>
#include <oomx/memcg.bpf.h>
#include <oomx/scoped.bpf.h>

struct oomx_scope {
	struct oom_control *oc;
	struct mem_cgroup *root;  /* the cgroup that is out of memory, or the root: held */
	struct mem_cgroup *dying; /* holds an earlier victim, still dying: held, or NULL */
	__u64 leaf_size;	  /* see oomx_leaf_size() */
};

/* What the leaf at hand holds besides page cache: bytes, read once for the rule and the record. */
static __always_inline __u64 oomx_leaf_size(const struct oomx_scope *scope)
{
	return scope->leaf_size;
}

/* What a handler returns: claim the OOM, or pass it to the parent or the kernel. */
enum oomx_outcome {
	OOMX_DECLINED = 0,
	OOMX_HANDLED = 1,
};

/*
 * The rails of the policy that is being compiled: OOMX_CONFIG() defines it, and who includes this
 * without it must.
 */
static __always_inline const struct oomx_rails *oomx_rails(void);

#endif
