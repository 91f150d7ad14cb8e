/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef TESTS_H
#define TESTS_H

#include <stdarg.h>

#include "lib.h"
#include "shared.h"

struct oom_test {
	struct bpf_object *obj;
	volatile struct oom_seen *a, *b, *c, *d;
};

struct psi_test {
	struct bpf_object *obj;
	volatile struct psi_seen *p, *q;
};

/* Load these maps, separated by spaces, and their programs. */
struct oom_test oom_load(const char *maps);
struct psi_test psi_load(const char *maps);

/* A cgroup conf/<name> with this memory.max and without swap. */
const char *limited(const char *name, const char *max);
/* A process takes more than the 10 MiB of a cgroup and is killed. */
void cause_oom(const char *cg);
/* The same until the log, marked before, has this text. */
bool oom_until(const char *cg, const char *text);
/* In link info and in fdinfo. */
void shows_cgroup_id(int link, uint64_t id);
/* The structure has these members, in this order; ends with NULL. */
void has_members(const char *type, ...);

#endif
