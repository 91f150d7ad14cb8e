// SPDX-License-Identifier: GPL-2.0-only
/*
 * OOM kills per second in a tight loop, and what a handler costs that declines
 * at once. Works on an unpatched kernel, too: then only the first.
 *
 * usage: bench [SECONDS]
 */
#define _GNU_SOURCE
#include "lib.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

static double kills_per_second(const char *cg, uint64_t seconds)
{
	uint64_t start = now_ns(), n = 0;

	while (now_ns() - start < seconds * 1000000000ULL) {
		pid_t pid = fork();
		int status;

		if (!pid) {
			volatile char *memory;
			size_t i;

			cg_enter(cg, 0);
			memory = mmap(NULL, 8 * MIB, PROT_READ | PROT_WRITE,
				      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
			for (i = 0; i < 8 * MIB; i += 4096)
				memory[i] = 1;
			_exit(0);
		}
		waitpid(pid, &status, 0);
		if (!WIFSIGNALED(status))
			FAIL("cause an OOM: the process was not killed");
		n++;
	}
	return n / ((now_ns() - start) / 1e9);
}

int main(int argc, char **argv)
{
	uint64_t seconds = argc > 1 ? strtoull(argv[1], NULL, 10) : 5;
	struct bpf_prog_info info = {};
	uint32_t len = sizeof(info);
	struct bpf_object *obj;
	const char *cg = cg_make("bench");
	int fd;

	cg_write(cg, "memory.max", "2M");
	cg_write(cg, "memory.swap.max", "0");
	kills_per_second(cg, 1);
	printf("kills_per_second %.1f\n", kills_per_second(cg, seconds));
	if (access("/sys/module/bpf_oom", F_OK))
		return 0;

	fd = open("/proc/sys/kernel/bpf_stats_enabled", O_WRONLY);
	if (write(fd, "1", 1) != 1)
		FAIL("switch BPF statistics on: %s", strerror(errno));
	obj = obj_open("stress.bpf.o");
	use_ops(obj, "ops_declines");
	obj_load(obj);
	ops_attach(obj, "ops_declines", cg);
	printf("kills_per_second_with_handler %.1f\n", kills_per_second(cg, seconds));
	bpf_obj_get_info_by_fd(bpf_program__fd(bpf_object__find_program_by_name(obj, "oom_declines")),
			       &info, &len);
	printf("handler_ns %.0f calls %llu\n", (double)info.run_time_ns / (info.run_cnt ?: 1),
	       info.run_cnt);
	return 0;
}
