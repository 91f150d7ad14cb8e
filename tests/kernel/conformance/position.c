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

/* It ends when the pipe does, and the kernel then writes to its thread id. */
static int wait_and_end(void *pipe)
{
	char c;

	return read(*(int *)pipe, &c, 1);
}

/*
 * A process in cg with threads whose thread ids are in pages not touched yet:
 * clearing each takes a page from the thread that ends.
 */
static pid_t threads_that_will_take_pages(const char *cg, int threads, int *release)
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

/* The handler's calls for OOMs in threads that end, while their process goes on. */
static n64 calls_for_ending_threads(void)
{
	struct oom_test t = oom_load("ops_a");
	const char *cg = cg_make("conf/x");
	uint64_t end = now_ns() + 30000000000ULL;
	/* A processor may have charged 64 pages in advance. */
	int threads = 80, release;
	long long before;
	pid_t pid = threads_that_will_take_pages(cg, threads, &release);

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
