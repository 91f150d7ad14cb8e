// SPDX-License-Identifier: GPL-2.0-only
#define _GNU_SOURCE
#include "lib.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <bpf/btf.h>
#include <linux/bpf.h>

#define CGROOT "/sys/fs/cgroup"
#define BPF_STRUCT_OPS_ATTACH 44 /* missing from Debian 12's linux/bpf.h */

void fail(const char *file, int line, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	printf("# %s:%d: ", strrchr(file, '/') ? strrchr(file, '/') + 1 : file, line);
	vprintf(format, args);
	printf("\n");
	va_end(args);
	fflush(stdout);
	_exit(1);
}

/* ---- control groups ---- */

static const char *cg_path(const char *cg, const char *file)
{
	static char path[4][512];
	static int turn;
	char *p = path[turn++ % 4];

	snprintf(p, sizeof(path[0]), CGROOT "/%s%s%s", cg, file ? "/" : "", file ? file : "");
	return p;
}

const char *cg_make(const char *format, ...)
{
	char name[256];
	va_list args;
	char *copy;

	va_start(args, format);
	vsnprintf(name, sizeof(name), format, args);
	va_end(args);
	if (mkdir(cg_path(name, NULL), 0755) && errno != EEXIST)
		FAIL("make cgroup %s: %s", name, strerror(errno));
	copy = strdup(name);
	return copy;
}

void cg_write(const char *cg, const char *file, const char *format, ...)
{
	char text[128];
	va_list args;
	int fd, len;

	va_start(args, format);
	len = vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	fd = open(cg_path(cg, file), O_WRONLY | O_CLOEXEC);
	if (fd < 0 || write(fd, text, len) != len)
		FAIL("write '%s' to %s of cgroup %s: %s", text, file, cg, strerror(errno));
	close(fd);
}

long long cg_read(const char *cg, const char *file, const char *key)
{
	char text[8192], *line, *rest;
	int fd = open(cg_path(cg, file), O_RDONLY | O_CLOEXEC);
	ssize_t n;

	n = fd < 0 ? -1 : read(fd, text, sizeof(text) - 1);
	if (n < 0)
		FAIL("read %s of cgroup %s: %s", file, cg, strerror(errno));
	close(fd);
	text[n] = 0;
	if (!key)
		return strtoll(text, NULL, 10);
	for (line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
		if (!strncmp(line, key, strlen(key)) && line[strlen(key)] == ' ')
			return strtoll(line + strlen(key), NULL, 10);
	FAIL("read %s of cgroup %s: it has no line '%s'", file, cg, key);
}

int cg_open(const char *cg)
{
	int fd = open(cg_path(cg, NULL), O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (fd < 0)
		FAIL("open cgroup %s: %s", cg, strerror(errno));
	return fd;
}

uint64_t cg_id(const char *cg)
{
	struct stat st;

	/* The inode number is the id, on 64 bits. */
	if (stat(cg_path(cg, NULL), &st))
		FAIL("get the id of cgroup %s: %s", cg, strerror(errno));
	return st.st_ino;
}

bool cg_exists(const char *cg)
{
	return !access(cg_path(cg, NULL), F_OK);
}

void cg_remove(const char *cg)
{
	struct pollfd events;
	char text[256];

	cg_write(cg, "cgroup.kill", "1");
	events.fd = open(cg_path(cg, "cgroup.events"), O_RDONLY | O_CLOEXEC);
	events.events = POLLPRI;
	for (;;) {
		ssize_t n = pread(events.fd, text, sizeof(text) - 1, 0);

		if (n < 0)
			FAIL("read cgroup.events of cgroup %s: %s", cg, strerror(errno));
		text[n] = 0;
		if (strstr(text, "populated 0"))
			break;
		if (!poll(&events, 1, 10000))
			FAIL("empty cgroup %s: it still has processes after 10 s", cg);
	}
	close(events.fd);
	if (rmdir(cg_path(cg, NULL)))
		FAIL("remove cgroup %s: %s", cg, strerror(errno));
}

void cg_remove_tree(const char *cg)
{
	char child[512];
	struct dirent *entry;
	DIR *dir = opendir(cg_path(cg, NULL));

	while (dir && (entry = readdir(dir)))
		if (entry->d_type == DT_DIR && entry->d_name[0] != '.') {
			snprintf(child, sizeof(child), "%s/%s", cg, entry->d_name);
			cg_remove_tree(child);
		}
	if (!dir)
		return;
	closedir(dir);
	cg_remove(cg);
}

void cg_enter(const char *cg, pid_t pid)
{
	cg_write(cg, "cgroup.procs", "%d", pid);
}

/* ---- processes ---- */

static void touch(size_t bytes)
{
	volatile char *memory;
	size_t i;

	memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (memory == MAP_FAILED)
		_exit(1);
	for (i = 0; i < bytes; i += 4096)
		memory[i] = 1;
}

static pid_t start_hog(const char *cg, size_t bytes, int oom_score_adj, int *ready)
{
	char adj[16];
	int pipes[2], fd;
	pid_t pid;

	if (pipe2(pipes, O_CLOEXEC))
		FAIL("make a pipe: %s", strerror(errno));
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		FAIL("fork: %s", strerror(errno));
	if (!pid) {
		close(pipes[0]);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		fd = open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC);
		if (write(fd, adj, snprintf(adj, sizeof(adj), "%d", oom_score_adj)) < 0)
			_exit(1);
		close(fd);
		if (cg)
			cg_enter(cg, 0);
		if (write(pipes[1], "", 1) != 1)
			_exit(1);
		touch(bytes);
		/* Whether or not anybody waits for it. */
		signal(SIGPIPE, SIG_IGN);
		if (write(pipes[1], "", 1) != 1 && errno != EPIPE)
			_exit(1);
		for (;;)
			pause();
	}
	close(pipes[1]);
	*ready = pipes[0];
	return pid;
}

void keep_statistics_moving(void)
{
	char *memory;

	cg_make("conf/moving");
	if (fork())
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	cg_enter("conf/moving", 0);
	memory = mmap(NULL, MIB, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	for (;;) {
		memset(memory, 1, MIB);
		madvise(memory, MIB, MADV_DONTNEED);
		poll(NULL, 0, 1);
	}
}

pid_t hog_start(const char *cg, size_t bytes, int oom_score_adj)
{
	int ready;
	char c;
	pid_t pid = start_hog(cg, bytes, oom_score_adj, &ready);

	/* It is where it belongs; the rest happens as it happens. */
	if (read(ready, &c, 1) != 1)
		FAIL("start a process in cgroup %s: it died", cg ? cg : "(ours)");
	close(ready);
	return pid;
}

pid_t hog(const char *cg, size_t bytes, int oom_score_adj)
{
	int ready;
	char c[2];
	pid_t pid = start_hog(cg, bytes, oom_score_adj, &ready);

	/* Two bytes if all goes well, end of file when it is killed. */
	if (read(ready, c, 1) == 1 && read(ready, c, 1) < 0)
		FAIL("wait for process %d: %s", pid, strerror(errno));
	close(ready);
	return pid;
}

bool alive(pid_t pid)
{
	siginfo_t info = {};

	return !waitid(P_PID, pid, &info, WEXITED | WNOHANG | WNOWAIT) && !info.si_pid;
}

int wait_signal(pid_t pid)
{
	struct pollfd p = { .fd = syscall(SYS_pidfd_open, pid, 0), .events = POLLIN };
	int status;

	if (p.fd < 0)
		FAIL("wait for process %d: %s", pid, strerror(errno));
	if (poll(&p, 1, 60000) != 1)
		FAIL("wait for process %d: it is still there after a minute", pid);
	close(p.fd);
	waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : -1;
}

void kill_and_reap(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* ---- the kernel log ---- */

static int log_fd = -1;
static char *log_text;
static size_t log_len;

void log_mark(void)
{
	if (log_fd < 0)
		log_fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (log_fd < 0 || lseek(log_fd, 0, SEEK_END) < 0)
		FAIL("open the kernel log: %s", strerror(errno));
	log_len = 0;
}

static void log_read(void)
{
	char line[8192];
	ssize_t n;

	for (;;) {
		n = read(log_fd, line, sizeof(line));
		if (n < 0 && errno == EPIPE)
			continue; /* overwritten while we read */
		if (n <= 0)
			break;
		log_text = realloc(log_text, log_len + n + 1);
		memcpy(log_text + log_len, line, n);
		log_len += n;
		log_text[log_len] = 0;
	}
}

int log_count(const char *text)
{
	const char *p;
	int n = 0;

	log_read();
	for (p = log_len ? log_text : NULL; p && (p = strstr(p, text)); p++)
		n++;
	return n;
}

bool log_has(const char *text)
{
	struct pollfd p = { .fd = log_fd, .events = POLLIN };
	uint64_t end = now_ns() + 5000000000ULL;

	while (!log_count(text))
		if (now_ns() > end || poll(&p, 1, 1000) < 0)
			return false;
	return true;
}

/* ---- time ---- */

uint64_t now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

bool wait_for(volatile unsigned long long *value, uint64_t least, int timeout_ms)
{
	uint64_t end = now_ns() + timeout_ms * 1000000ULL;

	while (*value < least) {
		if (now_ns() > end)
			return false;
		/* Nothing tells us when BPF memory changes. */
		poll(NULL, 0, 1);
	}
	return true;
}

/* ---- BPF ---- */

char verifier_log[1 << 20];

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	size_t len = strlen(verifier_log);

	if (level != LIBBPF_DEBUG)
		vsnprintf(verifier_log + len, sizeof(verifier_log) - len, format, args);
	return 0;
}

struct bpf_object *obj_open(const char *file)
{
	char path[512], self[400];
	struct bpf_program *prog;
	struct bpf_object *obj;
	struct bpf_map *map;
	ssize_t n;

	n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	self[n] = 0;
	*strrchr(self, '/') = 0;
	snprintf(path, sizeof(path), "%s/%s", self, file);
	libbpf_set_print(quiet);
	verifier_log[0] = 0;
	obj = bpf_object__open_file(path, NULL);
	if (!obj)
		FAIL("open %s: %s: %s", path, strerror(errno), verifier_log);
	bpf_object__for_each_program(prog, obj)
		bpf_program__set_autoload(prog, false);
	bpf_object__for_each_map(map, obj)
		if (bpf_map__type(map) == BPF_MAP_TYPE_STRUCT_OPS)
			bpf_map__set_autocreate(map, false);
	return obj;
}

static struct bpf_map *find_map(struct bpf_object *obj, const char *name)
{
	struct bpf_map *map = bpf_object__find_map_by_name(obj, name);

	if (!map)
		FAIL("find map %s: not in the object", name);
	return map;
}

static struct btf *vmlinux_btf(void)
{
	static struct btf *vmlinux;

	if (!vmlinux)
		vmlinux = btf__load_vmlinux_btf();
	return vmlinux;
}

bool is_v3(void)
{
	return btf__find_by_name_kind(vmlinux_btf(), "bpf_oom_ops", BTF_KIND_STRUCT) > 0 &&
	       btf__find_by_name_kind(vmlinux_btf(), "bpf_oom_ctx", BTF_KIND_STRUCT) < 0;
}

/* bpf_oom_ops and bpf_psi_ops begin with their programs; the size tells which it is. */
#define PSI_OPS_SIZE 40

static int program_count(size_t ops_size)
{
	return ops_size == PSI_OPS_SIZE ? 4 : is_v3() ? 1 : 2;
}

void use_program(struct bpf_object *obj, const char *name)
{
	struct bpf_program *prog = bpf_object__find_program_by_name(obj, name);

	if (!prog)
		FAIL("find program %s: not in the object", name);
	bpf_program__set_autoload(prog, true);
}

void use_ops(struct bpf_object *obj, const char *name)
{
	struct bpf_map *map = find_map(obj, name);
	struct bpf_program **programs;
	size_t size;
	int i;

	bpf_map__set_autocreate(map, true);
	programs = bpf_map__initial_value(map, &size);
	for (i = 0; i < program_count(size); i++)
		if (programs[i])
			bpf_program__set_autoload(programs[i], true);
}

int obj_load_error(struct bpf_object *obj)
{
	verifier_log[0] = 0;
	return bpf_object__load(obj);
}

void obj_load(struct bpf_object *obj)
{
	int err = obj_load_error(obj);

	if (err) {
		fputs(verifier_log, stderr);
		FAIL("load the object: %s", strerror(-err));
	}
}

/* libbpf 1.4 shares the memory of global variables with skeletons only. */
static void *map_memory(struct bpf_map *map)
{
	static struct { struct bpf_map *map; void *memory; } known[64];
	size_t i;

	for (i = 0; known[i].map; i++)
		if (known[i].map == map)
			return known[i].memory;
	if (i == 63)
		FAIL("map the variables of %s: too many objects", bpf_map__name(map));
	known[i].memory = mmap(NULL, (bpf_map__value_size(map) + 4095) & ~4095UL,
			       PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(map), 0);
	if (known[i].memory == MAP_FAILED)
		FAIL("map the variables of %s: %s", bpf_map__name(map), strerror(errno));
	known[i].map = map;
	return known[i].memory;
}

void *obj_var(struct bpf_object *obj, const char *name)
{
	const struct btf *btf = bpf_object__btf(obj);
	static const char * const sections[] = { ".bss", ".data" };
	size_t i, j;

	for (i = 0; i < 2; i++) {
		int id = btf__find_by_name_kind(btf, sections[i], BTF_KIND_DATASEC);
		const struct btf_type *section = id < 0 ? NULL : btf__type_by_id(btf, id);
		const struct btf_var_secinfo *var = section ? btf_var_secinfos(section) : NULL;

		for (j = 0; section && j < btf_vlen(section); j++, var++) {
			const struct btf_type *t = btf__type_by_id(btf, var->type);
			struct bpf_map *map;

			if (strcmp(btf__name_by_offset(btf, t->name_off), name))
				continue;
			bpf_object__for_each_map(map, obj)
				if (strstr(bpf_map__name(map), sections[i]))
					return (char *)map_memory(map) + var->offset;
		}
	}
	FAIL("find variable %s: not in the object", name);
}

int obj_map_fd(struct bpf_object *obj, const char *name)
{
	return bpf_map__fd(find_map(obj, name));
}

/* Where the ops structure starts in the map's value. */
static size_t data_offset(size_t ops_size)
{
	int id = btf__find_by_name_kind(vmlinux_btf(), ops_size == PSI_OPS_SIZE ?
					"bpf_struct_ops_bpf_psi_ops" :
					"bpf_struct_ops_bpf_oom_ops", BTF_KIND_STRUCT);

	if (id < 0)
		FAIL("find the struct_ops type in kernel BTF: %d", id);
	return btf_members(btf__type_by_id(vmlinux_btf(), id))[1].offset / 8;
}

int ops_prepare(struct bpf_object *obj, const char *name)
{
	struct bpf_map *map = find_map(obj, name);
	struct bpf_program **programs;
	size_t ops_size, i;
	char *value, *data;
	uint32_t key = 0;
	int err;

	programs = bpf_map__initial_value(map, &ops_size);
	/* Since the load that is the size of the whole value. */
	value = calloc(1, ops_size);
	ops_size = strstr(name, "psi") ? PSI_OPS_SIZE : program_count(0) * 8 + 64;
	data = value + data_offset(ops_size);
	memcpy(data, programs, ops_size);
	for (i = 0; i < (size_t)program_count(ops_size); i++)
		((uint64_t *)data)[i] = programs[i] ? bpf_program__fd(programs[i]) : 0;
	err = bpf_map_update_elem(bpf_map__fd(map), &key, value, 0) ? -errno : 0;
	free(value);
	return err;
}

int ops_link_raw(struct bpf_object *obj, const char *map, uint32_t target_fd, uint32_t flags,
		 uint32_t relative_fd)
{
	struct {
		uint32_t map_fd, target_fd, attach_type, flags, relative_fd, pad;
		uint64_t expected_revision;
	} attr = {
		.map_fd = obj_map_fd(obj, map),
		.target_fd = target_fd,
		.attach_type = BPF_STRUCT_OPS_ATTACH,
		.flags = flags,
		.relative_fd = relative_fd,
	};
	int fd = syscall(SYS_bpf, BPF_LINK_CREATE, &attr, sizeof(attr));

	return fd < 0 ? -errno : fd;
}

int ops_link(struct bpf_object *obj, const char *map, int cgroup_fd)
{
	int root, link;

	if (!is_v3())
		return ops_link_raw(obj, map, 0, 0, cgroup_fd);
	if (cgroup_fd)
		return ops_link_raw(obj, map, cgroup_fd, BPF_F_CGROUP_FD, 0);
	root = cg_open("");
	link = ops_link_raw(obj, map, root, BPF_F_CGROUP_FD, 0);
	close(root);
	return link;
}

int ops_attach(struct bpf_object *obj, const char *map, const char *cg)
{
	int err = ops_prepare(obj, map), fd = 0, link;

	if (err && err != -EBUSY) /* busy: prepared before */
		FAIL("prepare %s: %s", map, strerror(-err));
	if (cg)
		fd = cg_open(cg);
	link = ops_link(obj, map, fd);
	if (link < 0)
		FAIL("attach %s to %s: %s", map, cg ? cg : "the system", strerror(-link));
	if (cg)
		close(fd);
	return link;
}

void ops_close(int link)
{
	/* Closing would leave the rest to a work item. */
	if (bpf_link_detach(link))
		FAIL("detach a link: %s", strerror(errno));
	close(link);
}

int run_program(struct bpf_object *obj, const char *name)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts);
	struct bpf_program *prog = bpf_object__find_program_by_name(obj, name);

	if (bpf_prog_test_run_opts(bpf_program__fd(prog), &opts))
		FAIL("run program %s: %s", name, strerror(errno));
	return opts.retval;
}
