// SPDX-License-Identifier: GPL-2.0-only
/* Section 1: where the hook sits in out_of_memory(), and what an OOM meets before it. */
#define _GNU_SOURCE
#include "tests.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/msg.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void set_file(const char *path, const char *value)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, value, strlen(value)) < 0)
		FAIL("write %s to %s: %s", value, path, strerror(errno));
	close(fd);
}

static size_t machine_memory(void)
{
	return (size_t)sysconf(_SC_PHYS_PAGES) * 4096;
}

static size_t free_memory(void)
{
	return (size_t)sysconf(_SC_AVPHYS_PAGES) * 4096;
}

static void cause_global_oom(void)
{
	pid_t pid = hog(cg_make("conf/hog"), machine_memory(), 1000);

	EQ(wait_signal(pid), SIGKILL);
}

static volatile struct oom_path *path;

/* A handler system-wide that declines, and beside it this program, which fills in path. */
static struct oom_test observed(const char *program)
{
	struct oom_test t = { .obj = obj_open("oom.bpf.o") };

	use_ops(t.obj, "ops_a");
	use_program(t.obj, program);
	obj_load(t.obj);
	if (!bpf_program__attach(bpf_object__find_program_by_name(t.obj, program)))
		FAIL("attach program %s: %s", program, strerror(errno));
	ops_attach(t.obj, "ops_a", NULL);
	t.a = obj_var(t.obj, "a");
	path = obj_var(t.obj, "path");
	return t;
}

void test_oom_global(void)
{
	struct oom_test t = oom_load("ops_a ops_b");

	ops_attach(t.obj, "ops_a", NULL);
	ops_attach(t.obj, "ops_b", "");
	t.a->memcg_id = 1;
	cause_global_oom();
	EXPECT(>=, t.a->calls, 1);
	EQ(t.a->memcg_id, 0);
	EQ(t.a->constraint, 0);
	EQ(t.b->calls, 0);
}

/* It ends when the pipe does, and the kernel then writes to its thread id. */
static int wait_and_end(void *pipe)
{
	char c;

	return read(*(int *)pipe, &c, 1);
}

/*
 * A process in cg with threads that end when the pipe does. Their thread ids are in pages not touched yet: clearing
 * each takes a page from the thread that ends.
 */
static pid_t threads_waiting(const char *cg, int threads, int *release)
{
	int ready[2], end[2], i;
	cpu_set_t one;
	pid_t pid;
	char c;

	if (pipe(ready) || pipe(end))
		FAIL("make a pipe: %s", strerror(errno));
	pid = fork();
	if (!pid) {
		char *ids, *stacks;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(end[1]);
		set_file("/proc/self/oom_score_adj", "-1000");
		/* What one processor has charged in advance is enough for one processor. */
		CPU_ZERO(&one);
		CPU_SET(0, &one);
		sched_setaffinity(0, sizeof(one), &one);
		cg_enter(cg, 0);
		ids = mmap(NULL, threads * 4096, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		stacks = mmap(NULL, threads * 8192, PROT_READ | PROT_WRITE,
			      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		for (i = 0; i < threads; i++)
			if (clone(wait_and_end, stacks + (i + 1) * 8192,
				  CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND |
				  CLONE_THREAD | CLONE_SYSVSEM | CLONE_CHILD_CLEARTID,
				  &end[0], NULL, NULL, ids + i * 4096) < 0)
				_exit(1);
		if (write(ready[1], "", 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	close(end[0]);
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		FAIL("start a process with %d threads: it died", threads);
	*release = end[1];
	return pid;
}

/* ---- sysrq ---- */

void test_oom_sysrq(void)
{
	struct oom_test t = oom_load("ops_a ops_b");
	pid_t victim = hog(cg_make("conf/x"), MIB, 0);

	ops_attach(t.obj, "ops_a", NULL);
	ops_attach(t.obj, "ops_b", "");
	t.a->memcg_id = 1;
	t.a->victim = victim;
	t.a->action = KILL_VICTIM;
	set_file("/proc/sysrq-trigger", "f");
	EQ(wait_signal(victim), SIGKILL);
	EQ(t.a->calls, 1);
	EQ(t.a->memcg_id, 0);
	EQ(t.a->order, -1);
	EQ(t.a->gfp_mask, 0xcc0); /* GFP_KERNEL */
	EQ(t.b->calls, 0);
}

/* ---- time ---- */

void test_oom_slow(void)
{
	struct oom_test t = oom_load("ops_a");
	const char *slow = limited("slow", "10M"), *other = limited("other", "10M");
	struct pollfd end = { .events = POLLIN };
	pid_t asker, waiting;

	ops_attach(t.obj, "ops_a", slow);
	t.a->action = SPIN;
	keep_statistics_moving();
	asker = hog_start(slow, 15 * MIB, 0);
	CHECK(wait_for(&t.a->calls, 1, 20000));
	waiting = hog_start(other, 15 * MIB, 0);
	end.fd = syscall(SYS_pidfd_open, waiting, 0);
	/* Nobody dies as long as the handler runs. */
	EQ(poll(&end, 1, 2000), 0);
	CHECK(alive(asker));
	EXPECT(>=, cg_read(other, "memory.events", "oom"), 1);
	/* Nor does it keep others from working. */
	cg_remove(cg_make("conf/y"));
	kill_and_reap(hog(cg_make("conf/z"), 20 * MIB, 0));
	t.a->go_on = 1;
	EQ(wait_signal(waiting), SIGKILL);
	EQ(wait_signal(asker), SIGKILL);
}

#define MANY 10000
#define WATCHDOG_THRESH "/proc/sys/kernel/watchdog_thresh"

void test_oom_many_tasks(void)
{
	struct oom_test t = oom_load("ops_a");
	const char *cg = cg_make("conf/x");
	int processes = 10, release, i;
	pid_t pid[10], victim, asker;

	/* A report after 10 s; other rows want more time for that, see the script run. */
	set_file(WATCHDOG_THRESH, "5");
	set_file("/proc/sys/kernel/threads-max", "20000");
	for (i = 0; i < processes; i++)
		pid[i] = threads_waiting(cg, MANY / processes - 1, &release);
	EQ(cg_read(cg, "pids.current", NULL), MANY);
	t.a->victim = victim = hog(cg, 8 * MIB, 0);
	t.a->action = WALK_AND_KILL;
	ops_attach(t.obj, "ops_a", cg);
	cg_write(cg, "memory.swap.max", "0");
	cg_write(cg, "memory.max", "%lld", cg_read(cg, "memory.current", NULL) + (long long)(2 * MIB));
	asker = hog(cg, 4 * MIB, 0);
	EXPECT(>=, t.a->calls, 1);
	EQ(t.a->walked, MANY + 2);
	EQ(wait_signal(victim), SIGKILL);
	CHECK(alive(asker));
	for (i = 0; i < processes; i++)
		CHECK(alive(pid[i]));
	/* They take their time to end, and a page each. */
	cg_write(cg, "memory.max", "max");
	for (i = 0; i < processes; i++)
		kill_and_reap(pid[i]);
	set_file(WATCHDOG_THRESH, "60");
}

/* ---- nodes ---- */

#define NODE_1 2UL
#define MPOL_BIND 2

/* A process in cg that takes all of the memory of node 1. */
static pid_t hog_on_node_1(const char *cg, bool by_policy)
{
	unsigned long mask = NODE_1;
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	set_file("/proc/self/oom_score_adj", "1000");
	cg_enter(cg, 0);
	if (by_policy && syscall(SYS_set_mempolicy, MPOL_BIND, &mask, 64))
		_exit(1);
	memset(mmap(NULL, machine_memory(), PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0), 1, machine_memory());
	_exit(1);
}

void test_numa_policy(void)
{
	struct oom_test t = oom_load("ops_a");

	ops_attach(t.obj, "ops_a", NULL);
	EQ(wait_signal(hog_on_node_1(cg_make("conf/x"), true)), SIGKILL);
	EXPECT(>=, t.a->calls, 1);
	EQ(t.a->constraint, 2); /* CONSTRAINT_MEMORY_POLICY */
	EQ(t.a->nodes, NODE_1);
	EQ(t.a->memcg_id, 0);
}

static const char *cpuset_of_node_1(void)
{
	const char *cg;

	cg_write("", "cgroup.subtree_control", "+cpuset");
	cg_write("conf", "cgroup.subtree_control", "+cpuset");
	cg = cg_make("conf/node1");
	cg_write(cg, "cpuset.mems", "1");
	return cg;
}

void test_numa_cpuset(void)
{
	struct oom_test t = oom_load("ops_a");

	ops_attach(t.obj, "ops_a", NULL);
	EQ(wait_signal(hog_on_node_1(cpuset_of_node_1(), false)), SIGKILL);
	EXPECT(>=, t.a->calls, 1);
	EQ(t.a->constraint, 1); /* CONSTRAINT_CPUSET */
	EQ(t.a->nodes, 0);
}

void test_numa_scope(void)
{
	struct oom_test t = oom_load("ops_a");
	const char *there = cpuset_of_node_1(), *elsewhere = cg_make("conf/node0");
	pid_t other;

	cg_write(elsewhere, "cpuset.mems", "0");
	other = hog(elsewhere, MIB, 0);
	ops_attach(t.obj, "ops_a", NULL);
	t.a->victim = other;
	t.a->action = KILL_AND_DECLINE;
	EQ(wait_signal(hog_on_node_1(there, false)), SIGKILL);
	EQ(t.a->result, -EPERM);
	CHECK(alive(other));
}

/* ---- the notifiers ---- */

void test_oom_notifiers(void)
{
	struct oom_test t = observed("notifiers");

	cause_oom(limited("x", "10M"));
	EXPECT(>=, t.a->calls, 1);
	EQ(path->notifications, 0);
	t.a->calls = 0;
	cause_global_oom();
	EXPECT(>=, t.a->calls, 1);
	EXPECT(>=, path->notifications_first, 1);
	EXPECT(>=, path->notifications, t.a->calls);
}

/* ---- tasks that die anyway ---- */

/*
 * The kernel takes all of a message's memory before it looks at it, whatever
 * signals are pending. For the text the zero page will do.
 */
static void send_huge_message(size_t bytes)
{
	struct { long type; char text[]; } *message;
	int queue = msgget(IPC_PRIVATE, 0600);

	message = mmap(NULL, bytes + 4096, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	message->type = 1;
	msgsnd(queue, message, bytes, 0);
	msgctl(queue, IPC_RMID, NULL);
	_exit(1);
}

void test_oom_dying_task(void)
{
	size_t before, bytes = machine_memory();
	char text[32];
	pid_t pid;

	observed("victims");
	/* Beyond the limit of a queue the send would fail at last, which is all right. */
	snprintf(text, sizeof(text), "%zu", bytes);
	set_file("/proc/sys/kernel/msgmax", text);
	/* Others may want a page before the message is freed: not at our expense. */
	hog(cg_make("conf/spare"), 32 * MIB, 1000);
	before = free_memory();
	pid = fork();
	if (!pid)
		send_huge_message(bytes);
	path->task = pid;
	/* In the middle of it. */
	while (free_memory() > before - before / 4)
		if (waitpid(pid, NULL, WNOHANG))
			FAIL("make a process take memory for a message: it ended early");
	kill(pid, SIGKILL);
	EQ(wait_signal(pid), SIGKILL);
	EQ(path->victims, 1);
	EQ(path->handled, 0);
}

/* The handler's calls for OOMs in threads that end, while their process goes on. */
static n64 calls_for_ending_threads(void)
{
	struct oom_test t = oom_load("ops_a");
	const char *cg = cg_make("conf/x");
	uint64_t end = now_ns() + 30000000000ULL;
	/* A processor may have charged 64 pages in advance. */
	int threads = 80, release;
	long long before;
	pid_t pid = threads_waiting(cg, threads, &release);

	EQ(cg_read(cg, "pids.current", NULL), threads + 1);
	/* Far above the limit, and none that could be killed. */
	cg_write(cg, "memory.swap.max", "0");
	cg_write(cg, "memory.max", "64K");
	before = cg_read(cg, "memory.events", "oom");
	ops_attach(t.obj, "ops_a", cg);
	close(release);
	while (cg_read(cg, "pids.current", NULL) > 1 && now_ns() < end)
		poll(NULL, 0, 5);
	EXPECT(>, cg_read(cg, "memory.events", "oom"), before);
	EQ(cg_read(cg, "memory.events", "oom_kill"), 0);
	CHECK(alive(pid));
	return t.a->calls;
}

void test_oom_dying_task_memcg(void)
{
	EQ(calls_for_ending_threads(), 0);
}

void test_oom_dying_task_memcg_asks(void)
{
	EXPECT(>=, calls_for_ending_threads(), 1);
}

/* ---- allocations that may not call into file systems ---- */

#define ZRAM "/sys/block/zram0/"

/* Fill a compressed block device with what cannot be compressed. */
static pid_t fill_zram(size_t bytes)
{
	pid_t pid = fork();
	uint64_t x = 88172645463325252ULL;
	uint64_t *buffer;
	size_t i;
	int fd;

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	buffer = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (i = 0; i < MIB / 8; i++) {
		x ^= x << 13;
		x ^= x >> 7;
		x ^= x << 17;
		buffer[i] = x;
	}
	fd = open("/dev/zram0", O_WRONLY | O_DIRECT | O_CLOEXEC);
	for (i = 0; i < bytes / MIB; i++)
		if (write(fd, buffer, MIB) != MIB)
			_exit(1);
	for (;;)
		pause();
}

/* Whether a global OOM without __GFP_FS came, before one with it killed the filler. */
static bool oom_without_fs_came(void)
{
	size_t bytes = machine_memory();
	uint64_t end = now_ns() + 30000000000ULL;
	pid_t filler, writer;
	char text[32];
	bool came = false;

	/* Together too much, but not after the first has gone. */
	snprintf(text, sizeof(text), "%zu", (bytes / 2) & ~(MIB - 1));
	set_file(ZRAM "disksize", text);
	filler = hog(cg_make("conf/filler"), bytes / 3 * 2, 1000);
	writer = fill_zram(bytes / 2);
	while (!came && alive(filler) && now_ns() < end)
		came = wait_for(&path->entered_without_fs, 1, 5);
	kill_and_reap(filler);
	kill_and_reap(writer);
	set_file(ZRAM "reset", "1");
	return came;
}

void test_oom_without_fs(void)
{
	int tries = 5;

	observed("entries");
	/* Whichever process needs a page first decides which kind it is: mostly the writer. */
	while (!oom_without_fs_came())
		EXPECT(>, --tries, 0);
	EQ(path->handled_without_fs, 0);
}

/* ---- sysctls ---- */

#define ALLOCATING_TASK "/proc/sys/vm/oom_kill_allocating_task"
#define PANIC_ON_OOM "/proc/sys/vm/panic_on_oom"

void test_oom_kill_allocating_task(void)
{
	struct oom_test t = oom_load("ops_a");

	ops_attach(t.obj, "ops_a", NULL);
	set_file(ALLOCATING_TASK, "1");
	cause_global_oom();
	set_file(ALLOCATING_TASK, "0");
	EQ(t.a->calls, 0);
}

void test_oom_allocating_task_memcg(void)
{
	struct oom_test t = oom_load("ops_a");
	const char *cg = limited("x", "10M");

	ops_attach(t.obj, "ops_a", NULL);
	set_file(ALLOCATING_TASK, "1");
	cause_oom(cg);
	set_file(ALLOCATING_TASK, "0");
	EXPECT(>=, t.a->calls, 1);
}

void test_oom_panic_spares_memcg(void)
{
	struct oom_test t = oom_load("ops_a");
	const char *cg = limited("x", "10M");

	ops_attach(t.obj, "ops_a", NULL);
	set_file(PANIC_ON_OOM, "1");
	cause_oom(cg);
	set_file(PANIC_ON_OOM, "0");
	EXPECT(>=, t.a->calls, 1);
}

/* A handler that would save the day, if it were asked. */
static void panic_despite_policy(const char *panic_on_oom, const char *cg, size_t bytes)
{
	struct oom_test t = oom_load("ops_a");

	ops_attach(t.obj, "ops_a", NULL);
	t.a->action = KILL_VICTIM;
	t.a->victim = hog(cg, bytes / 4 * 3, 0);
	set_file(PANIC_ON_OOM, panic_on_oom);
	hog(cg, bytes, 0);
	set_file(PANIC_ON_OOM, "0");
	FAIL("the machine is still there, the handler was called %llu times", t.a->calls);
}

void test_oom_panic_global(void)
{
	panic_despite_policy("1", cg_make("conf/x"), machine_memory());
}

void test_oom_panic_memcg(void)
{
	panic_despite_policy("2", limited("x", "10M"), 10 * MIB);
}
