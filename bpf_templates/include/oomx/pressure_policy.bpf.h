/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_PRESSURE_POLICY_BPF_H
#define OOMX_PRESSURE_POLICY_BPF_H

/*
 * All a pressure policy includes. As with oomx/policy.bpf.h it writes one function and two lines:
 *
 *	OOMX_PRESSURE_CONFIG(struct my_config);
 *	...
 *	OOMX_PRESSURE_POLICY(name, handle);
 *
 * handle is void (struct oomx_declaration *) and is called when a watched cgroup is under pressure:
 * it may oomx_declare() an OOM there. Calls overlap: what two of them share must be atomic.
 */
#include <linux/errno.h>

#include <oomx/abi_psi.bpf.h>
#include <oomx/config.bpf.h>
#include <oomx/events.bpf.h>
#include <oomx/memcg.bpf.h>
#include <oomx/pressure.h>
#include <oomx/scoped.bpf.h>

struct oomx_triggers oomx_triggers SEC(".data.oomx") = {};

/* The policy's name, for the kernel's report; the kernel wants it in memory that can be written. */
extern char oomx_constraint[OOMX_NAME_LEN];

/* When this policy last declared an OOM, CLOCK_MONOTONIC. */
static __u64 oomx_last_declared_ns = 0;

/*
 * OOMX_PRESSURE_CONFIG(struct my_config): the policy's config, whose first member, watches, is a
 * struct oomx_watches. There is one, which never changes: the triggers are made of it when the
 * policy is attached.
 */
#define OOMX_PRESSURE_CONFIG(type)                                                                 \
	type oomx_configs[1] SEC(".data.oomx") = {};                                               \
	static __always_inline const struct oomx_watches *oomx_watches(void)                       \
	{                                                                                          \
		return &oomx_configs[0].watches;                                                   \
	}

/* The config of the policy that is being compiled. */
static __always_inline const struct oomx_watches *oomx_watches(void);

static __always_inline int oomx_start_watch(struct bpf_psi *psi, const struct oomx_watch *watch)
{
	if (watch->cgroup_id) {
		oomx_cgroup_ref cgroup = bpf_cgroup_from_id(watch->cgroup_id);
		oomx_memcg_ref memcg = NULL;

		if (!cgroup)
			return -ENOENT;
		memcg = bpf_get_mem_cgroup(&cgroup->self);
		if (!memcg)
			return -ENXIO;
	}
	return oomx_create_trigger(psi, watch->cgroup_id, &watch->pressure);
}

static __always_inline void oomx_start_watches(struct bpf_psi *psi)
{
	const struct oomx_watches *watches = oomx_watches();
	__u32 i;

	oomx_triggers.renewed = 0;
	for (i = 0; i < OOMX_WATCHES && i < watches->count; i++) {
		int err = oomx_start_watch(psi, &watches->watch[i]);

		if (err) {
			oomx_triggers.failed = i;
			oomx_triggers.error = err;
			return;
		}
	}
}

/*
 * On a kernel with the posted v2 a trigger fires once: its event flag, which others reset before
 * they call the handler, stays set. A flag that is set proves nothing, as the next event may be
 * there already; one that is not proves a kernel whose triggers fire again.
 */
static __always_inline void oomx_look_at_flag(struct psi_trigger *trigger)
{
	if (!trigger->event)
		oomx_triggers.rearmed = 1;
}

/*
 * Where a trigger fires once, have another one take its place. The old one stays until the policy
 * is detached, so there is a limit.
 */
static __always_inline int oomx_renew(struct bpf_psi *psi, struct psi_trigger *trigger,
				      const struct oomx_pressure *pressure)
{
	if (oomx_triggers.rearmed)
		return 0;
	if (__sync_fetch_and_add(&oomx_triggers.renewed, 1) >= oomx_watches()->max_renewed)
		return -ENOSPC;
	return oomx_create_trigger(psi, trigger->cgroup_id, pressure);
}

/*
 * Declare that the cgroup of the event is out of memory. Whatever policy is attached there chooses
 * who dies, else the kernel; both wait while an earlier victim is dying. Sleeps.
 */
static __always_inline void oomx_declare(struct oomx_declaration *event)
{
	const struct oomx_watches *watches = oomx_watches();
	__u64 last = __sync_fetch_and_add(&oomx_last_declared_ns, 0);
	__u64 now = bpf_ktime_get_ns(); /* afterwards: never before the last time */
	oomx_memcg_ref memcg = NULL;
	int ret;

	if (watches->mode != OOMX_ENFORCE) {
		event->result = OOMX_DECLARATION_SHADOW;
		return;
	}
	/* Of two calls at once the second comes too soon as well. */
	if ((last && now - last < watches->min_interval_ns) ||
	    __sync_val_compare_and_swap(&oomx_last_declared_ns, last, now) != last) {
		event->result = OOMX_DECLARATION_COOLING;
		return;
	}
	/*
	 * Without waiting for an OOM that is being handled: it may relieve this pressure, too. If
	 * it does not the next event comes.
	 */
	if (event->cgroup_id) {
		memcg = oomx_memcg_with(event->cgroup_id);
		event->usage = oomx_usage(memcg);
		ret = memcg ? bpf_out_of_memory(memcg, 0, 0, oomx_constraint) : -ENOENT;
	} else if (oomx_triggers.rearmed) {
		ret = bpf_out_of_memory(NULL, 0, 0, oomx_constraint);
	} else {
		/* The posted v2 says that there was progress, and does nothing. */
		ret = -EOPNOTSUPP;
	}
	event->result = ret > 0	   ? OOMX_DECLARATION_PROGRESS
			: ret == 0 ? OOMX_DECLARATION_NO_PROGRESS
				   : OOMX_DECLARATION_FAILED;
	event->error = ret < 0 ? ret : 0;
	if (ret <= 0)
		__sync_val_compare_and_swap(&oomx_last_declared_ns, now, last);
}

#define OOMX_PRESSURE_POLICY(policy_name, handle)                                                  \
	static __always_inline void oomx_on_pressure(struct bpf_psi *psi,                          \
						     struct psi_trigger *trigger)                  \
	{                                                                                          \
		struct oomx_declaration event = {                                                  \
			.event = { OOMX_RECORD_VERSION, OOMX_EVENT_DECLARATION, sizeof(event) },   \
			.time_ns = bpf_ktime_get_ns(),                                             \
			.cgroup_id = trigger->cgroup_id,                                           \
			.pressure = oomx_pressure_of(trigger),                                     \
			.policy = #policy_name,                                                    \
		};                                                                                 \
                                                                                                   \
		oomx_look_at_flag(trigger);                                                        \
		handle(&event);                                                                    \
		/* Afterwards: what stalled until then has been answered. */                       \
		event.deaf = oomx_renew(psi, trigger, &event.pressure);                            \
		event.took_ns = bpf_ktime_get_ns() - event.time_ns;                                \
		__sync_fetch_and_add(event.result == OOMX_DECLARATION_PROGRESS                     \
					     ? &oomx_control.handled                               \
					     : &oomx_control.declined,                             \
				     1);                                                           \
		oomx_emit(&event, sizeof(event));                                                  \
	}                                                                                          \
	static __always_inline void oomx_on_watched_gone(__u64 cgroup_id)                          \
	{                                                                                          \
		oomx_emit_gone(cgroup_id, #policy_name, sizeof(#policy_name));                     \
	}                                                                                          \
	char oomx_constraint[OOMX_NAME_LEN] = "pressure (" #policy_name ")";                       \
	OOMX_ABI_PSI_V2(oomx_start_watches, oomx_on_pressure, oomx_on_watched_gone);               \
	/* The memcg kfuncs are GPL-only. */                                                       \
	char LICENSE[] SEC("license") = "Dual BSD/GPL"

#endif
