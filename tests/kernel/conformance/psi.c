// SPDX-License-Identifier: GPL-2.0-only
/* Sections 2 and 3: declared OOMs and pressure. */
#define _GNU_SOURCE
#include "tests.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PSI_IO, PSI_MEM, PSI_CPU };
#define PSI_FULL 0x80000000U

/* What the pressure tests use: the stall made by stall() is far above. */
#define THRESHOLD_US 50000
#define WINDOW_US 500000

struct psi_test psi_load(const char *maps)
{
	struct psi_test t = { .obj = obj_open("psi.bpf.o") };
	char copy[256], *map, *rest;

	snprintf(copy, sizeof(copy), "%s", maps);
	for (map = strtok_r(copy, " ", &rest); map; map = strtok_r(NULL, " ", &rest))
		use_ops(t.obj, map);
	obj_load(t.obj);
	t.p = obj_var(t.obj, "p");
	t.q = obj_var(t.obj, "q");
	return t;
}

/* A process that is stalled on memory, over and over, until it is killed. */
static pid_t stall(const char *cg)
{
	cg_write(cg, "memory.high", "4M");
	return hog_start(cg, 256 * MIB, 0);
}

static struct trigger_args mem_trigger(uint64_t id)
{
	return (struct trigger_args){ 1, id, PSI_MEM, THRESHOLD_US, WINDOW_US };
}

/* Attach, see what init() got, detach. */
static long long trigger_result(struct psi_test *t, uint64_t id, uint32_t resource,
				uint32_t threshold, uint32_t window)
{
	t->p->at_init = (struct trigger_args){ 1, id, resource, threshold, window };
	ops_close(ops_attach(t->obj, "psi_p", NULL));
	return t->p->init_result;
}

static int threads_called(const char *name)
{
	struct dirent *entry;
	DIR *dir = opendir("/proc");
	int n = 0;

	while ((entry = readdir(dir))) {
		char path[300], comm[32] = "";
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		f = atoi(entry->d_name) ? fopen(path, "r") : NULL;
		if (!f)
			continue;
		if (fscanf(f, "%31s", comm) == 1)
			n += !strcmp(comm, name);
		fclose(f);
	}
	closedir(dir);
	return n;
}

/* ---- declared OOMs ---- */

/* Declare from init(), as the calling process; return what it got. */
static long long declare(struct psi_test *t, const char *cg, int order, uint64_t flags, bool text)
{
	t->p->declare_at_init = (struct declare_args){ 1, cg ? cg_id(cg) : 0, order, flags, text };
	ops_close(ops_attach(t->obj, "psi_p", NULL));
	return t->p->declare_result;
}

void test_declare_memcg(void)
{
	struct psi_test t = psi_load("psi_p");
	struct oom_test o = oom_load("ops_a");
	const char *cg = limited("x", "10M");
	pid_t victim = hog(cg, MIB, 0);

	ops_attach(o.obj, "ops_a", cg);
	o.a->victim = victim;
	o.a->action = KILL_VICTIM;
	EQ(declare(&t, cg, 3, 0, false), 1);
	EQ(wait_signal(victim), SIGKILL);
	EQ(o.a->calls, 1);
	EQ(o.a->memcg_id, cg_id(cg));
	EQ(o.a->order, 3);
}

void test_declare_global(void)
{
	struct psi_test t = psi_load("psi_p");
	struct oom_test o = oom_load("ops_a");
	pid_t victim = hog(cg_make("conf/x"), MIB, 0);

	ops_attach(o.obj, "ops_a", NULL);
	o.a->memcg_id = 1;
	o.a->victim = victim;
	o.a->action = KILL_VICTIM;
	EQ(declare(&t, NULL, 0, 0, false), 1);
	EQ(wait_signal(victim), SIGKILL);
	EQ(o.a->memcg_id, 0);
	EQ(o.a->gfp_mask, 0xcc0); /* GFP_KERNEL */
}

void test_posted_declare_global(void)
{
	struct psi_test t = psi_load("psi_p");
	struct oom_test o = oom_load("ops_a");

	ops_attach(o.obj, "ops_a", NULL);
	EQ(declare(&t, NULL, 0, 0, false), 1);
	EQ(o.a->calls, 0);
}

void test_declare_none(void)
{
	struct psi_test t = psi_load("psi_p");

	EQ(declare(&t, limited("x", "10M"), 0, 0, false), 0);
}

void test_declare_bad_order(void)
{
	struct psi_test t = psi_load("psi_p");
	const char *cg = limited("x", "10M");

	EQ(declare(&t, cg, -1, 0, false), -EINVAL);
	EQ(declare(&t, cg, -2, 0, false), -EINVAL);
	EQ(declare(&t, cg, 11, 0, false), -EINVAL);
	EQ(declare(&t, cg, 10, 0, false), 0);
}

void test_declare_bad_flags(void)
{
	struct psi_test t = psi_load("psi_p");
	const char *cg = limited("x", "10M");

	EQ(declare(&t, cg, 0, 2, false), -EINVAL);
	EQ(declare(&t, cg, 0, 1ULL << 63, false), -EINVAL);
	EQ(declare(&t, cg, 0, 1, false), 0);
}

/* Someone holds oom_lock until o.a->go_on. */
static struct oom_test hold_oom_lock(void)
{
	struct oom_test o = oom_load("ops_a");
	const char *cg = limited("holder", "4M");

	ops_attach(o.obj, "ops_a", cg);
	o.a->action = SPIN;
	keep_statistics_moving();
	hog_start(cg, 5 * MIB, 0);
	if (!wait_for(&o.a->calls, 1, 20000))
		FAIL("cause an OOM: the handler was not called");
	return o;
}

void test_declare_busy(void)
{
	struct psi_test t = psi_load("psi_p");
	const char *cg = limited("x", "10M");
	struct oom_test o = hold_oom_lock();

	EQ(declare(&t, cg, 0, 0, false), -EBUSY);
	o.a->go_on = 1;
}

static char state_of(pid_t pid)
{
	char path[64], state = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	if (f && fscanf(f, "%*d %*s %c", &state) != 1)
		state = 0;
	if (f)
		fclose(f);
	return state;
}

/* A process that waits for oom_lock in bpf_out_of_memory(). */
static pid_t declare_and_wait(struct psi_test *t, const char *cg)
{
	uint64_t end = now_ns() + 20000000000ULL;
	pid_t pid = fork();

	if (!pid) {
		declare(t, cg, 0, 1, false);
		_exit(0);
	}
	/* It sleeps in nothing else in this state for long. */
	while (state_of(pid) != 'D') {
		if (now_ns() > end)
			FAIL("wait for oom_lock: the process does not wait, its state is %c", state_of(pid));
		poll(NULL, 0, 1);
	}
	return pid;
}

void test_declare_wait(void)
{
	struct psi_test t = psi_load("psi_p");
	const char *cg = limited("x", "10M");
	struct oom_test o = hold_oom_lock();
	int status;
	pid_t pid;

	t.p->declare_result = -1000;
	pid = declare_and_wait(&t, cg);
	EQ(t.p->declare_result, -1000);
	o.a->go_on = 1;
	waitpid(pid, &status, 0);
	EQ(status, 0);
	EQ(t.p->declare_result, 0);
}

void test_declare_interrupted(void)
{
	struct psi_test t = psi_load("psi_p");
	const char *cg = limited("x", "10M");
	struct oom_test o = hold_oom_lock();
	pid_t pid = declare_and_wait(&t, cg);

	kill_and_reap(pid);
	EQ(t.p->declare_result, -EINTR);
	o.a->go_on = 1;
}

/* Declare until the report has come with this text: it is rate limited. */
static bool declare_until(struct psi_test *t, const char *cg, bool text, const char *wanted)
{
	int i;

	log_mark();
	for (i = 0; i < 200 && !log_count(wanted); i++) {
		pid_t victim = hog(cg, MIB, 0);

		EQ(declare(t, cg, 0, 0, text), 1);
		EQ(wait_signal(victim), SIGKILL);
	}
	return log_count(wanted);
}

void test_declare_constraint(void)
{
	struct psi_test t = psi_load("psi_p");

	CHECK(declare_until(&t, limited("x", "10M"), false, "oom-kill:constraint=CONSTRAINT_BPF,"));
}

void test_declare_text(void)
{
	struct psi_test t = psi_load("psi_p");

	CHECK(declare_until(&t, limited("x", "10M"), true, "oom-kill:constraint=the constraint,"));
}

void test_declare_text_unsafe(void)
{
	struct psi_test t = psi_load("psi_p");
	const char *cg = limited("x", "10M");
	char *text = obj_var(t.obj, "constraint_text");
	char longest[100] = "constraint=";

	strcpy(text, "a\nb");
	CHECK(declare_until(&t, cg, true, "oom-kill:constraint=a?b,"));
	memset(text, 'y', 128);
	memset(longest + strlen(longest), 'y', 63);
	strcat(longest, ",");
	CHECK(declare_until(&t, cg, true, longest));
}

/* A large process, and a small one with a high oom_score_adj: who dies? */
static bool small_dies(struct oom_test *o)
{
	struct psi_test t = psi_load("psi_p");
	const char *cg = limited("x", "10M");
	pid_t large = hog(cg, 4 * MIB, 0), small = hog(cg, MIB, 900);
	bool small_dead;

	ops_attach(o->obj, "ops_a", cg);
	EQ(declare(&t, cg, 0, 0, false), 1);
	while (alive(large) && alive(small))
		poll(NULL, 0, 1);
	small_dead = !alive(small);
	CHECK(alive(large) == small_dead);
	return small_dead;
}

void test_declare_totalpages(void)
{
	struct oom_test o = oom_load("ops_a");

	CHECK(small_dies(&o));
	EQ(o.a->totalpages, 10 * MIB / 4096);
}

void test_posted_totalpages(void)
{
	struct oom_test o = oom_load("ops_a");

	CHECK(!small_dies(&o));
	EQ(o.a->totalpages, 0);
}

/* Spare every process there is. */
static void spare_all(const char *score)
{
	struct dirent *entry;
	DIR *dir = opendir("/proc");

	while ((entry = readdir(dir))) {
		char path[300];
		int fd;

		snprintf(path, sizeof(path), "/proc/%s/oom_score_adj", entry->d_name);
		fd = atoi(entry->d_name) ? open(path, O_WRONLY | O_CLOEXEC) : -1;
		if (fd >= 0) {
			if (write(fd, score, strlen(score)) < 0)
				FAIL("write %s to %s: %s", score, path, strerror(errno));
			close(fd);
		}
	}
	closedir(dir);
}

void test_declare_no_killable(void)
{
	struct psi_test t = psi_load("psi_p");

	spare_all("-1000");
	t.p->declare_result = -1000;
	declare(&t, NULL, 0, 0, false);
	spare_all("0");
	EQ(t.p->declare_result, 0);
}

/* ---- triggers ---- */

void test_trigger_limits(void)
{
	struct psi_test t = psi_load("psi_p");

	EQ(trigger_result(&t, 0, 3, 1000, 2000), -EINVAL);
	EQ(trigger_result(&t, 0, 0x40000001, 1000, 2000), -EINVAL);
	EQ(trigger_result(&t, 0, PSI_MEM, 1000, 0), -EINVAL);
	EQ(trigger_result(&t, 0, PSI_MEM, 1000, 10000001), -EINVAL);
	EQ(trigger_result(&t, 0, PSI_MEM, 1000, 10000000), 0);
	EQ(trigger_result(&t, 0, PSI_MEM, 0, 1000000), -EINVAL);
	EQ(trigger_result(&t, 0, PSI_MEM, 1000001, 1000000), -EINVAL);
	EQ(trigger_result(&t, 0, PSI_MEM, 1000000, 1000000), 0);
	EQ(trigger_result(&t, 0x123456789, PSI_MEM, 1000, 1000000), -ENOENT);
}

void test_trigger_kinds(void)
{
	struct psi_test t = psi_load("psi_p");
	uint64_t id = cg_id(cg_make("conf/x"));
	uint32_t resource;

	for (resource = PSI_IO; resource <= PSI_CPU; resource++) {
		EQ(trigger_result(&t, 0, resource, 100000, 1000000), 0);
		EQ(trigger_result(&t, 0, resource | PSI_FULL, 100000, 1000000), 0);
		EQ(trigger_result(&t, id, resource, 100000, 1000000), 0);
		EQ(trigger_result(&t, id, resource | PSI_FULL, 100000, 1000000), 0);
	}
}

void test_trigger_unprivileged(void)
{
	struct __user_cap_header_struct header = { _LINUX_CAPABILITY_VERSION_3, 0 };
	struct psi_test t = psi_load("psi_p");
	struct __user_cap_data_struct data[2];

	EQ(syscall(SYS_capget, &header, data), 0);
	data[0].effective &= ~(1 << CAP_SYS_RESOURCE);
	EQ(syscall(SYS_capset, &header, data), 0);
	EQ(trigger_result(&t, 0, PSI_MEM, 1000, 1000000), -EINVAL);
	EQ(trigger_result(&t, 0, PSI_MEM, 1000, 3000000), -EINVAL);
	EQ(trigger_result(&t, 0, PSI_MEM, 1000, 2000000), 0);
	EQ(trigger_result(&t, 0, PSI_MEM, 1000, 10000000), 0);
}

/* ---- instances ---- */

void test_psi_types(void)
{
	has_members("bpf_psi_ops", "init", "handle_psi_event", "handle_cgroup_online",
		    "handle_cgroup_offline", "bpf_psi", NULL);
	has_members("bpf_psi", "lock", "triggers", "ops", "srcu", "node", NULL);
	has_members("psi_trigger", "type", NULL);
	has_members("psi_trigger", "cgroup_id", NULL);
	has_members("bpf_struct_ops_bpf_psi_ops", "common", "data", NULL);
}

void test_psi_required(void)
{
	struct psi_test t = psi_load("psi_without_init psi_without_event");

	EQ(ops_prepare(t.obj, "psi_without_init"), -EINVAL);
	EQ(ops_prepare(t.obj, "psi_without_event"), -EINVAL);
}

void test_psi_rest_optional(void)
{
	struct psi_test t = psi_load("psi_plain");
	const char *cg = cg_make("conf/x");
	int link;

	t.p->at_init = mem_trigger(cg_id(cg));
	link = ops_attach(t.obj, "psi_plain", NULL);
	stall(cg);
	CHECK(wait_for(&t.p->events, 1, 30000));
	cg_remove(cg_make("conf/y"));
	cg_remove(cg);
	ops_close(link);
}

void test_psi_init_once(void)
{
	struct psi_test t = psi_load("psi_p");
	int link = ops_attach(t.obj, "psi_p", NULL);

	EQ(t.p->inits, 1);
	ops_close(link);
	ops_attach(t.obj, "psi_p", NULL);
	EQ(t.p->inits, 2);
}

void test_psi_init_fails(void)
{
	struct psi_test t = psi_load("psi_p");
	const char *cg = cg_make("conf/x");
	int before = threads_called("psimon");

	EQ(ops_prepare(t.obj, "psi_p"), 0);
	t.p->at_init = mem_trigger(cg_id(cg));
	t.p->init_return = -E2BIG;
	EQ(ops_link(t.obj, "psi_p", 0), -E2BIG);
	t.p->init_return = 1;
	EQ(ops_link(t.obj, "psi_p", 0), -EINVAL);
	EQ(threads_called("psimon"), before);
	/* Neither cgroups nor pressure find it. */
	cg_make("conf/y");
	stall(cg);
	t.p->init_return = 0;
	EQ(t.p->onlines, 0);
	EQ(t.p->events, 0);
	ops_attach(t.obj, "psi_p", NULL);
	CHECK(wait_for(&t.p->events, 1, 30000));
	EQ(t.p->onlines, 0);
}

void test_strict_psi_twice(void)
{
	struct psi_test t = psi_load("psi_p");

	log_mark();
	ops_attach(t.obj, "psi_p", NULL);
	EQ(log_count("BUG: a bpf_psi_ops map is attached twice"), 0);
	ops_attach(t.obj, "psi_p", NULL);
	CHECK(log_has("BUG: a bpf_psi_ops map is attached twice"));
}

void test_psi_legacy(void)
{
	struct psi_test t = psi_load("psi_legacy");

	EQ(ops_prepare(t.obj, "psi_legacy"), -EOPNOTSUPP);
	EQ(t.p->inits, 0);
}

void test_psi_cgroup_fd(void)
{
	struct psi_test t = psi_load("psi_p");

	EQ(ops_prepare(t.obj, "psi_p"), 0);
	EQ(ops_link(t.obj, "psi_p", cg_open(cg_make("conf/x"))), -EOPNOTSUPP);
	EQ(t.p->inits, 0);
}

void test_psi_event(void)
{
	struct psi_test t = psi_load("psi_p");
	const char *cg = cg_make("conf/x");

	t.p->at_init = mem_trigger(cg_id(cg));
	ops_attach(t.obj, "psi_p", NULL);
	EQ(t.p->init_result, 0);
	stall(cg);
	CHECK(wait_for(&t.p->events, 1, 30000));
	EQ(t.p->event_cgroup_id, cg_id(cg));
	EQ(t.p->event_type, 2); /* PSI_BPF */
	EQ(t.p->event_state, 2); /* PSI_MEM_SOME */
	EQ(t.p->event_threshold, THRESHOLD_US * 1000);
	EQ(t.p->event_window, WINDOW_US * 1000);
	EXPECT(>=, t.p->event_group, THRESHOLD_US * 1000);
}

void test_psi_event_system(void)
{
	struct psi_test t = psi_load("psi_p");
	const char *cg = cg_make("conf/x");

	t.p->at_init = mem_trigger(0);
	ops_attach(t.obj, "psi_p", NULL);
	stall(cg);
	CHECK(wait_for(&t.p->events, 1, 30000));
	EQ(t.p->event_cgroup_id, 0);
}

/* Wait for so many events of a user-space trigger like ours. */
static void user_events(const char *cg, int n)
{
	char path[256], text[64];
	struct pollfd p = { .events = POLLPRI };

	snprintf(path, sizeof(path), "/sys/fs/cgroup/%s/memory.pressure", cg);
	p.fd = open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	snprintf(text, sizeof(text), "some %u %u", THRESHOLD_US, WINDOW_US);
	if (write(p.fd, text, strlen(text) + 1) < 0)
		FAIL("create a trigger: %s", strerror(errno));
	while (n--)
		if (poll(&p, 1, 30000) != 1)
			FAIL("wait for a user-space trigger: no event in 30 s");
	close(p.fd);
}

void test_psi_rearms(void)
{
	struct psi_test t = psi_load("psi_p");
	const char *cg = cg_make("conf/x");

	t.p->at_init = mem_trigger(cg_id(cg));
	ops_attach(t.obj, "psi_p", NULL);
	stall(cg);
	user_events(cg, 10);
	printf("# 10 events in user space, %llu here\n", t.p->events);
	EXPECT(>=, t.p->events, 8);
	EXPECT(<=, t.p->events, 12);
}

void test_posted_fires_once(void)
{
	struct psi_test t = psi_load("psi_p");
	const char *cg = cg_make("conf/x");

	t.p->at_init = mem_trigger(cg_id(cg));
	ops_attach(t.obj, "psi_p", NULL);
	stall(cg);
	user_events(cg, 5);
	EQ(t.p->events, 1);
}

void test_psi_slow_handler(void)
{
	struct psi_test t = psi_load("psi_p psi_q");
	const char *cg = cg_make("conf/x");

	t.p->at_init = t.q->at_init = mem_trigger(cg_id(cg));
	t.p->spin_at_event = 1;
	/* Whichever order they fire in, the slow one is attached first. */
	ops_attach(t.obj, "psi_p", NULL);
	ops_attach(t.obj, "psi_q", NULL);
	stall(cg);
	CHECK(wait_for(&t.p->events, 1, 30000));
	CHECK(wait_for(&t.q->events, 1, 30000));
	/* Still in its first call. */
	EQ(t.p->returns, 0);
	t.p->go_on = 1;
}

void test_psi_online(void)
{
	struct psi_test t = psi_load("psi_p");
	const char *cg = NULL;
	int i;

	ops_attach(t.obj, "psi_p", NULL);
	for (i = 0; i < 5; i++)
		cg = cg_make("conf/x%d", i);
	CHECK(wait_for(&t.p->onlines, 5, 10000));
	EQ(t.p->onlines, 5);
	EQ(t.p->online_id, cg_id(cg));
}

void test_psi_online_trigger(void)
{
	struct psi_test t = psi_load("psi_p");
	const char *cg;

	t.p->at_online = mem_trigger(0);
	ops_attach(t.obj, "psi_p", NULL);
	cg = cg_make("conf/x");
	CHECK(wait_for(&t.p->onlines, 1, 10000));
	EQ(t.p->online_result, 0);
	stall(cg);
	CHECK(wait_for(&t.p->events, 1, 30000));
	EQ(t.p->event_cgroup_id, cg_id(cg));
}

void test_posted_online_trigger(void)
{
	struct psi_test t = psi_load("psi_p");

	t.p->at_online = mem_trigger(0);
	ops_attach(t.obj, "psi_p", NULL);
	cg_make("conf/x");
	CHECK(wait_for(&t.p->onlines, 1, 10000));
	EQ(t.p->online_result, -ENOENT);
}

void test_psi_offline(void)
{
	struct psi_test t = psi_load("psi_p");
	const char *with = cg_make("conf/with"), *without = cg_make("conf/without");
	uint64_t id = cg_id(with);

	t.p->at_init = mem_trigger(id);
	ops_attach(t.obj, "psi_p", NULL);
	/* In this order: when the second is told, the first would have been. */
	cg_remove(without);
	cg_remove(with);
	CHECK(wait_for(&t.p->offlines, 1, 10000));
	EQ(t.p->offline_id, id);
	EQ(t.p->offlines, 1);
}

void test_psi_cgroup_freed(void)
{
	struct psi_test t = psi_load("psi_p");
	const char *cg = cg_make("conf/x");
	uint64_t end;

	t.p->at_init = mem_trigger(cg_id(cg));
	t.p->many = 10;
	ops_attach(t.obj, "psi_p", NULL);
	cg_remove(cg);
	CHECK(wait_for(&t.p->offlines, 1, 10000));
	end = now_ns() + 20000000000ULL;
	while (cg_read("conf", "cgroup.stat", "nr_dying_descendants") && now_ns() < end)
		poll(NULL, 0, 5);
	EQ(cg_read("conf", "cgroup.stat", "nr_dying_descendants"), 0);
}

void test_psi_many(void)
{
	struct psi_test t = psi_load("psi_p");
	const char *cg = cg_make("conf/x");
	int before = threads_called("psimon"), link;

	t.p->at_init = mem_trigger(cg_id(cg));
	t.p->many = 100;
	link = ops_attach(t.obj, "psi_p", NULL);
	EQ(t.p->init_result, 0);
	EQ(threads_called("psimon"), before + 1);
	ops_close(link);
	EQ(threads_called("psimon"), before);
}

void test_psi_two(void)
{
	struct psi_test t = psi_load("psi_p psi_q");
	const char *cg = cg_make("conf/x");

	t.p->at_init = t.q->at_init = mem_trigger(cg_id(cg));
	ops_attach(t.obj, "psi_p", NULL);
	ops_attach(t.obj, "psi_q", NULL);
	stall(cg);
	CHECK(wait_for(&t.p->events, 1, 30000));
	CHECK(wait_for(&t.q->events, 1, 30000));
}

void test_psi_declares(void)
{
	struct psi_test t = psi_load("psi_p");
	struct oom_test o = oom_load("ops_a");
	const char *cg = cg_make("conf/x");
	pid_t victim;

	ops_attach(o.obj, "ops_a", cg);
	t.p->at_init = mem_trigger(cg_id(cg));
	t.p->declare_at_event = (struct declare_args){ 1, cg_id(cg), 0, 1, 0 };
	victim = stall(cg);
	o.a->victim = victim;
	o.a->action = KILL_VICTIM;
	ops_attach(t.obj, "psi_p", NULL);
	EQ(wait_signal(victim), SIGKILL);
	EQ(cg_read(cg, "memory.events", "oom_kill"), 1);
}
