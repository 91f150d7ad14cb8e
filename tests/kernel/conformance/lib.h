/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the conformance and stress tests share: plain C over libbpf and raw
 * system calls. A helper that cannot do its work ends the test with a message.
 */
#ifndef LIB_H
#define LIB_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define KIB 1024UL
#define MIB (1024 * KIB)

/* End the test as failed. */
void fail(const char *file, int line, const char *format, ...)
	__attribute__((noreturn, format(printf, 3, 4)));

#define FAIL(...) fail(__FILE__, __LINE__, __VA_ARGS__)
#define CHECK(condition) do { if (!(condition)) FAIL("not true: %s", #condition); } while (0)
/* Compares two numbers and shows both. */
#define EXPECT(op, a, b) do {								\
	long long expect_a = (long long)(a), expect_b = (long long)(b);			\
	if (!(expect_a op expect_b))							\
		FAIL("not true: %s " #op " %s: it is %lld and %lld", #a, #b,		\
		     expect_a, expect_b);						\
} while (0)
#define EQ(a, b) EXPECT(==, a, b)

/* ---- control groups; paths are relative to /sys/fs/cgroup ---- */

/* Make it, with all controllers for its children. */
const char *cg_make(const char *format, ...) __attribute__((format(printf, 1, 2)));
void cg_write(const char *cg, const char *file, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
/* A number in a file: the whole file, or what follows the key. */
long long cg_read(const char *cg, const char *file, const char *key);
int cg_open(const char *cg);
uint64_t cg_id(const char *cg);
/* Kill what is in it, wait until it is empty, remove it. */
void cg_remove(const char *cg);
void cg_remove_tree(const char *cg);
bool cg_exists(const char *cg);
/* Put a process in: 0 is the caller. */
void cg_enter(const char *cg, pid_t pid);

/* ---- processes ---- */

/*
 * A child in the cgroup that has touched so much memory and then waits to be
 * killed. Returns once it has, or once it is dead.
 */
pid_t hog(const char *cg, size_t bytes, int oom_score_adj);
/* The same, but does not wait; it goes on by itself. */
pid_t hog_start(const char *cg, size_t bytes, int oom_score_adj);
/*
 * From now on memory statistics change all the time. A handler that spins gives its processor away only where there is
 * something to flush; without that no RCU grace period ends before the handler does.
 */
void keep_statistics_moving(void);
bool alive(pid_t pid);
/* Reap it; the signal that ended it, or -1. Fails after a minute. */
int wait_signal(pid_t pid);
void kill_and_reap(pid_t pid);

/* ---- the kernel log ---- */

/* Forget what is there so far. */
void log_mark(void);
/* Has a line with this text come since? Waits for it, at most a few seconds. */
bool log_has(const char *text);
/* How many lines with this text have come since, without waiting. */
int log_count(const char *text);

/* ---- time ---- */

uint64_t now_ns(void);
/* Wait until *value >= least, or so many milliseconds have gone: then false. */
bool wait_for(volatile unsigned long long *value, uint64_t least, int timeout_ms);

/* ---- BPF ---- */

/* Does the kernel have v3 of the series, and not v2? */
bool is_v3(void);

/*
 * An opened object: every program and every struct_ops map is off until
 * use_ops() or use_program() turns it on.
 */
struct bpf_object *obj_open(const char *file);
void use_ops(struct bpf_object *obj, const char *map);
void use_program(struct bpf_object *obj, const char *program);
void obj_load(struct bpf_object *obj);
/* The error of a load that must fail. */
int obj_load_error(struct bpf_object *obj);
/* What the verifier said in the last load. */
extern char verifier_log[];
/* A global variable in .bss or .data, once the object is loaded. */
void *obj_var(struct bpf_object *obj, const char *name);
int obj_map_fd(struct bpf_object *obj, const char *map);

/*
 * Fill a struct_ops map's value from its definition and write it, which makes
 * it ready to be attached. Returns -errno.
 */
int ops_prepare(struct bpf_object *obj, const char *map);
/* Attach it, cgroup_fd 0 for system-wide. Returns the link or -errno. */
int ops_link(struct bpf_object *obj, const char *map, int cgroup_fd);
/* With these arguments of BPF_LINK_CREATE, whatever the revision. */
#define BPF_F_CGROUP_FD (1U << 7)
int ops_link_raw(struct bpf_object *obj, const char *map, uint32_t target_fd, uint32_t flags,
		 uint32_t relative_fd);
/* Both, must work. cg NULL is system-wide. */
int ops_attach(struct bpf_object *obj, const char *map, const char *cg);
/* Detach and wait until the link is gone. */
void ops_close(int link);

/* Run a syscall program, return its value. */
int run_program(struct bpf_object *obj, const char *program);

#endif
