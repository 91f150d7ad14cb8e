// SPDX-License-Identifier: GPL-2.0-only
/*
 * An OOM storm over cgroups that come and go, while policies and pressure
 * instances are attached and detached. Afterwards everything must be as before.
 *
 * usage: stress [OOMS [SECONDS]]   until both are reached (500, 20)
 */
#define _GNU_SOURCE
#include "lib.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define STORMS 4
/* Gives up so many seconds after those wanted. */
#define PATIENCE 600
#define ROOT "/sys/fs/cgroup/stress"

/* Shared by all processes. */
static struct counts {
	volatile unsigned long long kills, attached, refused, psi_attached, psi_failed, made, called;
	volatile bool stop;
} *counts;

#define COUNT(what) __sync_fetch_and_add(&counts->what, 1)

/* A cgroup with a process too big for it, over and over. */
static void storm(int number)
{
	int i;

	for (i = 0; !counts->stop; i++) {
		const char *cg = cg_make("stress/storm%d.%d", number, i % 8);

		/* Little, as in the checked kernel each page takes its time. */
		cg_write(cg, "memory.max", "256K");
		cg_write(cg, "memory.swap.max", "0");
		wait_signal(hog(cg, 512 * KIB, 0));
		if (i % 5 == 0)
			cg_remove(cg);
	}
}

/* A cgroup of the storm, which may be gone any moment: 0 if there is none. */
static int any_storm(char *path, size_t size)
{
	snprintf(path, size, ROOT "/storm%d.%d", rand() % STORMS, rand() % 8);
	return open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
}

static void attach_and_detach(struct bpf_object *obj, int seed)
{
	static const char * const maps[] = { "ops_kills", "ops_declines", "ops_claims", "ops_twice" };
	int links[12] = {}, i;
	char path[128];

	srand(seed);
	while (!counts->stop) {
		int fd = rand() % 8 ? any_storm(path, sizeof(path)) : 0;

		i = rand() % 12;
		if (links[i] > 0) {
			/* Both ways out. */
			if (rand() % 2)
				bpf_link_detach(links[i]);
			close(links[i]);
		}
		links[i] = fd < 0 ? 0 : ops_link(obj, maps[rand() % 4], fd);
		if (links[i] > 0)
			COUNT(attached);
		else
			COUNT(refused);
		if (fd > 0)
			close(fd);
		poll(NULL, 0, 10); /* leave the machine to the storm */
	}
}

static void press(struct bpf_object *obj, volatile uint64_t *many, volatile uint64_t *cgroup)
{
	struct stat st;
	char path[128];
	int fd, link;

	srand(99);
	while (!counts->stop) {
		fd = any_storm(path, sizeof(path));
		if (fd < 0) {
			poll(NULL, 0, 10);
			continue;
		}
		fstat(fd, &st);
		close(fd);
		*cgroup = st.st_ino;
		*many = 1 + rand() % 200;
		link = ops_link(obj, "psi_ops", 0);
		if (link < 0) {
			COUNT(psi_failed);
			continue;
		}
		COUNT(psi_attached);
		poll(NULL, 0, rand() % 1000); /* some events, some cgroups */
		if (rand() % 2)
			bpf_link_detach(link);
		close(link);
		/* Making hundreds of triggers takes seconds: leave some to the storm. */
		poll(NULL, 0, 2000);
	}
}

/* Small cgroups in great number. */
static void make_and_remove(void)
{
	int i;

	for (i = 0; !counts->stop; i++) {
		cg_remove(cg_make("stress/small%d", i % 16));
		COUNT(made);
		poll(NULL, 0, 10);
	}
}

static int ids(int (*next)(uint32_t, uint32_t *))
{
	uint32_t id = 0;
	int n = 0;

	while (!next(id, &id))
		n++;
	return n;
}

static int psimons(void)
{
	struct dirent *entry;
	DIR *dir = opendir("/proc");
	int n = 0;

	while ((entry = readdir(dir))) {
		char path[300], comm[32] = "";
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		f = atoi(entry->d_name) ? fopen(path, "r") : NULL;
		if (f && fscanf(f, "%31s", comm) == 1)
			n += !strcmp(comm, "psimon");
		if (f)
			fclose(f);
	}
	closedir(dir);
	return n;
}

struct state {
	long long links, programs, maps, psimons;
	long long memory_groups, dying, dying_memory;
};

static struct state look(void)
{
	return (struct state){
		ids(bpf_link_get_next_id), ids(bpf_prog_get_next_id), ids(bpf_map_get_next_id),
		psimons(),
		cg_read("", "cgroup.stat", "nr_subsys_memory"),
		cg_read("", "cgroup.stat", "nr_dying_descendants"),
		cg_read("", "cgroup.stat", "nr_dying_subsys_memory"),
	};
}

static void show(const char *when, const struct state *s)
{
	printf("# %s: %lld links, %lld programs, %lld maps, %lld psimon, %lld memory cgroups, %lld and %lld dying\n",
	       when, s->links, s->programs, s->maps, s->psimons, s->memory_groups, s->dying,
	       s->dying_memory);
}

static unsigned long long number(struct bpf_object *obj, const char *variable)
{
	return *(volatile unsigned long long *)obj_var(obj, variable);
}

static pid_t children[STORMS + 8];
static int n_children;

#define CHILD(call) do {						\
	pid_t child = fork();						\
	if (!child) {							\
		prctl(PR_SET_PDEATHSIG, SIGKILL);			\
		call;							\
		fflush(stdout);						\
		_exit(0);						\
	}								\
	children[n_children++] = child;					\
} while (0)

static int tap_number, tap_failed;

static void tap(bool ok, const char *what)
{
	printf("%sok %d - %s\n", ok ? "" : "not ", ++tap_number, what);
	tap_failed += !ok;
}

static void run(unsigned long long least, uint64_t seconds)
{
	uint64_t start, now;
	struct bpf_object *obj;
	struct bpf_map *map;
	bool clean = true;
	int i, status;

	cg_make("stress");
	cg_write("stress", "cgroup.subtree_control", "+memory");
	obj = obj_open("stress.bpf.o");
	bpf_object__for_each_map(map, obj)
		if (bpf_map__type(map) == BPF_MAP_TYPE_STRUCT_OPS)
			use_ops(obj, bpf_map__name(map));
	obj_load(obj);
	bpf_object__for_each_map(map, obj)
		if (bpf_map__type(map) == BPF_MAP_TYPE_STRUCT_OPS && ops_prepare(obj, bpf_map__name(map)))
			FAIL("prepare %s", bpf_map__name(map));

	for (i = 0; i < STORMS; i++)
		CHILD(storm(i));
	for (i = 0; i < 2; i++)
		CHILD(attach_and_detach(obj, i + 1));
	CHILD(press(obj, obj_var(obj, "many"), obj_var(obj, "trigger_cgroup")));
	CHILD(make_and_remove());

	start = now_ns();
	while (clean) {
		now = now_ns();
		counts->kills = cg_read("stress", "memory.events", "oom_kill");
		if ((counts->kills >= least && now - start > seconds * 1000000000ULL) ||
		    now - start > (seconds + PATIENCE) * 1000000000ULL)
			break;
		for (i = 0; i < n_children; i++)
			if (waitpid(children[i], &status, WNOHANG) == children[i]) {
				printf("# process %d ended before its time\n", i);
				children[i] = -1;
				clean = false;
			}
		poll(NULL, 0, 500);
	}
	counts->stop = true;
	for (i = 0; i < n_children; i++)
		if (children[i] > 0 && (waitpid(children[i], &status, 0) < 0 || status)) {
			printf("# process %d ended with status %#x\n", i, status);
			clean = false;
		}
	counts->called = number(obj, "called");
	printf("# %llu s: %llu OOM kills, %llu handler calls, %llu attached, %llu refused, "
	       "%llu cgroups made, %llu pressure instances, %llu failed in init\n",
	       (unsigned long long)(now_ns() - start) / 1000000000ULL, counts->kills, counts->called,
	       counts->attached, counts->refused, counts->made,
	       counts->psi_attached, counts->psi_failed);
	printf("# killed by policies %llu, offline %llu, online %llu, events %llu, triggers %llu, refused %llu\n",
	       number(obj, "killed"), number(obj, "offlines"), number(obj, "onlines"),
	       number(obj, "events"), number(obj, "triggers"), number(obj, "trigger_errors"));
	if (!clean)
		exit(1);
}

/* What is freed is freed after grace periods: give it time, but no leeway. */
static bool as_before(const struct state *before)
{
	uint64_t end = now_ns() + 60000000000ULL;
	struct state now;

	for (;;) {
		now = look();
		if (!memcmp(&now, before, sizeof(now)))
			return true;
		if (now_ns() > end)
			break;
		poll(NULL, 0, 50);
	}
	show("after", &now);
	return false;
}

int main(int argc, char **argv)
{
	unsigned long long least = argc > 1 ? strtoull(argv[1], NULL, 10) : 500;
	uint64_t seconds = argc > 2 ? strtoull(argv[2], NULL, 10) : 20;
	struct state before;
	pid_t pid;
	int status;

	setvbuf(stdout, NULL, _IOLBF, 0);
	counts = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	printf("1..6\n");
	memset(&before, 0, sizeof(before));
	before = look();
	show("before", &before);

	/* In a process of its own: with it goes every reference. */
	pid = fork();
	if (!pid) {
		run(least, seconds);
		exit(0);
	}
	waitpid(pid, &status, 0);
	tap(!status, "every worker got through");
	tap(counts->kills >= least, "as many OOM kills as wanted");
	tap(counts->called && counts->attached, "policies were attached and called");
	tap(counts->psi_attached, "pressure instances were attached");
	cg_remove_tree("stress");
	tap(as_before(&before), "nothing is left: links, programs, maps, triggers, cgroups");
	pid = hog(NULL, 128 * MIB, 0);
	tap(alive(pid), "the machine still allocates");
	kill_and_reap(pid);
	printf("# %d passed, %d failed\n", tap_number - tap_failed, tap_failed);
	return tap_failed ? 1 : 0;
}
