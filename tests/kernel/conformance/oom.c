// SPDX-License-Identifier: GPL-2.0-only
/* Section 1: OOM handlers, the chain, attach, offline, the report. position.c has where the hook sits. */
#define _GNU_SOURCE
#include "tests.h"

#include <bpf/btf.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

struct oom_test oom_load(const char *maps)
{
	struct oom_test t = { .obj = obj_open("oom.bpf.o") };
	char copy[256], *map, *rest;

	snprintf(copy, sizeof(copy), "%s", maps);
	for (map = strtok_r(copy, " ", &rest); map; map = strtok_r(NULL, " ", &rest))
		use_ops(t.obj, map);
	obj_load(t.obj);
	t.a = obj_var(t.obj, "a");
	t.b = obj_var(t.obj, "b");
	t.c = obj_var(t.obj, "c");
	t.d = obj_var(t.obj, "d");
	return t;
}

const char *limited(const char *name, const char *max)
{
	const char *cg = cg_make("conf/%s", name);

	cg_write(cg, "memory.max", "%s", max);
	cg_write(cg, "memory.swap.max", "0");
	return cg;
}

/* An OOM in cg, whose limit is 10 MiB: who causes it is the kernel's choice. */
void cause_oom(const char *cg)
{
	pid_t pid = hog(cg, 15 * MIB, 0);

	EQ(wait_signal(pid), SIGKILL);
}

/* The kernel reports at most ten OOMs in 5 s: go on until it does. */
bool oom_until(const char *cg, const char *text)
{
	int i;

	for (i = 0; i < 200 && !log_count(text); i++)
		cause_oom(cg);
	return log_count(text);
}

static void members(const char *type, const char * const *names)
{
	struct btf *btf = btf__load_vmlinux_btf();
	int id = btf__find_by_name_kind(btf, type, BTF_KIND_STRUCT);
	const struct btf_type *t;
	int i, at = 0;

	if (id < 0)
		FAIL("find struct %s in kernel BTF: it is not there", type);
	t = btf__type_by_id(btf, id);
	/* In this order; there may be others between and after. */
	for (i = 0; names[i]; i++) {
		while (at < btf_vlen(t) &&
		       strcmp(btf__name_by_offset(btf, btf_members(t)[at].name_off), names[i]))
			at++;
		if (at == btf_vlen(t))
			FAIL("find member %s of struct %s: not there, or in another place",
			     names[i], type);
	}
	btf__free(btf);
}

void has_members(const char *type, ...)
{
	const char *names[16];
	va_list args;
	int n = 0;

	va_start(args, type);
	do {
		names[n] = va_arg(args, const char *);
	} while (names[n++]);
	va_end(args);
	members(type, names);
}

void test_oom_types(void)
{
	has_members("bpf_oom_ops", "handle_out_of_memory", "handle_cgroup_offline", "name", NULL);
	has_members("bpf_oom_ctx", "cgroup_id", NULL);
	has_members("oom_control", "constraint", "bpf_memory_freed", "bpf_policy_name",
		    "bpf_constraint", NULL);
	has_members("bpf_struct_ops_link", "cgroup_id", NULL);
	has_members("bpf_struct_ops_bpf_oom_ops", "common", "data", NULL);
}

void test_oom_handler_required(void)
{
	struct oom_test t = oom_load("ops_without_handler");

	EQ(ops_prepare(t.obj, "ops_without_handler"), -EINVAL);
	/* And it cannot be attached all the same. */
	EQ(ops_link(t.obj, "ops_without_handler", 0), -EINVAL);
}

void test_oom_rest_optional(void)
{
	struct oom_test t = oom_load("ops_plain");
	volatile n64 *calls = obj_var(t.obj, "plain_calls");
	const char *cg = limited("x", "10M");

	ops_attach(t.obj, "ops_plain", cg);
	cause_oom(cg);
	EXPECT(>=, *calls, 1);
}

void test_oom_name_default(void)
{
	struct oom_test t = oom_load("ops_plain");
	const char *cg = limited("x", "10M");

	ops_attach(t.obj, "ops_plain", cg);
	cause_oom(cg);
	CHECK(!strcmp(obj_var(t.obj, "plain_name"), "bpf_defined_policy"));
}

void test_oom_name_limits(void)
{
	struct oom_test t = oom_load("ops_name_63 ops_name_64 ops_name_two_lines");
	const char *cg = limited("x", "10M");

	EQ(ops_prepare(t.obj, "ops_name_64"), -EINVAL);
	EQ(ops_prepare(t.obj, "ops_name_two_lines"), -EINVAL);
	ops_attach(t.obj, "ops_name_63", cg);
	cause_oom(cg);
	EQ(strlen(obj_var(t.obj, "plain_name")), 63);
}

void test_strict_name(void)
{
	struct oom_test t = oom_load("ops_name_64");
	const char *cg = limited("x", "10M");

	ops_attach(t.obj, "ops_name_64", cg);
	cause_oom(cg);
	EQ(strlen(obj_var(t.obj, "plain_name")), 63);
}

void test_oom_ctx(void)
{
	struct oom_test t = oom_load("ops_a ops_b");
	const char *cg = limited("x", "10M");

	ops_attach(t.obj, "ops_a", cg);
	ops_attach(t.obj, "ops_b", NULL);
	cause_oom(cg);
	EQ(t.a->ctx_id, cg_id(cg));
	EXPECT(>=, t.b->calls, 1);
	EQ(t.b->ctx_id, 0);
}

void test_oom_not_sleepable(void)
{
	test_oom_rest_optional();
}

void test_oom_control_fields(void)
{
	struct oom_test t = oom_load("ops_a");
	const char *cg = limited("x", "10M");

	ops_attach(t.obj, "ops_a", cg);
	cause_oom(cg);
	EQ(t.a->memcg_id, cg_id(cg));
	EQ(t.a->order, 0);
	EQ(t.a->gfp_mask & 0xc0, 0xc0); /* __GFP_IO, __GFP_FS */
	EQ(t.a->totalpages, 10 * MIB / 4096);
	EQ(t.a->constraint, 3); /* CONSTRAINT_MEMCG */
	CHECK(!strcmp((char *)t.a->name, "policy_a"));
}

/* ---- the chain ---- */

void test_chain_order(void)
{
	struct oom_test t = oom_load("ops_a ops_b ops_c ops_d");
	const char *top = cg_make("conf/top"), *leaf;
	pid_t pid;

	cg_write(top, "cgroup.subtree_control", "+memory");
	leaf = limited("top/leaf", "10M");
	ops_attach(t.obj, "ops_a", leaf);
	ops_attach(t.obj, "ops_b", top);
	ops_attach(t.obj, "ops_c", "");
	ops_attach(t.obj, "ops_d", NULL);
	/* The first OOM, however many there are. */
	pid = hog(leaf, 15 * MIB, 0);
	EQ(wait_signal(pid), SIGKILL);
	EQ(t.a->calls, t.b->calls);
	EQ(t.a->calls, t.c->calls);
	EQ(t.a->calls, t.d->calls);
	EQ(t.b->sequence, t.a->sequence + 1);
	EQ(t.c->sequence, t.a->sequence + 2);
	EQ(t.d->sequence, t.a->sequence + 3);
	/* The kernel came last. */
	EQ(cg_read(leaf, "memory.events", "oom_kill"), 1);
}

void test_chain_from_oom_memcg(void)
{
	struct oom_test t = oom_load("ops_a ops_b");
	const char *top = limited("top", "10M"), *leaf;

	cg_write(top, "cgroup.subtree_control", "+memory");
	leaf = cg_make("conf/top/leaf");
	ops_attach(t.obj, "ops_a", leaf);
	ops_attach(t.obj, "ops_b", top);
	cause_oom(leaf);
	EQ(t.a->calls, 0);
	EXPECT(>=, t.b->calls, 1);
	EQ(t.b->memcg_id, cg_id(top));
}

/* A victim that is not the one at the limit, and an instance above. */
static struct oom_test chain_of_two(enum action action, const char **leaf, pid_t *victim)
{
	struct oom_test t = oom_load("ops_a ops_b");
	const char *top = cg_make("conf/top");

	cg_write(top, "cgroup.subtree_control", "+memory");
	*leaf = limited("top/leaf", "10M");
	ops_attach(t.obj, "ops_a", *leaf);
	ops_attach(t.obj, "ops_b", top);
	*victim = hog(*leaf, 5 * MIB, 0);
	t.a->victim = t.b->victim = *victim;
	t.a->action = action;
	return t;
}

void test_chain_stops(void)
{
	const char *leaf;
	pid_t victim, other;
	struct oom_test t = chain_of_two(KILL_VICTIM, &leaf, &victim);

	/* Asked while the victim goes, a kill may find nobody: then the kernel, too, has to. */
	other = hog(leaf, 6 * MIB, -1000);
	EQ(wait_signal(victim), SIGKILL);
	EXPECT(>, t.a->calls, t.a->passed_on);
	EQ(t.b->calls, t.a->passed_on);
	CHECK(alive(other));
	EQ(cg_read(leaf, "memory.events", "oom_kill"), 1);
}

void test_chain_claim(void)
{
	const char *leaf;
	pid_t victim, other;
	struct oom_test t = chain_of_two(CLAIM, &leaf, &victim);

	t.b->action = KILL_VICTIM;
	other = hog(leaf, 6 * MIB, 0);
	EQ(wait_signal(victim), SIGKILL);
	EXPECT(>=, t.a->calls, 1);
	EQ(t.b->calls, t.a->calls);
	CHECK(alive(other));
}

void test_chain_zero(void)
{
	const char *leaf;
	pid_t victim;
	struct oom_test t = chain_of_two(KILL_AND_DECLINE, &leaf, &victim);

	hog(leaf, 6 * MIB, 0);
	EQ(wait_signal(victim), SIGKILL);
	EQ(t.a->freed_after, 1);
	EQ(t.b->calls, t.a->calls);
}

void test_chain_reset(void)
{
	const char *leaf;
	pid_t victim;
	struct oom_test t = chain_of_two(KILL_AND_DECLINE, &leaf, &victim);

	hog(leaf, 6 * MIB, 0);
	EQ(wait_signal(victim), SIGKILL);
	EQ(t.a->freed_before, 0);
	EQ(t.b->freed_before, 0);
	CHECK(!strcmp((char *)t.a->name, "policy_a"));
	CHECK(!strcmp((char *)t.b->name, "policy_b"));
}

void test_chain_system_memcg(void)
{
	struct oom_test t = oom_load("ops_a");
	const char *cg = limited("x", "10M");
	pid_t victim, other;

	ops_attach(t.obj, "ops_a", NULL);
	victim = hog(cg, 5 * MIB, 0);
	t.a->victim = victim;
	t.a->action = KILL_VICTIM;
	other = hog(cg, 6 * MIB, 0);
	EQ(wait_signal(victim), SIGKILL);
	CHECK(alive(other));
	EQ(t.a->memcg_id, cg_id(cg));
	EQ(t.a->ctx_id, 0);
}

/* A policy declines, but only after another process has ended and its memory is back. */
static pid_t asker_of_relieved_oom(void)
{
	struct oom_test t = oom_load("ops_a");
	const char *cg = limited("x", "10M");
	pid_t other = hog(cg, 5 * MIB, 0), asker;

	ops_attach(t.obj, "ops_a", cg);
	t.a->action = SPIN;
	keep_statistics_moving();
	asker = hog_start(cg, 6 * MIB, 0);
	CHECK(wait_for(&t.a->calls, 1, 20000));
	kill_and_reap(other);
	while (cg_read(cg, "memory.current", NULL) > (long long)(7 * MIB))
		poll(NULL, 0, 5);
	t.a->action = DECLINE;
	t.a->go_on = 1;
	/* It has what it wanted, or is dead. */
	while (alive(asker) && cg_read(cg, "memory.stat", "anon") < (long long)(6 * MIB))
		poll(NULL, 0, 5);
	return asker;
}

void test_chain_relieved(void)
{
	CHECK(alive(asker_of_relieved_oom()));
	EQ(cg_read("conf/x", "memory.events", "oom_kill"), 0);
}

void test_strict_not_relieved(void)
{
	EQ(wait_signal(asker_of_relieved_oom()), SIGKILL);
	EQ(cg_read("conf/x", "memory.events", "oom_kill"), 1);
}

void test_chain_kernel(void)
{
	const char *cg = limited("x", "10M");

	log_mark();
	cause_oom(cg);
	EQ(cg_read(cg, "memory.events", "oom_kill"), 1);
	CHECK(log_has("Memory cgroup out of memory: Killed process"));
}

/* ---- attach ---- */

void test_attach_busy(void)
{
	struct oom_test t = oom_load("ops_a ops_b");
	const char *cg = limited("x", "10M");

	ops_attach(t.obj, "ops_a", cg);
	ops_attach(t.obj, "ops_a", NULL);
	EQ(ops_prepare(t.obj, "ops_b"), 0);
	EQ(ops_link(t.obj, "ops_b", cg_open(cg)), -EBUSY);
	EQ(ops_link(t.obj, "ops_b", 0), -EBUSY);
	/* Who was first goes on. */
	cause_oom(cg);
	EXPECT(>=, t.a->calls, 1);
	EQ(t.b->calls, 0);
}

void test_attach_same_map(void)
{
	struct oom_test t = oom_load("ops_a");
	const char *one = limited("one", "10M"), *two = limited("two", "10M");
	int link;

	link = ops_attach(t.obj, "ops_a", one);
	ops_attach(t.obj, "ops_a", two);
	cause_oom(one);
	EQ(t.a->ctx_id, cg_id(one));
	cause_oom(two);
	EQ(t.a->ctx_id, cg_id(two));
	/* Each on its own. */
	ops_close(link);
	t.a->calls = 0;
	cause_oom(one);
	EQ(t.a->calls, 0);
	cause_oom(two);
	EXPECT(>=, t.a->calls, 1);
}

void test_attach_again(void)
{
	struct oom_test t = oom_load("ops_a ops_b");
	const char *cg = limited("x", "10M");

	ops_close(ops_attach(t.obj, "ops_a", cg));
	ops_close(ops_attach(t.obj, "ops_a", NULL));
	ops_attach(t.obj, "ops_b", cg);
	ops_attach(t.obj, "ops_b", NULL);
	cause_oom(cg);
	EQ(t.a->calls, 0);
	EXPECT(>=, t.b->calls, 1);
}

void test_attach_update(void)
{
	struct oom_test t = oom_load("ops_a ops_b");
	int link = ops_attach(t.obj, "ops_a", NULL);

	EQ(ops_prepare(t.obj, "ops_b"), 0);
	CHECK(bpf_link_update(link, obj_map_fd(t.obj, "ops_b"), NULL) < 0);
	EQ(errno, EOPNOTSUPP);
}

void test_attach_legacy(void)
{
	struct oom_test t = oom_load("ops_legacy");

	EQ(ops_prepare(t.obj, "ops_legacy"), -EOPNOTSUPP);
	EQ(ops_link(t.obj, "ops_legacy", 0), -EINVAL);
}

void test_attach_bad_fd(void)
{
	struct oom_test t = oom_load("ops_a");
	const char *cg = limited("x", "10M");
	int fd;

	EQ(ops_prepare(t.obj, "ops_a"), 0);
	EQ(ops_link(t.obj, "ops_a", 999), -EBADF);
	EQ(ops_link(t.obj, "ops_a", -1), -EBADF);
	fd = open("/tmp", O_RDONLY | O_DIRECTORY);
	EQ(ops_link(t.obj, "ops_a", fd), -EBADF);
	fd = open("/sys/fs/cgroup/conf/x/memory.max", O_RDONLY);
	CHECK(fd > 0);
	EQ(ops_link(t.obj, "ops_a", fd), -EBADF);
	/* A hierarchy of the first version. */
	mkdir("/tmp/cgroup1", 0755);
	if (mount("none", "/tmp/cgroup1", "cgroup", 0, "none,name=conf"))
		FAIL("mount a cgroup v1 hierarchy: %s", strerror(errno));
	fd = open("/tmp/cgroup1", O_RDONLY | O_DIRECTORY);
	EQ(ops_link(t.obj, "ops_a", fd), -EBADF);
	close(fd);
	umount("/tmp/cgroup1");
	/* None of this attached anything anywhere. */
	cause_oom(cg);
	EQ(t.a->calls, 0);
}

static int maps_in_kernel(void)
{
	uint32_t id = 0;
	int n = 0;

	while (!bpf_map_get_next_id(id, &id))
		n++;
	return n;
}

void test_strict_bad_fd(void)
{
	int before = maps_in_kernel(), status, fd;
	pid_t pid = fork();

	if (!pid) {
		struct oom_test t = oom_load("ops_a");

		EQ(ops_prepare(t.obj, "ops_a"), 0);
		fd = open("/tmp", O_RDONLY | O_DIRECTORY);
		EQ(ops_link(t.obj, "ops_a", fd), -EBADF);
		_exit(0);
	}
	waitpid(pid, &status, 0);
	EQ(status, 0);
	/* What the process gives back is gone within a grace period. */
	poll(NULL, 0, 2000);
	EXPECT(>, maps_in_kernel(), before);
}

void test_attach_no_controller(void)
{
	struct oom_test t = oom_load("ops_a");
	const char *top = limited("top", "10M"), *child = cg_make("conf/top/child");

	EQ(ops_prepare(t.obj, "ops_a"), 0);
	EQ(ops_link(t.obj, "ops_a", cg_open(child)), -EOPNOTSUPP);
	/* Not on the nearest ancestor either. */
	cause_oom(top);
	EQ(t.a->calls, 0);
}

void test_attach_removed(void)
{
	struct oom_test t = oom_load("ops_a");
	const char *cg = limited("x", "10M");
	int fd = cg_open(cg);

	EQ(ops_prepare(t.obj, "ops_a"), 0);
	cg_remove(cg);
	CHECK(ops_link(t.obj, "ops_a", fd) < 0);
}

static uint64_t info_cgroup_id(int link)
{
	struct {
		uint32_t type, id, prog_id, pad;
		uint32_t map_id, pad2;
		uint64_t cgroup_id;
		char rest[64];
	} info = {};
	uint32_t len = sizeof(info);

	if (bpf_obj_get_info_by_fd(link, &info, &len))
		FAIL("get link info: %s", strerror(errno));
	EQ(info.type, 9); /* BPF_LINK_TYPE_STRUCT_OPS */
	return info.cgroup_id;
}

static uint64_t fdinfo_cgroup_id(int link)
{
	char path[64], line[128];
	uint64_t id = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", link);
	f = fopen(path, "r");
	while (fgets(line, sizeof(line), f))
		if (!strncmp(line, "cgroup_id:", 10))
			id = strtoull(line + 10, NULL, 10);
	fclose(f);
	return id;
}

void shows_cgroup_id(int link, uint64_t id)
{
	EQ(info_cgroup_id(link), id);
	EQ(fdinfo_cgroup_id(link), id);
}

void test_attach_info(void)
{
	struct oom_test t = oom_load("ops_a");
	const char *cg = limited("x", "10M");
	int link = ops_attach(t.obj, "ops_a", cg), system = ops_attach(t.obj, "ops_a", NULL);

	uint64_t id = cg_id(cg);

	shows_cgroup_id(link, id);
	shows_cgroup_id(system, 0);
	/* Also when it is gone. */
	cg_remove(cg);
	EQ(info_cgroup_id(link), id);
}

void test_strict_info(void)
{
	struct oom_test t = oom_load("ops_a");
	int link = ops_attach(t.obj, "ops_a", limited("x", "10M"));

	EQ(info_cgroup_id(link), 0);
	EQ(fdinfo_cgroup_id(link), -1);
}

void test_ignore_cgroup_fd(void)
{
	struct oom_test t = oom_load("ops_a");
	const char *cg = limited("x", "10M"), *other = limited("other", "10M");
	int link = ops_attach(t.obj, "ops_a", cg);

	EQ(info_cgroup_id(link), 0);
	cause_oom(other);
	EXPECT(>=, t.a->calls, 1);
	EQ(t.a->ctx_id, 0);
}

static int links(void)
{
	uint32_t id = 0;
	int n = 0;

	while (!bpf_link_get_next_id(id, &id))
		n++;
	return n;
}

void test_attach_failed_leaves_nothing(void)
{
	struct oom_test t = oom_load("ops_a ops_b");
	const char *cg = limited("x", "10M");
	int before, link, fd;

	ops_attach(t.obj, "ops_a", cg);
	EQ(ops_prepare(t.obj, "ops_b"), 0);
	before = links();
	fd = cg_open(cg);
	EQ(ops_link(t.obj, "ops_b", fd), -EBUSY);
	EQ(ops_link(t.obj, "ops_b", 999), -EBADF);
	EQ(links(), before);
	/* And the map can still be attached elsewhere. */
	link = ops_link(t.obj, "ops_b", 0);
	CHECK(link > 0);
}

void test_detach_default(void)
{
	struct oom_test t = oom_load("ops_a");
	const char *cg = limited("x", "10M");
	int link = ops_attach(t.obj, "ops_a", cg);

	ops_close(link);
	log_mark();
	CHECK(oom_until(cg, "oom_policy=default"));
	EQ(t.a->calls, 0);
}

/* Attach in a child, which then dies by SIGKILL. Pin it if told so. */
static void attach_and_die(struct oom_test *t, const char *cg, const char *pin)
{
	int pipes[2], link;
	pid_t pid;
	char c;

	if (pipe2(pipes, O_CLOEXEC))
		FAIL("make a pipe: %s", strerror(errno));
	pid = fork();
	if (!pid) {
		link = ops_attach(t->obj, "ops_a", cg);
		if (pin && bpf_obj_pin(link, pin))
			FAIL("pin a link at %s: %s", pin, strerror(errno));
		if (write(pipes[1], "", 1) == 1)
			for (;;)
				pause();
		_exit(1);
	}
	close(pipes[1]);
	EQ(read(pipes[0], &c, 1), 1);
	kill_and_reap(pid);
}

void test_attach_dies_with_process(void)
{
	struct oom_test t = oom_load("ops_a");
	const char *cg = limited("x", "10M");
	uint64_t end;
	int fd, link;

	attach_and_die(&t, cg, NULL);
	/* The place is free as soon as the link is gone. */
	fd = cg_open(cg);
	end = now_ns() + 10000000000ULL;
	while ((link = ops_link(t.obj, "ops_a", fd)) == -EBUSY && now_ns() < end)
		poll(NULL, 0, 1);
	CHECK(link > 0);
}

void test_attach_pinned(void)
{
	struct oom_test t = oom_load("ops_a");
	const char *cg = limited("x", "10M"), *pin = "/sys/fs/bpf/conformance";

	attach_and_die(&t, cg, pin);
	cause_oom(cg);
	EXPECT(>=, t.a->calls, 1);
	unlink(pin);
}

/* ---- offline ---- */

void test_offline_callback(void)
{
	struct oom_test t = oom_load("ops_a");
	const char *cg = limited("x", "10M");
	uint64_t id = cg_id(cg);
	int link = ops_attach(t.obj, "ops_a", cg);

	cg_remove(cg);
	CHECK(wait_for(&t.a->offline_calls, 1, 10000));
	EQ(t.a->offline_id, id);
	EQ(t.a->offline_ctx_id, id);
	ops_close(link);
	EQ(t.a->offline_calls, 1);
}

void test_offline_none(void)
{
	struct oom_test t = oom_load("ops_plain");
	const char *cg = limited("x", "10M");
	int link = ops_attach(t.obj, "ops_plain", cg);

	cg_remove(cg);
	/* Another cgroup goes the same way after it: then it is done. */
	cg_remove(limited("y", "10M"));
	ops_close(link);
}

void test_offline_link_stays(void)
{
	struct oom_test t = oom_load("ops_a");
	const char *cg = limited("x", "10M");
	struct pollfd p = { .events = POLLIN };

	p.fd = ops_attach(t.obj, "ops_a", cg);
	cg_remove(cg);
	CHECK(wait_for(&t.a->offline_calls, 1, 10000));
	EQ(poll(&p, 1, 0), 0);
}

void test_offline_no_reference(void)
{
	struct oom_test t = oom_load("ops_a");
	const char *cg = limited("x", "10M");
	uint64_t end;

	ops_attach(t.obj, "ops_a", cg);
	cg_remove(cg);
	end = now_ns() + 20000000000ULL;
	while (cg_read("conf", "cgroup.stat", "nr_dying_descendants") && now_ns() < end)
		poll(NULL, 0, 5);
	EQ(cg_read("conf", "cgroup.stat", "nr_dying_descendants"), 0);
}

/* Whether mkdir returns while handle_cgroup_offline() runs. */
static bool makes_cgroup_meanwhile(void)
{
	struct oom_test t = oom_load("ops_a");
	const char *cg = limited("x", "10M");
	struct pollfd made = { .events = POLLIN };
	bool meanwhile;
	pid_t pid;

	ops_attach(t.obj, "ops_a", cg);
	t.a->action = SPIN;
	keep_statistics_moving();
	cg_remove(cg);
	CHECK(wait_for(&t.a->offline_calls, 1, 10000));
	pid = fork();
	if (!pid) {
		cg_make("conf/y");
		_exit(0);
	}
	made.fd = syscall(SYS_pidfd_open, pid, 0);
	meanwhile = poll(&made, 1, 1000) == 1;
	t.a->go_on = 1;
	EQ(poll(&made, 1, 20000), 1);
	return meanwhile;
}

void test_offline_slow(void)
{
	CHECK(makes_cgroup_meanwhile());
}

void test_strict_offline_slow(void)
{
	CHECK(!makes_cgroup_meanwhile());
}

void test_offline_system(void)
{
	struct oom_test t = oom_load("ops_a ops_b");
	const char *cg = limited("x", "10M");

	ops_attach(t.obj, "ops_a", NULL);
	ops_attach(t.obj, "ops_b", cg);
	cg_remove(cg);
	CHECK(wait_for(&t.b->offline_calls, 1, 10000));
	EQ(t.a->offline_calls, 0);
}

void test_offline_controller(void)
{
	struct oom_test t = oom_load("ops_a");
	const char *top = cg_make("conf/top"), *child;
	int link;

	cg_write(top, "cgroup.subtree_control", "+memory");
	child = limited("top/child", "10M");
	link = ops_attach(t.obj, "ops_a", child);
	cg_write(top, "cgroup.subtree_control", "-memory");
	CHECK(wait_for(&t.a->offline_calls, 1, 10000));
	/* With the controller back the place is free. */
	cg_write(top, "cgroup.subtree_control", "+memory");
	CHECK(ops_link(t.obj, "ops_a", cg_open(child)) > 0);
	ops_close(link);
	/* Closing the old link did not take the new one's place. */
	EQ(ops_link(t.obj, "ops_a", cg_open(child)), -EBUSY);
}

/* ---- the report ---- */

void test_report_policy(void)
{
	struct oom_test t = oom_load("ops_a");
	const char *cg = limited("x", "10M");
	pid_t other;
	int i;

	log_mark();
	ops_attach(t.obj, "ops_a", cg);
	t.a->action = KILL_VICTIM;
	for (i = 0; i < 200 && !log_count("oom_policy=policy_a"); i++) {
		t.a->victim = hog(cg, 5 * MIB, 0);
		other = hog(cg, 6 * MIB, 0);
		EQ(wait_signal(t.a->victim), SIGKILL);
		kill_and_reap(other);
	}
	CHECK(log_has("oom_policy=policy_a"));
	CHECK(log_has("invoked oom-killer"));
	CHECK(log_has("conformance: Killed process"));
}

void test_report_default(void)
{
	struct oom_test t = oom_load("ops_a");
	const char *cg = limited("x", "10M");

	log_mark();
	CHECK(oom_until(cg, "oom_policy=default"));
	ops_attach(t.obj, "ops_a", cg);
	log_mark();
	CHECK(oom_until(cg, "oom_policy=default"));
	EXPECT(>=, t.a->calls, 1);
	EQ(log_count("oom_policy=policy_a"), 0);
}
