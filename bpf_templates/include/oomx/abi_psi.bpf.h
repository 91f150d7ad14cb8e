/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_ABI_PSI_BPF_H
#define OOMX_ABI_PSI_BPF_H

/*
 * The pressure part of oomx/abi.bpf.h: struct bpf_psi_ops, which v1 and v2 of the series have and
 * later ones have not.
 */
#include <oomx/kernel.bpf.h>
#include <oomx/pressure.h>

/* Defined, not only declared: libbpf compares the kfuncs' parameters with the kernel's. */
struct bpf_psi {
};

#ifdef __bpf__
#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
#endif

enum psi_states {
	PSI_IO_SOME = 0,
	PSI_MEM_SOME = 2,
	PSI_CPU_SOME = 4,
};

enum psi_res {
	PSI_IO = 0,
	PSI_MEM = 1,
	PSI_CPU = 2,
};

struct psi_window {
	__u64 size; /* ns */
};

struct psi_trigger {
	enum psi_states state;
	__u64 threshold; /* ns */
	int event;
	struct psi_window win;
	__u64 cgroup_id; /* 0: the whole system */
};

#ifdef __bpf__
#pragma clang attribute pop
#endif

#define BPF_PSI_FULL 0x80000000

#ifdef __bpf__

struct bpf_psi_ops___v2 {
	int (*init)(struct bpf_psi *psi);
	void (*handle_psi_event)(struct bpf_psi *psi, struct psi_trigger *trigger);
	void (*handle_cgroup_offline)(struct bpf_psi *psi, __u64 cgroup_id);
};

extern int bpf_psi_create_trigger(struct bpf_psi *psi, __u64 cgroup_id, __u32 resource,
				  __u32 threshold_us, __u32 window_us) __weak __ksym;
extern int bpf_out_of_memory(struct mem_cgroup *memcg__nullable, int order, __u64 flags,
			     const char *constraint_text__nullable) __weak __ksym;

#else

static inline int bpf_psi_create_trigger(struct bpf_psi *psi, __u64 cgroup_id, __u32 resource,
					 __u32 threshold_us, __u32 window_us)
{
	(void)psi;
	return oomx_kernel->create_trigger(oomx_kernel->self, cgroup_id, resource, threshold_us,
					   window_us);
}

static inline int bpf_out_of_memory(struct mem_cgroup *memcg__nullable, int order, __u64 flags,
				    const char *constraint_text__nullable)
{
	return oomx_kernel->out_of_memory(oomx_kernel->self, memcg__nullable, order, flags,
					  constraint_text__nullable);
}

#endif

static __always_inline int oomx_create_trigger(struct bpf_psi *psi, __u64 cgroup_id,
					       const struct oomx_pressure *pressure)
{
	__u32 resource = pressure->resource == OOMX_IO ? bpf_core_enum_value(enum psi_res, PSI_IO)
			 : pressure->resource == OOMX_CPU
				 ? bpf_core_enum_value(enum psi_res, PSI_CPU)
				 : bpf_core_enum_value(enum psi_res, PSI_MEM);

	if (pressure->share == OOMX_FULL)
		resource |= BPF_PSI_FULL;
	return bpf_psi_create_trigger(psi, cgroup_id, resource, pressure->stall_us,
				      pressure->window_us);
}

/* What a trigger waits for. "full" follows "some" (include/linux/psi_types.h). */
static __always_inline struct oomx_pressure oomx_pressure_of(struct psi_trigger *trigger)
{
	__u32 io = bpf_core_enum_value(enum psi_states, PSI_IO_SOME);
	__u32 cpu = bpf_core_enum_value(enum psi_states, PSI_CPU_SOME);
	__u32 memory = bpf_core_enum_value(enum psi_states, PSI_MEM_SOME);
	__u32 state = trigger->state;
	struct oomx_pressure pressure = {
		.resource = state - io < 2    ? OOMX_IO
			    : state - cpu < 2 ? OOMX_CPU
					      : OOMX_MEMORY,
		.stall_us = trigger->threshold / 1000,
		.window_us = trigger->win.size / 1000,
	};

	pressure.share =
		state == io + 1 || state == cpu + 1 || state == memory + 1 ? OOMX_FULL : OOMX_SOME;
	return pressure;
}

/*
 * The struct_ops instance of a pressure policy. on_attach is void (struct bpf_psi *): an init()
 * that fails is not safe everywhere, so it says otherwise what went wrong. on_event is void (struct
 * bpf_psi *, struct psi_trigger *); on_gone is void (__u64 cgroup_id). All sleep. Left out of the
 * load unless user space enables it.
 */
#ifdef __bpf__
#define OOMX_ABI_PSI_V2(on_attach, on_event, on_gone)                                              \
	SEC("?struct_ops.s/init")                                                                  \
	int BPF_PROG(oomx_psi_init_v2, struct bpf_psi *psi)                                        \
	{                                                                                          \
		on_attach(psi);                                                                    \
		return 0;                                                                          \
	}                                                                                          \
	SEC("?struct_ops.s/handle_psi_event")                                                      \
	void BPF_PROG(oomx_psi_event_v2, struct bpf_psi *psi, struct psi_trigger *trigger)         \
	{                                                                                          \
		on_event(psi, trigger);                                                            \
	}                                                                                          \
	SEC("?struct_ops.s/handle_cgroup_offline")                                                 \
	void BPF_PROG(oomx_psi_gone_v2, struct bpf_psi *psi, __u64 cgroup_id)                      \
	{                                                                                          \
		on_gone(cgroup_id);                                                                \
	}                                                                                          \
	SEC("?.struct_ops.link")                                                                   \
	struct bpf_psi_ops___v2 oomx_psi_v2 = {                                                    \
		.init = (void *)oomx_psi_init_v2,                                                  \
		.handle_psi_event = (void *)oomx_psi_event_v2,                                     \
		.handle_cgroup_offline = (void *)oomx_psi_gone_v2,                                 \
	}

#else

#define OOMX_ABI_PSI_V2(on_attach_event, on_event, on_gone_event)                                  \
	static void oomx_native_attach(void)                                                       \
	{                                                                                          \
		struct bpf_psi psi;                                                                \
                                                                                                   \
		on_attach_event(&psi);                                                             \
	}                                                                                          \
	static void oomx_native_pressure(__u64 cgroup_id, const struct oomx_pressure *pressure)    \
	{                                                                                          \
		__u32 some = pressure->resource == OOMX_IO    ? PSI_IO_SOME                        \
			     : pressure->resource == OOMX_CPU ? PSI_CPU_SOME                       \
							      : PSI_MEM_SOME;                      \
		struct psi_trigger trigger = {                                                     \
			.state = some + (pressure->share == OOMX_FULL),                            \
			.threshold = pressure->stall_us * 1000ULL,                                 \
			.win.size = pressure->window_us * 1000ULL,                                 \
			.cgroup_id = cgroup_id,                                                    \
		};                                                                                 \
		struct bpf_psi psi;                                                                \
                                                                                                   \
		on_event(&psi, &trigger);                                                          \
	}                                                                                          \
	const struct oomx_native_policy OOMX_NATIVE_SYMBOL = {                                     \
		.name = oomx_constraint,                                                           \
		.on_attach = oomx_native_attach,                                                   \
		.on_pressure = oomx_native_pressure,                                               \
		.on_gone = on_gone_event,                                                          \
		OOMX_NATIVE_COMMON,                                                                \
	}

#endif

#endif
