// SPDX-License-Identifier: GPL-2.0-only
/* Pressure handlers that do what the test says and note what they saw. */
#include "vmlinux.h"
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>
#include "shared.h"

char _license[] SEC("license") = "GPL";

extern struct mem_cgroup *bpf_get_root_mem_cgroup(void) __ksym;
extern void bpf_mem_cgroup_flush_stats(struct mem_cgroup *memcg) __ksym;
extern int bpf_psi_create_trigger(struct bpf_psi *bpf_psi, u64 cgroup_id, u32 resource,
				  u32 threshold_us, u32 window_us) __ksym;
extern int bpf_out_of_memory(struct mem_cgroup *memcg__nullable, int order, u64 flags,
			     const char *constraint_text__nullable) __ksym;
extern struct cgroup *bpf_cgroup_from_id(u64 cgid) __ksym;
extern void bpf_cgroup_release(struct cgroup *cgrp) __ksym;
extern struct mem_cgroup *bpf_get_mem_cgroup(struct cgroup_subsys_state *css) __ksym;
extern void bpf_put_mem_cgroup(struct mem_cgroup *memcg) __ksym;

struct psi_seen p, q;
/* Writable, as the kernel wants it. */
char constraint_text[128] = "the constraint";

static int create(struct bpf_psi *psi, struct trigger_args *t, n64 id)
{
	return bpf_psi_create_trigger(psi, id, t->resource, t->threshold_us, t->window_us);
}

static int declare(struct declare_args *args)
{
	struct mem_cgroup *memcg;
	struct cgroup *cgrp;
	int ret = -1000;

	if (!args->cgroup_id)
		return args->with_text ?
			bpf_out_of_memory(NULL, args->order, args->flags, constraint_text) :
			bpf_out_of_memory(NULL, args->order, args->flags, NULL);

	cgrp = bpf_cgroup_from_id(args->cgroup_id);
	if (!cgrp)
		return ret;
	memcg = bpf_get_mem_cgroup(&cgrp->self);
	if (memcg) {
		ret = args->with_text ?
			bpf_out_of_memory(memcg, args->order, args->flags, constraint_text) :
			bpf_out_of_memory(memcg, args->order, args->flags, NULL);
		bpf_put_mem_cgroup(memcg);
	}
	bpf_cgroup_release(cgrp);
	return ret;
}

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
	int i;

	if (!root)
		return;
	bpf_for(i, 0, 3000) {
		if (bpf_loop(1 << 16, spin_once, &spin, 0) < 1 << 16)
			break;
		bpf_mem_cgroup_flush_stats(root);
	}
	bpf_put_mem_cgroup(root);
}

static int psi_init(struct psi_seen *s, struct bpf_psi *psi)
{
	int i, err = 0;

	if (s->at_init.on)
		err = create(psi, &s->at_init, s->at_init.cgroup_id);
	bpf_for(i, 0, s->many) {
		err = create(psi, &s->at_init, s->at_init.cgroup_id);
		if (err)
			break;
	}
	s->init_result = err;
	if (s->declare_at_init.on)
		s->declare_result = declare(&s->declare_at_init);
	__sync_fetch_and_add(&s->inits, 1);
	return s->init_return;
}

static void psi_event(struct psi_seen *s, struct psi_trigger *t)
{
	n64 n = s->events;

	s->event_cgroup_id = t->cgroup_id;
	s->event_type = t->type;
	s->event_state = t->state;
	s->event_threshold = t->threshold;
	s->event_window = t->win.size;
	/* [PSI_POLL][PSI_MEM_SOME]: BTF has it flat. */
	s->event_group = t->group->total[NR_PSI_STATES - 1 + PSI_MEM_SOME];
	if (n < 64)
		s->event_ns[n] = bpf_ktime_get_ns();
	if (s->declare_at_event.on)
		s->declare_result = declare(&s->declare_at_event);
	__sync_fetch_and_add(&s->events, 1);
	if (s->spin_at_event)
		spin(&s->go_on);
	__sync_fetch_and_add(&s->returns, 1);
}

#define HANDLER(x)									\
SEC("?struct_ops.s/init")								\
int BPF_PROG(init_##x, struct bpf_psi *psi)						\
{											\
	return psi_init(&x, psi);							\
}											\
SEC("?struct_ops.s/handle_psi_event")							\
int BPF_PROG(event_##x, struct bpf_psi *psi, struct psi_trigger *t)			\
{											\
	psi_event(&x, t);								\
	return 0;									\
}											\
SEC("?struct_ops.s/handle_cgroup_online")						\
int BPF_PROG(online_##x, struct bpf_psi *psi, u64 id)					\
{											\
	if (x.at_online.on)								\
		x.online_result = create(psi, &x.at_online, id);			\
	x.online_id = id;								\
	__sync_fetch_and_add(&x.onlines, 1);						\
	return 0;									\
}											\
SEC("?struct_ops.s/handle_cgroup_offline")						\
int BPF_PROG(offline_##x, struct bpf_psi *psi, u64 id)					\
{											\
	x.offline_id = id;								\
	__sync_fetch_and_add(&x.offlines, 1);						\
	return 0;									\
}											\
SEC("?.struct_ops.link")								\
struct bpf_psi_ops psi_##x = {								\
	.init = (void *)init_##x,							\
	.handle_psi_event = (void *)event_##x,						\
	.handle_cgroup_online = (void *)online_##x,					\
	.handle_cgroup_offline = (void *)offline_##x,					\
};

HANDLER(p)
HANDLER(q)

SEC("?.struct_ops.link")
struct bpf_psi_ops psi_plain = {
	.init = (void *)init_p,
	.handle_psi_event = (void *)event_p,
};

SEC("?.struct_ops.link")
struct bpf_psi_ops psi_without_init = {
	.handle_psi_event = (void *)event_p,
};

SEC("?.struct_ops.link")
struct bpf_psi_ops psi_without_event = {
	.init = (void *)init_p,
};

SEC("?.struct_ops")
struct bpf_psi_ops psi_legacy = {
	.init = (void *)init_p,
	.handle_psi_event = (void *)event_p,
};
