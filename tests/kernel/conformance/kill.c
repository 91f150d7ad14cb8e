// SPDX-License-Identifier: GPL-2.0-only
/* Section 2: bpf_oom_kill_process and bpf_task_is_oom_victim. */
#define _GNU_SOURCE
#include "tests.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

/*
 * An OOM in a cgroup of 10 MiB whose handler tries to kill this task. Then the
 * kernel kills the only process there, if the handler did not.
 */
static struct oom_test try_to_kill(pid_t victim, enum action action)
{
	struct oom_test t = oom_load("ops_a");
	const char *cg = limited("x", "10M");

	ops_attach(t.obj, "ops_a", cg);
	t.a->victim = victim;
	t.a->action = action;
	cause_oom(cg);
	EXPECT(>=, t.a->calls, 1);
	return t;
}

void test_kill_works(void)
{
	struct oom_test t = oom_load("ops_a");
	const char *cg = limited("x", "10M");
	pid_t victim, other;

	ops_attach(t.obj, "ops_a", cg);
	victim = hog(cg, 5 * MIB, 0);
	t.a->victim = victim;
	t.a->action = KILL_VICTIM;
	log_mark();
	other = hog(cg, 6 * MIB, 0);
	EQ(wait_signal(victim), SIGKILL);
	EQ(t.a->result, 0);
	EQ(t.a->freed_after, 1);
	CHECK(alive(other));
	CHECK(log_has("conformance: Killed process"));
}

static long long vmstat(const char *key)
{
	char line[128];
	long long value = -1;
	FILE *f = fopen("/proc/vmstat", "r");

	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, key, strlen(key)) && line[strlen(key)] == ' ')
			value = strtoll(line + strlen(key), NULL, 10);
	fclose(f);
	return value;
}

void test_kill_counters(void)
{
	struct oom_test t = oom_load("ops_a");
	const char *cg = limited("x", "10M");
	long long before = vmstat("oom_kill");
	pid_t victim;

	ops_attach(t.obj, "ops_a", cg);
	victim = hog(cg, 5 * MIB, 0);
	t.a->victim = victim;
	t.a->action = KILL_VICTIM;
	hog(cg, 6 * MIB, 0);
	EQ(wait_signal(victim), SIGKILL);
	EQ(cg_read(cg, "memory.events", "oom_kill"), 1);
	EQ(cg_read(cg, "memory.events.local", "oom_kill"), 1);
	EXPECT(>=, cg_read(cg, "memory.events", "oom"), 1);
	EQ(vmstat("oom_kill"), before + 1);
}

/* top is at its limit; both groups below want to die as a whole. */
void test_kill_group(void)
{
	struct oom_test t = oom_load("ops_a");
	const char *top = limited("top", "15M"), *one, *two;
	pid_t in_one[3], in_two;
	int i;

	cg_write("conf", "memory.oom.group", "1");
	cg_write(top, "cgroup.subtree_control", "+memory");
	one = cg_make("conf/top/one");
	two = cg_make("conf/top/two");
	cg_write(one, "memory.oom.group", "1");
	ops_attach(t.obj, "ops_a", top);
	for (i = 0; i < 3; i++)
		in_one[i] = hog(one, 3 * MIB, 0);
	t.a->victim = in_one[0];
	t.a->action = KILL_VICTIM;
	in_two = hog(two, 8 * MIB, 0);
	for (i = 0; i < 3; i++)
		EQ(wait_signal(in_one[i]), SIGKILL);
	EQ(cg_read(one, "memory.events", "oom_group_kill"), 1);
	/* The kernel counts the first victim again with the group, if it is not yet gone. */
	EXPECT(>=, cg_read(one, "memory.events", "oom_kill"), 3);
	EXPECT(<=, cg_read(one, "memory.events", "oom_kill"), 4);
	/* conf has the flag, too, but is above the OOM. */
	CHECK(alive(in_two));
}

void test_kill_init(void)
{
	EQ(try_to_kill(1, KILL_VICTIM).a->result, -EPERM);
}

static pid_t kernel_thread(void)
{
	struct dirent *entry;
	DIR *dir = opendir("/proc");

	while ((entry = readdir(dir))) {
		char path[300], buffer[8];
		pid_t pid = atoi(entry->d_name);

		snprintf(path, sizeof(path), "/proc/%s/exe", entry->d_name);
		if (pid > 1 && readlink(path, buffer, sizeof(buffer)) < 0) {
			closedir(dir);
			return pid;
		}
	}
	FAIL("find a kernel thread: there is none");
}

void test_kill_kthread(void)
{
	EQ(try_to_kill(kernel_thread(), KILL_VICTIM).a->result, -EPERM);
}

/* An OOM whose handler tries to kill a process that is dead, and still to be found by its pid. */
static struct oom_test try_to_kill_the_dead(void)
{
	struct oom_test t = oom_load("ops_a");
	const char *cg = limited("x", "10M");
	siginfo_t info;
	pid_t zombie;

	zombie = hog(cg, MIB, 0);
	kill(zombie, SIGKILL);
	waitid(P_PID, zombie, &info, WEXITED | WNOWAIT);
	ops_attach(t.obj, "ops_a", cg);
	t.a->victim = zombie;
	/* Claimed, an OOM that nothing came of would come back for ever. */
	t.a->action = KILL_AND_DECLINE;
	cause_oom(cg);
	return t;
}

void test_kill_gone(void)
{
	struct oom_test t = try_to_kill_the_dead();

	EQ(t.a->result, -EINVAL);
	EQ(t.a->freed_after, 0);
}

void test_strict_kill_gone(void)
{
	struct oom_test t = try_to_kill_the_dead();

	EQ(t.a->result, 0);
	EQ(t.a->freed_after, 1);
}

/* A victim in the OOM's cgroup with this score; what came of it. */
static long long result_with_score(int score, bool *dead)
{
	struct oom_test t = oom_load("ops_a");
	const char *cg = limited("x", "10M");
	pid_t victim = hog(cg, MIB, score);

	ops_attach(t.obj, "ops_a", cg);
	t.a->victim = victim;
	t.a->action = KILL_AND_DECLINE;
	cause_oom(cg);
	*dead = !alive(victim);
	return t.a->result;
}

void test_kill_spared(void)
{
	bool dead;

	EQ(result_with_score(-1000, &dead), -EINVAL);
	EQ(dead, false);
}

void test_kill_outside(void)
{
	pid_t bystander = hog(limited("y", "10M"), MIB, 0);
	struct oom_test t = try_to_kill(bystander, KILL_VICTIM);

	EQ(t.a->result, -EPERM);
	EQ(t.a->freed_after, 0);
	CHECK(alive(bystander));
}

void test_posted_kill_anything(void)
{
	pid_t bystander;
	bool dead;

	result_with_score(-1000, &dead);
	CHECK(dead);
	cg_remove("conf/x");
	bystander = hog(limited("y", "10M"), MIB, 0);
	try_to_kill(bystander, KILL_AND_DECLINE);
	EQ(wait_signal(bystander), SIGKILL);
}

/* Killed twice in each call, until it is dead. */
static void kill_again(void)
{
	struct oom_test t = oom_load("ops_a");
	const char *cg = limited("x", "10M");
	pid_t victim;

	ops_attach(t.obj, "ops_a", cg);
	victim = hog(cg, 5 * MIB, 0);
	t.a->victim = victim;
	t.a->action = KILL_TWICE;
	log_mark();
	hog(cg, 6 * MIB, 0);
	EQ(wait_signal(victim), SIGKILL);
	EQ(t.a->second_result, 0);
	EQ(t.a->freed_after, 1);
}

void test_kill_dying(void)
{
	kill_again();
	EQ(cg_read("conf/x", "memory.events", "oom_kill"), 1);
	EQ(log_count("again: Killed process"), 0);
}

void test_strict_kill_dying(void)
{
	kill_again();
}

/* The first handler's victim dies; the second one claims success on its account. */
void test_posted_dying(void)
{
	struct oom_test t = oom_load("ops_a ops_b");
	const char *top = cg_make("conf/top"), *leaf;
	pid_t victim;

	cg_write(top, "cgroup.subtree_control", "+memory");
	leaf = limited("top/leaf", "10M");
	ops_attach(t.obj, "ops_a", leaf);
	ops_attach(t.obj, "ops_b", top);
	victim = hog(leaf, 5 * MIB, 0);
	t.a->victim = victim;
	t.a->action = KILL_AND_DECLINE;
	t.b->action = CLAIM;
	hog(leaf, 6 * MIB, 0);
	EQ(wait_signal(victim), SIGKILL);
	/* It was not the end of the chain: it had to go through to the kernel. */
	EXPECT(>=, t.b->calls, 1);
	EQ(t.b->freed_after, 0);
}

/* ---- processes of more than one task ---- */

static int wait_for_ever(void *unused)
{
	(void)unused;
	for (;;)
		pause();
	return 0;
}

static char *stacks(int n)
{
	char *memory = mmap(NULL, n * 16 * KIB, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (memory == MAP_FAILED)
		_exit(1);
	return memory;
}

#define THREAD (CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM)

/* A process in cg of so many threads, with 5 MiB; its first thread ends if told so. */
static pid_t process_of_threads(const char *cg, int threads, bool leader_ends)
{
	int ready[2], i;
	pid_t pid;
	char c;

	if (pipe(ready))
		FAIL("make a pipe: %s", strerror(errno));
	pid = fork();
	if (!pid) {
		char *stack = stacks(threads);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		cg_enter(cg, 0);
		memset(mmap(NULL, 5 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
		       1, 5 * MIB);
		for (i = 1; i < threads; i++)
			if (clone(wait_for_ever, stack + (i + 1) * 16 * KIB, THREAD, NULL) < 0)
				_exit(1);
		if (write(ready[1], "", 1) != 1)
			_exit(1);
		if (leader_ends)
			syscall(SYS_exit, 0);
		wait_for_ever(NULL);
	}
	close(ready[1]);
	if (read(ready[0], &c, 1) != 1)
		FAIL("start a process of %d threads: it died", threads);
	close(ready[0]);
	return pid;
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

/* An OOM in conf/x whose handler kills this process; another one there survives it. */
static struct oom_test kill_in_x(pid_t victim)
{
	struct oom_test t = oom_load("ops_a");
	pid_t other;

	ops_attach(t.obj, "ops_a", "conf/x");
	t.a->victim = victim;
	t.a->action = KILL_VICTIM;
	other = hog("conf/x", 7 * MIB, 0);
	EXPECT(>=, t.a->calls, 1);
	EQ(t.a->result, 0);
	EQ(t.a->freed_after, 1);
	CHECK(alive(other));
	return t;
}

void test_kill_threads(void)
{
	const char *cg = limited("x", "12M");
	pid_t victim = process_of_threads(cg, 64, false);

	EQ(cg_read(cg, "pids.current", NULL), 64);
	kill_in_x(victim);
	EQ(wait_signal(victim), SIGKILL);
	/* The other one. */
	EQ(cg_read(cg, "pids.current", NULL), 1);
}

void test_kill_ended_leader(void)
{
	const char *cg = limited("x", "12M");
	pid_t victim = process_of_threads(cg, 2, true);

	while (state_of(victim) != 'Z')
		poll(NULL, 0, 1);
	/* Its memory is still there. */
	EXPECT(>=, cg_read(cg, "memory.current", NULL), 5 * MIB);
	kill_in_x(victim);
	/* With the last thread gone its end is told. */
	waitpid(victim, NULL, 0);
	EQ(cg_read(cg, "pids.current", NULL), 1);
}

struct place {
	const char *cg;
	int arrived;
};

/* Go there, say who has come, and stay. */
static int enter_and_wait(void *there)
{
	const struct place *place = there;
	pid_t self = getpid();

	cg_enter(place->cg, 0);
	if (write(place->arrived, &self, sizeof(self)) != sizeof(self))
		_exit(1);
	return wait_for_ever(NULL);
}

/*
 * A process in conf/parent that has 5 MiB, charged to conf/x, in common with its child in conf/x. The child has
 * been vforked, or both go on.
 */
static pid_t shares_with_child(int flags, pid_t *child)
{
	int ready[2];
	pid_t pid;

	cg_make("conf/parent");
	if (pipe(ready))
		FAIL("make a pipe: %s", strerror(errno));
	pid = fork();
	if (!pid) {
		/* The child goes by itself to where the OOM is. */
		struct place place = { "conf/x", ready[1] };
		char *stack = stacks(1);

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		cg_enter("conf/x", 0);
		memset(mmap(NULL, 5 * MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0),
		       1, 5 * MIB);
		cg_enter("conf/parent", 0);
		if (clone(enter_and_wait, stack + 16 * KIB, CLONE_VM | flags | SIGCHLD, &place) < 0)
			_exit(1);
		wait_for_ever(NULL);
	}
	close(ready[1]);
	if (read(ready[0], child, sizeof(*child)) != sizeof(*child))
		FAIL("start a process that shares its memory with a child: it died");
	close(ready[0]);
	return pid;
}

static void kills_the_sharer(int flags)
{
	pid_t parent, child;

	limited("x", "12M");
	parent = shares_with_child(flags, &child);
	kill_in_x(child);
	EQ(wait_signal(parent), SIGKILL);
	EQ(cg_read("conf/parent", "pids.current", NULL), 0);
	/* One kill, counted where the memory's owner is. */
	EQ(cg_read("conf/parent", "memory.events", "oom_kill"), 1);
	EQ(cg_read("conf/x", "memory.events", "oom_kill"), 0);
}

void test_kill_shared_mm(void)
{
	kills_the_sharer(0);
}

void test_kill_vfork(void)
{
	kills_the_sharer(CLONE_VFORK);
}

void test_kill_sibling_scope(void)
{
	struct oom_test t = oom_load("ops_a");
	const char *top = limited("top", "15M"), *one, *two;
	pid_t victim, other;

	cg_write(top, "cgroup.subtree_control", "+memory");
	one = cg_make("conf/top/one");
	two = cg_make("conf/top/two");
	ops_attach(t.obj, "ops_a", top);
	victim = hog(one, 7 * MIB, 0);
	t.a->victim = victim;
	t.a->action = KILL_VICTIM;
	other = hog(two, 10 * MIB, 0);
	EQ(wait_signal(victim), SIGKILL);
	EQ(t.a->result, 0);
	CHECK(alive(other));
}

void test_victim_test(void)
{
	struct oom_test t = oom_load("ops_a");
	const char *cg = limited("x", "10M");
	pid_t victim;

	ops_attach(t.obj, "ops_a", cg);
	victim = hog(cg, 5 * MIB, 0);
	t.a->victim = victim;
	t.a->action = KILL_VICTIM;
	hog(cg, 6 * MIB, 0);
	EQ(wait_signal(victim), SIGKILL);
	EQ(t.a->victim_before, 0);
	EQ(t.a->victim_after, 1);
}
