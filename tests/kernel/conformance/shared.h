/* SPDX-License-Identifier: GPL-2.0-only */
/* What BPF programs and tests tell each other through global variables. */
#ifndef SHARED_H
#define SHARED_H

typedef unsigned long long n64;
typedef long long i64;

/* What an OOM handler does. */
enum action {
	DECLINE,		/* return 0 */
	CLAIM,			/* return 1, free nothing */
	KILL_VICTIM,		/* kill, return 1 */
	KILL_AND_DECLINE,	/* kill, return 0 */
	KILL_TWICE,		/* kill the same task again, return 1 */
	SPIN,			/* take time until told to go on, return 0 */
	WALK_AND_KILL,		/* count the tasks of the OOM's cgroup, then kill, return 1 */
};

/* One OOM handler. */
struct oom_seen {
	/* in */
	n64 action;
	i64 victim;
	n64 go_on;
	/* out; calls is written last */
	n64 calls;
	n64 passed_on;		/* of which returned 0, or killed nobody */
	i64 result, second_result;	/* of the first call: later the victim may be gone */
	n64 ctx_id;
	n64 memcg_id;		/* 0: there was none */
	i64 order;
	n64 gfp_mask;
	n64 totalpages;
	n64 constraint;
	n64 nodes;		/* of the nodemask, 0: there was none */
	n64 walked;		/* tasks in the OOM's cgroup, by the first call */
	n64 freed_before;
	n64 freed_after;	/* the first call */
	n64 victim_before, victim_after;
	n64 sequence;		/* the how manieth call of any handler */
	n64 offline_calls, offline_ctx_id, offline_id;
	char name[64];
};

/* What OOMs met on their way to a handler. */
struct oom_path {
	/* in */
	n64 task;			/* a thread id */
	/* out */
	n64 notifications;		/* calls of the OOM notifiers */
	n64 notifications_first;	/* of which before a handler's first call */
	n64 entered_without_fs;		/* global OOMs without __GFP_FS */
	n64 handled_without_fs;		/* of which came to a handler */
	n64 victims;			/* how often that task was marked as a victim */
	n64 handled;			/* handler calls in that task */
};

/* Arguments of bpf_psi_create_trigger(). */
struct trigger_args {
	n64 on;
	n64 cgroup_id;
	unsigned int resource, threshold_us, window_us;
};

/* Arguments of bpf_out_of_memory(). */
struct declare_args {
	n64 on;
	n64 cgroup_id;		/* 0: global */
	i64 order;
	n64 flags;
	n64 with_text;
};

/* One pressure handler. */
struct psi_seen {
	/* in */
	struct trigger_args at_init, at_online;
	struct declare_args declare_at_init, declare_at_event;
	i64 init_return;
	n64 many;		/* so many triggers at init */
	n64 spin_at_event, go_on;
	/* out */
	n64 inits;
	i64 init_result, declare_result;
	n64 events, returns;
	n64 event_cgroup_id, event_type, event_state, event_threshold, event_window;
	n64 event_group;
	n64 event_ns[64];
	n64 onlines, online_id;
	i64 online_result;
	n64 offlines, offline_id;
};

/* What the memory cgroup programs look up. */
struct memcg_query {
	n64 cgroup_id;
	i64 index;
	n64 result;
	n64 found;
};

#endif
