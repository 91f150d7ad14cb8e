// SPDX-License-Identifier: GPL-2.0-only
/* Section 4: the memory cgroup kfuncs. */
#define _GNU_SOURCE
#include "tests.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define NONE (~0ULL)

static volatile struct memcg_query *query;

/* Load one program, run it for this cgroup, return what it found. */
static n64 ask(const char *program, const char *cg, i64 index)
{
	struct bpf_object *obj = obj_open("memcg.bpf.o");
	n64 result;

	use_program(obj, program);
	obj_load(obj);
	query = obj_var(obj, "query");
	query->cgroup_id = cg ? cg_id(cg) : 0;
	query->index = index;
	EQ(run_program(obj, program), 0);
	result = query->result;
	if (!query->found)
		result = 0;
	return result;
}

/* Within a tenth, or 256 KiB: the machine does not stand still. */
static bool near(n64 a, n64 b)
{
	n64 difference = a > b ? a - b : b - a;

	if (difference > b / 10 + 256 * KIB) {
		printf("# %llu is not near %llu\n", a, b);
		return false;
	}
	return true;
}

/* A cgroup with a process of 5 MiB in a child. */
static const char *in_use(void)
{
	const char *top = cg_make("conf/top"), *leaf;

	cg_write(top, "cgroup.subtree_control", "+memory +pids");
	leaf = cg_make("conf/top/leaf");
	hog(leaf, 5 * MIB, 0);
	return top;
}

void test_memcg_root(void)
{
	EQ(ask("read_root", NULL, 0), 1);
}

void test_memcg_from_cgroup(void)
{
	const char *cg = cg_make("conf/x");

	EQ(ask("read_id", cg, 0), cg_id(cg));
	EQ(ask("read_id", "", 0), cg_id(""));
}

void test_memcg_from_controller(void)
{
	const char *cg = cg_make("conf/x");

	EQ(ask("read_by_css", cg, 0), cg_id(cg));
}

void test_memcg_without_controller(void)
{
	const char *top = cg_make("conf/top"), *child;

	cg_write(top, "cgroup.subtree_control", "+pids");
	child = cg_make("conf/top/child");
	ask("read_id", child, 0);
	EQ(query->found, 0);
}

void test_memcg_usage(void)
{
	const char *cg = in_use();

	CHECK(near(ask("read_usage", cg, 0), cg_read(cg, "memory.current", NULL)));
}

void test_posted_usage_pages(void)
{
	const char *cg = in_use();

	CHECK(near(ask("read_usage", cg, 0) * 4096, cg_read(cg, "memory.current", NULL)));
}

void test_posted_usage_bytes(void)
{
	test_memcg_usage();
}

void test_memcg_page_state(void)
{
	const char *cg = in_use();

	CHECK(near(ask("read_anon", cg, 0), cg_read(cg, "memory.stat", "anon")));
	EXPECT(>=, ask("read_anon", cg, 0), 5 * MIB);
	EQ(ask("read_kernel_stack", cg, 0), cg_read(cg, "memory.stat", "kernel_stack"));
}

void test_memcg_page_state_counts(void)
{
	const char *cg = limited("x", "10M");

	/* memory.stat shows the same number, not bytes. */
	hog(cg, 5 * MIB, 0);
	EQ(ask("read_activate_file", cg, 0), cg_read(cg, "memory.stat", "workingset_activate_file"));
	EQ(ask("read_restore_anon", cg, 0), cg_read(cg, "memory.stat", "workingset_restore_anon"));
}

void test_memcg_page_state_bad(void)
{
	const char *cg = cg_make("conf/x");

	EQ(ask("read_page_state", cg, -1), NONE);
	EQ(ask("read_page_state", cg, 1000), NONE);
	EQ(ask("read_page_state", cg, 0x7fffffff), NONE);
	EQ(ask("read_uncounted_page_state", cg, 0), NONE);
}

void test_memcg_vm_events(void)
{
	const char *cg = in_use();

	EXPECT(>=, ask("read_pgfault", cg, 0), 5 * MIB / 4096);
	EQ(ask("read_pgfault", cg, 0), cg_read(cg, "memory.stat", "pgfault"));
}

void test_memcg_vm_events_bad(void)
{
	const char *cg = cg_make("conf/x");

	EQ(ask("read_vm_event", cg, -1), NONE);
	EQ(ask("read_vm_event", cg, 100000), NONE);
	EQ(ask("read_uncounted_vm_event", cg, 0), NONE);
}

void test_memcg_memory_events(void)
{
	const char *top = cg_make("conf/top"), *leaf;

	cg_write(top, "cgroup.subtree_control", "+memory");
	leaf = limited("top/leaf", "10M");
	cause_oom(leaf);
	EQ(ask("read_oom_kill", leaf, 0), 1);
	EQ(ask("read_oom_kill", top, 0), 1);
	EQ(cg_read(top, "memory.events", "oom_kill"), 1);
}

void test_memcg_memory_events_bad(void)
{
	const char *cg = cg_make("conf/x");

	EQ(ask("read_memory_event", cg, -1), NONE);
	EQ(ask("read_memory_event", cg, 100), NONE);
	EQ(ask("read_memory_event_count", cg, 0), NONE);
}

void test_memcg_fields(void)
{
	const char *cg = limited("x", "10M");

	cg_write(cg, "memory.min", "1M");
	cg_write(cg, "memory.low", "2M");
	cg_write(cg, "memory.high", "8M");
	cg_write(cg, "memory.oom.group", "1");
	EQ(ask("read_max", cg, 0), 10 * MIB);
	EQ(ask("read_min", cg, 0), MIB);
	EQ(ask("read_low", cg, 0), 2 * MIB);
	EQ(ask("read_high", cg, 0), 8 * MIB);
	EQ(ask("read_swap_max", cg, 0), 0);
	EQ(ask("read_oom_group", cg, 0), 1);
}

void test_memcg_any_type(void)
{
	static const char * const programs[] = {
		"any_fentry", "any_tp_btf", "any_kprobe", "any_tracepoint", "any_perf_event",
		"any_lsm", "any_iter", "any_tc", "any_xdp", "any_cgroup_skb", "any_syscall",
		"any_timer", "any_wq",
	};
	size_t i;

	for (i = 0; i < sizeof(programs) / sizeof(programs[0]); i++) {
		struct bpf_object *obj = obj_open("memcg.bpf.o");

		use_program(obj, programs[i]);
		if (obj_load_error(obj)) {
			fputs(verifier_log, stderr);
			FAIL("load program %s", programs[i]);
		}
		bpf_object__close(obj);
	}
}
