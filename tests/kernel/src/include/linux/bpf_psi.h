/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LINUX_BPF_PSI_H
#define _LINUX_BPF_PSI_H

#include <linux/completion.h>
#include <linux/list.h>
#include <linux/psi_types.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/types.h>

struct bpf_prog;
struct bpf_psi;
struct cgroup;

/* In the resource argument of bpf_psi_create_trigger(): "full", not "some". */
enum bpf_psi_flags {
	BPF_PSI_FULL = 0x80000000,
};

/* What to do about pressure. All callbacks may be sleepable. */
struct bpf_psi_ops {
	/**
	 * @init: Create triggers. Required. Runs once, before all others.
	 *
	 * Return: 0, else the attach fails.
	 */
	int (*init)(struct bpf_psi *bpf_psi);

	/**
	 * @handle_psi_event: One of the triggers fired. Required. At most once
	 * in the trigger's window.
	 */
	void (*handle_psi_event)(struct bpf_psi *bpf_psi, struct psi_trigger *t);

	/** @handle_cgroup_online: There is a new cgroup. */
	void (*handle_cgroup_online)(struct bpf_psi *bpf_psi, u64 cgroup_id);

	/**
	 * @handle_cgroup_offline: A cgroup with triggers of this instance is
	 * gone, and with it the triggers.
	 */
	void (*handle_cgroup_offline)(struct bpf_psi *bpf_psi, u64 cgroup_id);

	/* Private. Stays NULL: an instance belongs to a link, not to the map. */
	struct bpf_psi *bpf_psi;
};

/* An attached bpf_psi_ops. Private to kernel/sched/bpf_psi.c. */
struct bpf_psi {
	/* Protects triggers. */
	spinlock_t lock;
	struct list_head triggers;

	struct bpf_psi_ops *ops;

	/* Held while a cgroup callback runs. */
	struct srcu_struct srcu;

	/* In the list of all instances. */
	struct list_head node;

	/* No new triggers or callbacks. Set under lock and that of the list. */
	bool dying;

	/* Whoever attached may use windows other than multiples of 2 s. */
	bool privileged;

	/* init() has returned. */
	struct completion ready;
};

#if defined(CONFIG_PSI) && defined(CONFIG_BPF_SYSCALL) && \
	defined(CONFIG_BPF_JIT) && defined(CONFIG_CGROUPS)
void bpf_psi_trigger_event(struct psi_trigger *t);
void bpf_psi_cgroup_online(struct cgroup *cgrp);
void bpf_psi_cgroup_offline(struct cgroup *cgrp);
bool bpf_psi_owns_prog(const struct bpf_prog *prog);
#else
static inline void bpf_psi_trigger_event(struct psi_trigger *t) {}
static inline void bpf_psi_cgroup_online(struct cgroup *cgrp) {}
static inline void bpf_psi_cgroup_offline(struct cgroup *cgrp) {}
static inline bool bpf_psi_owns_prog(const struct bpf_prog *prog)
{
	return false;
}
#endif

#endif /* _LINUX_BPF_PSI_H */
