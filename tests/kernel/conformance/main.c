// SPDX-License-Identifier: GPL-2.0-only
/*
 * Runs the rows, each in a process of its own, and reports in TAP. After each
 * the machine must be as before: no BPF object and no cgroup left.
 *
 * usage: conformance [NAME...]   all, or the rows whose name contains a word;
 *                                X and E rows: by their name alone
 */
#define _GNU_SOURCE
#include "lib.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define SECTION(text)
#define ROW(mode, name, text) void test_##name(void);
#include "rows.h"
#undef SECTION
#undef ROW

static const struct row {
	char mode, only;
	const char *name, *text;
	void (*test)(void);
} rows[] = {
#define SECTION(text) { 0, 0, NULL, text, NULL },
#define ROW(mode, name, text) { #mode[0], #mode[1], #name, text, test_##name },
#include "rows.h"
};

#define ROWS (sizeof(rows) / sizeof(rows[0]))

/* The first character of a parameter: a digit, or Y or N. */
static char parameter(const char *name)
{
	char path[128], c = 0;
	int fd;

	snprintf(path, sizeof(path), "/sys/module/bpf_oom/parameters/%s", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0 || read(fd, &c, 1) != 1)
		c = '0';
	close(fd);
	return c;
}

static bool two_nodes(void)
{
	return !access("/sys/devices/system/node/node1", F_OK);
}

static char base(void)
{
	struct utsname name;

	uname(&name);
	return name.release[0];
}

static bool wanted(const struct row *row, int argc, char **argv)
{
	/* By bpf_oom.as_posted. */
	static const char * const modes[] = { "BCM", "BMP", "BPSL" };
	int i;

	if (row->mode == 'X' || row->mode == 'E')
		return argc == 2 && !strcmp(row->name, argv[1]);
	if ((row->only == '6' || row->only == '7') && row->only != base())
		return false;
	if ((row->only == '2' && is_v3()) || (row->only == '3' && !is_v3()))
		return false;
	if (!strchr(is_v3() ? "BS" : parameter("ignore_cgroup_fd") == 'Y' ? "I" : two_nodes() ? "N" :
		    modes[(parameter("as_posted") - '0') % 3], row->mode))
		return false;
	for (i = 1; i < argc; i++)
		if (strstr(row->name, argv[i]))
			return true;
	return argc == 1;
}

static int count(int (*next)(uint32_t, uint32_t *))
{
	uint32_t id = 0;
	int n = 0;

	while (!next(id, &id))
		n++;
	return n;
}

/* Closing leaves the rest to work items and grace periods. */
static bool back_to(int links, int progs, int maps)
{
	uint64_t end = now_ns() + 20000000000ULL;

	while (count(bpf_link_get_next_id) > links || count(bpf_prog_get_next_id) > progs ||
	       count(bpf_map_get_next_id) > maps) {
		if (now_ns() > end) {
			printf("# left behind: %d links, %d programs, %d maps\n",
			       count(bpf_link_get_next_id) - links,
			       count(bpf_prog_get_next_id) - progs,
			       count(bpf_map_get_next_id) - maps);
			return false;
		}
		poll(NULL, 0, 5);
	}
	return true;
}

static bool run(const struct row *row)
{
	int links = count(bpf_link_get_next_id), progs = count(bpf_prog_get_next_id);
	int maps = count(bpf_map_get_next_id), status;
	bool ok = true;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		alarm(100);
		cg_make("conf");
		cg_write("conf", "cgroup.subtree_control", "+memory +pids");
		row->test();
		fflush(stdout);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		if (WIFSIGNALED(status))
			printf("# ended by signal %d%s\n", WTERMSIG(status),
			       WTERMSIG(status) == SIGALRM ? ": the time is up" : "");
		ok = false;
	}
	cg_remove_tree("conf");
	return (row->mode == 'L' || back_to(links, progs, maps)) && ok;
}

int main(int argc, char **argv)
{
	int passed = 0, failed = 0, total = 0, n = 0;
	size_t i;

	for (i = 0; i < ROWS; i++)
		total += rows[i].name && wanted(&rows[i], argc, argv);
	printf("1..%d\n", total);
	for (i = 0; i < ROWS; i++) {
		uint64_t start = now_ns();
		bool ok;

		if (!rows[i].name) {
			printf("# %s\n", rows[i].text);
			continue;
		}
		if (!wanted(&rows[i], argc, argv))
			continue;
		ok = run(&rows[i]);
		printf("%sok %d - %s: %s (%d ms)\n", ok ? "" : "not ", ++n, rows[i].name,
		       rows[i].text, (int)((now_ns() - start) / 1000000));
		*(ok ? &passed : &failed) += 1;
	}
	printf("# %d passed, %d failed\n", passed, failed);
	return failed ? 1 : 0;
}
