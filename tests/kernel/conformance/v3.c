// SPDX-License-Identifier: GPL-2.0-only
/* Section 6: what v3 of the series has otherwise than v2. */
#define _GNU_SOURCE
#include "tests.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void test_v3_types(void)
{
	has_members("bpf_oom_ops", "handle_out_of_memory", "name", NULL);
	has_members("oom_control", "constraint", "bpf_memory_freed", NULL);
	has_members("bpf_struct_ops_link", "cgroup", NULL);
	has_members("psi_group", "cgroup_id", NULL);
}

void test_v3_link(void)
{
	struct oom_test t = oom_load("ops_a ops_b");
	const char *cg = limited("x", "10M");

	ops_attach(t.obj, "ops_a", cg);
	ops_attach(t.obj, "ops_b", "conf");
	cause_oom(cg);
	EQ(t.a->ctx_id, cg_id(cg));
	EQ(t.b->ctx_id, cg_id("conf"));
	EQ(t.a->calls, t.b->calls);
	EQ(t.b->sequence, t.a->sequence + 1);
}

void test_v3_root(void)
{
	struct oom_test t = oom_load("ops_a");
	const char *cg = limited("x", "10M");
	pid_t victim, other;
	int fd;

	ops_attach(t.obj, "ops_a", "");
	t.a->action = KILL_VICTIM;
	t.a->victim = victim = hog(cg, 5 * MIB, 0);
	other = hog(cg, 6 * MIB, 0);
	EQ(wait_signal(victim), SIGKILL);
	EQ(t.a->memcg_id, cg_id(cg));
	EQ(t.a->ctx_id, 1);
	kill_and_reap(other);

	t.a->calls = 0;
	t.a->victim = victim = hog(cg, 5 * MIB, 0);
	fd = open("/proc/sysrq-trigger", O_WRONLY);
	EQ(write(fd, "f", 1), 1);
	close(fd);
	EQ(wait_signal(victim), SIGKILL);
	EQ(t.a->memcg_id, 0);
	EQ(t.a->order, -1);
}

void test_v3_errors(void)
{
	struct oom_test t = oom_load("ops_a ops_b");
	const char *cg = limited("x", "10M");
	int fd;

	EQ(ops_prepare(t.obj, "ops_a"), 0);
	EQ(ops_link_raw(t.obj, "ops_a", 0, 0, 0), -EINVAL);
	EQ(ops_link_raw(t.obj, "ops_a", 0, 0, cg_open(cg)), -EINVAL);
	EQ(ops_link_raw(t.obj, "ops_a", cg_open(cg), 1, 0), -EINVAL);
	EQ(ops_link(t.obj, "ops_a", 999), -EBADF);
	fd = open("/tmp", O_RDONLY | O_DIRECTORY);
	EQ(ops_link(t.obj, "ops_a", fd), -EBADF);
	fd = cg_open(cg_make("conf/gone"));
	cg_remove("conf/gone");
	EQ(ops_link(t.obj, "ops_a", fd), -EBUSY);
	ops_attach(t.obj, "ops_a", cg);
	EQ(ops_prepare(t.obj, "ops_b"), 0);
	EQ(ops_link(t.obj, "ops_b", cg_open(cg)), -EEXIST);
}

void test_v3_no_controller(void)
{
	struct oom_test t = oom_load("ops_a");
	const char *top = limited("top", "10M"), *child = cg_make("conf/top/child");

	ops_attach(t.obj, "ops_a", child);
	/* The memory cgroup is top. */
	cause_oom(child);
	EQ(t.a->calls, 0);
	EQ(cg_read(top, "memory.events", "oom_kill"), 1);
}

void test_v3_info(void)
{
	struct oom_test t = oom_load("ops_a ops_b");
	const char *cg = limited("x", "10M");

	shows_cgroup_id(ops_attach(t.obj, "ops_a", cg), cg_id(cg));
	shows_cgroup_id(ops_attach(t.obj, "ops_b", ""), 1);
}

void test_v3_removed(void)
{
	struct oom_test t = oom_load("ops_a");
	const char *cg = limited("x", "10M");
	struct pollfd p = { .events = POLLIN };
	uint64_t end;

	p.fd = ops_attach(t.obj, "ops_a", cg);
	EQ(poll(&p, 1, 0), 0);
	cg_remove(cg);
	EQ(poll(&p, 1, 10000), 1);
	EQ(p.revents, POLLHUP);
	/* Nothing keeps the cgroup. */
	end = now_ns() + 20000000000ULL;
	while (cg_read("conf", "cgroup.stat", "nr_dying_descendants") && now_ns() < end)
		poll(NULL, 0, 5);
	EQ(cg_read("conf", "cgroup.stat", "nr_dying_descendants"), 0);
}

void test_v3_report(void)
{
	struct oom_test t = oom_load("ops_a");
	const char *cg = limited("x", "10M");
	pid_t other;
	int i;

	log_mark();
	CHECK(oom_until(cg, "invoked oom-killer"));
	EQ(log_count("oom_handler="), 0);
	ops_attach(t.obj, "ops_a", cg);
	t.a->action = KILL_VICTIM;
	for (i = 0; i < 200 && !log_count("oom_handler=policy_a"); i++) {
		t.a->victim = hog(cg, 5 * MIB, 0);
		other = hog(cg, 6 * MIB, 0);
		EQ(wait_signal(t.a->victim), SIGKILL);
		kill_and_reap(other);
	}
	CHECK(log_has("oom_handler=policy_a"));
}

void test_v3_declare(void)
{
	struct bpf_object *obj = obj_open("oom.bpf.o");
	const char *cg = limited("x", "10M");
	volatile struct declare_args *declared;
	volatile i64 *result;
	volatile struct oom_seen *a;
	pid_t victim = hog(cg, MIB, 0);

	use_ops(obj, "ops_a");
	use_program(obj, "declare");
	obj_load(obj);
	declared = obj_var(obj, "declared");
	result = obj_var(obj, "declare_result");
	a = obj_var(obj, "a");
	ops_attach(obj, "ops_a", cg);
	a->victim = victim;
	a->action = KILL_VICTIM;
	declared->cgroup_id = cg_id(cg);
	declared->order = 3;
	EQ(run_program(obj, "declare"), 0);
	EQ(*result, 1);
	EQ(wait_signal(victim), SIGKILL);
	EQ(a->order, 3);
	declared->order = -1;
	EQ(run_program(obj, "declare"), 0);
	EQ(*result, -EINVAL);
	declared->order = 0;
	declared->flags = 2;
	EQ(run_program(obj, "declare"), 0);
	EQ(*result, -EINVAL);
}
