/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_DECISION_H
#define OOMX_DECISION_H

/*
 * The record: what the ring buffer carries, seen alike by BPF and C++. Every struct starts with
 * the header; a reader that does not know the version must refuse the event.
 */
#include <linux/types.h>

#include <oomx/pressure.h>

#define OOMX_RECORD_VERSION 3
#define OOMX_NAME_LEN	    64 /* BPF_OOM_NAME_MAX_LEN, include/linux/bpf_oom.h of the series */
#define OOMX_COMM_LEN	    16 /* TASK_COMM_LEN, include/linux/sched.h */
#define OOMX_TOP	    8  /* how many candidates one decision names */
#define OOMX_SPARED	    4  /* how many spared cgroups one decision names */

/* Where a policy is attached, on a kernel that does not say. */
#define OOMX_CGROUP_UNKNOWN ((__u64) - 1)

enum oomx_event_kind {
	OOMX_EVENT_DECISION = 1,
	OOMX_EVENT_CGROUP_GONE = 2,
	OOMX_EVENT_DECLARATION = 3,
};

struct oomx_event {
	__u16 version;
	__u16 kind; /* enum oomx_event_kind */
	__u32 size; /* of the whole record, bytes */
};

enum oomx_result {
	OOMX_RESULT_DECLINED = 0,    /* the policy chose not to act */
	OOMX_RESULT_NO_VICTIM = 1,   /* nobody was eligible */
	OOMX_RESULT_KILLED = 2,	     /* at least one process was killed */
	OOMX_RESULT_WAITING = 3,     /* an earlier victim is still dying: no second kill */
	OOMX_RESULT_KILL_FAILED = 4, /* every kill was refused: see error; or nobody left */
	OOMX_RESULT_SHADOW = 5,	     /* would have killed: shadow mode */
	OOMX_RESULT_COOLING = 6,     /* would have killed: too soon after the last kill */
	OOMX_RESULT_RELIEVED = 7,    /* would have killed or waited: memory came back */
	OOMX_RESULT_SPARED = 8,	     /* would have killed: the rails spare that one */
	OOMX_RESULT_CONSTRAINED = 9, /* not of a cgroup or the machine, but of some of its nodes */
	OOMX_RESULT_TOO_LITTLE = 10, /* would have killed: it would free less than min_relief */
};

/* What the rails and the policy said of a cgroup. */
enum oomx_verdict {
	OOMX_VERDICT_CANDIDATE = 0,	/* eligible */
	OOMX_VERDICT_CHOSEN = 1,	/* the victim */
	OOMX_VERDICT_SPARED_ADJ = 2,	/* holds a process with oom_score_adj -1000 */
	OOMX_VERDICT_SPARED_INIT = 3,	/* holds process 1 */
	OOMX_VERDICT_SPARED_MANY = 4,	/* holds more processes than the rails allow */
	OOMX_VERDICT_SPARED_POLICY = 5, /* the policy's own rule */
	OOMX_VERDICT_UNREADABLE = 6,	/* its processes could not be listed: spared */
	OOMX_VERDICT_EMPTY = 7,		/* nobody to kill */
	OOMX_VERDICT_DYING = 8,		/* holds an earlier victim that is still dying */
	OOMX_VERDICT_SPARED_NEVER =
		9, /* it, what is above it or what would die with it: never-kill */
	OOMX_VERDICT_OUT_OF_SCOPE = 10,	 /* not within the OOM's scope: a policy wanted it killed */
	OOMX_VERDICT_OVER_BOUND = 11,	 /* behind max_candidates or max_tasks, so not looked at */
	OOMX_VERDICT_SPARED_SHARED = 12, /* its memory is also that of a process elsewhere, or of
					    one never to be killed */
	OOMX_VERDICTS = 13,
};

/* One cgroup that was looked at. */
struct oomx_entry {
	__u64 cgroup_id;
	__u64 score;	  /* the policy's: the highest dies; 0: spared */
	__u64 usage;	  /* memory.current, bytes */
	__u32 processes;  /* seen before the look-up ended */
	__u32 verdict;	  /* enum oomx_verdict */
	__u32 tier;	  /* see struct oomx_preference */
	__s32 preference; /* see struct oomx_preference */

	/*
	 * enum oomx_verdict: why the rails let it lose one process only where it should die whole;
	 * 0: nothing of the kind.
	 */
	__u32 only_process;
	__u32 reserved;
};

struct oomx_decision {
	struct oomx_event event;
	__u64 time_ns;	       /* CLOCK_MONOTONIC at entry */
	__u64 decided_ns;      /* entry to choice */
	__u64 took_ns;	       /* entry to return: with the kill and the kernel's report of it */
	__u64 generation;      /* of the config it was decided by */
	__u64 attached_to;     /* cgroup id of the instance, 0: system-wide; or unknown */
	__u64 scope;	       /* cgroup id of the OOM, 0: system-wide */
	__u64 scope_usage;     /* bytes, 0 if system-wide */
	__u64 scope_max;       /* memory.max, bytes; OOMX_NO_LIMIT; 0 if system-wide */
	__u64 victim;	       /* cgroup id, 0: none */
	__u64 victim_score;    /* the policy's */
	__u64 victim_usage;    /* bytes */
	__u64 min_interval_ns; /* of the rails, as they were */
	__u32 max_processes;   /* of the rails, as they were */
	__u32 max_candidates;  /* of the rails, as they were */
	__u32 mode;	       /* of the rails, as it was */
	__u32 granularity;     /* enum oomx_granularity */
	__u32 considered;      /* cgroups that could have been candidates */
	__u32 eligible;
	__u32 killed;	  /* processes */
	__u32 refused;	  /* processes the kernel would not kill */
	__u32 result;	  /* enum oomx_result */
	__s32 error;	  /* negative errno of the last refusal, or 0 */
	__s32 victim_pid; /* the process that was chosen, 0 where the cgroup was */
	__u32 top_count;
	__u32 spared_count;
	__u32 max_tasks;  /* of the rails, as they were */
	__u32 tasks;	  /* processes that were looked at, the victim's twice or three times */
	__u32 min_relief; /* of the rails, as they were */
	__u32 reserved;
	__u32 verdicts[OOMX_VERDICTS];	 /* how many cgroups each one was said of: all considered */
	char victim_comm[OOMX_COMM_LEN]; /* of victim_pid */
	char policy[OOMX_NAME_LEN];
	struct oomx_entry top[OOMX_TOP];       /* candidates, highest score first */
	struct oomx_entry spared[OOMX_SPARED]; /* not candidates, highest usage first */
};

/*
 * A cgroup that this policy was attached to has been removed, and the attachment is inert; or one
 * that a pressure policy watched, which it does no longer.
 */
struct oomx_cgroup_gone {
	struct oomx_event event;
	__u64 time_ns; /* CLOCK_MONOTONIC */
	__u64 cgroup_id;
	char policy[OOMX_NAME_LEN];
};

enum oomx_declaration_result {
	OOMX_DECLARATION_DECLINED = 0,	  /* the policy chose not to act */
	OOMX_DECLARATION_PROGRESS = 1,	  /* declared: somebody was killed, or is dying already */
	OOMX_DECLARATION_NO_PROGRESS = 2, /* declared: nobody could be killed */
	OOMX_DECLARATION_FAILED = 3,	  /* the kernel refused: see error */
	OOMX_DECLARATION_SHADOW = 4,	  /* would have declared: shadow mode */
	OOMX_DECLARATION_COOLING = 5,	  /* would have declared: too soon after the last time */
};

/* What a pressure policy did at one pressure event. */
struct oomx_declaration {
	struct oomx_event event;
	__u64 time_ns;	 /* CLOCK_MONOTONIC at entry */
	__u64 took_ns;	 /* entry to end: with all that out_of_memory() did */
	__u64 cgroup_id; /* which is under pressure, 0: the whole system */
	__u64 usage;	 /* bytes, if an OOM was declared for a cgroup */
	struct oomx_pressure pressure;
	__u32 result; /* enum oomx_declaration_result */
	__s32 error;  /* negative errno, or 0 */
	__s32 deaf;   /* negative errno: why this trigger will not fire again, or 0 */
	__u32 reserved;
	char policy[OOMX_NAME_LEN];
};

#endif
