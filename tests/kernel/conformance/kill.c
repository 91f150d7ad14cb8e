// SPDX-License-Identifier: GPL-2.0-only
/* Section 2: bpf_oom_kill_process and bpf_task_is_oom_victim. */
#define _GNU_SOURCE
#include "tests.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
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
