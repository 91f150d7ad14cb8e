// SPDX-License-Identifier: GPL-2.0-only
/* Section 5b: what loads and what does not. */
#include "tests.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct bpf_object *with(const char *name)
{
	struct bpf_object *obj = obj_open("verifier.bpf.o");

	if (bpf_object__find_map_by_name(obj, name))
		use_ops(obj, name);
	else
		use_program(obj, name);
	return obj;
}

static void accepted(const char *name)
{
	struct bpf_object *obj = with(name);

	if (obj_load_error(obj)) {
		fputs(verifier_log, stderr);
		FAIL("load %s: refused, but should be accepted", name);
	}
	bpf_object__close(obj);
}

/* err 0: whichever error. The log must have this text, so it is for that reason. */
static void refused(const char *name, int err, const char *text)
{
	struct bpf_object *obj = with(name);
	int got = obj_load_error(obj);

	if (!got)
		FAIL("load %s: accepted, but should be refused", name);
	if (err && got != err)
		FAIL("load %s: refused with %d and not %d", name, got, err);
	if (!strstr(verifier_log, text)) {
		fputs(verifier_log, stderr);
		FAIL("load %s: refused, but not with '%s'", name, text);
	}
	bpf_object__close(obj);
}

void test_verifier_oom_control(void)
{
	refused("no_null_test", 0, "trusted_ptr_or_null_");
	accepted("yes_null_test");
	refused("no_write", 0, "only read is supported");
	refused("no_chosen", 0, "must be referenced or trusted");
}

void test_verifier_kill(void)
{
	refused("no_kill_not_sleepable", -EACCES, "program must be sleepable to call sleepable kfunc");
	refused("no_kill_null", -EACCES, "Possibly NULL pointer passed to trusted");
	refused("no_kill_writable_message", -EACCES, "readonly");
	refused("no_kill_in_walk", -EACCES, "rcu_read_lock");
	refused("no_kill_from_syscall", -EACCES, "is not allowed");
	refused("no_task_leak", -EINVAL, "Unreleased reference");
}

void test_verifier_declare(void)
{
	refused("no_declare_in_oom", -EACCES, "is not allowed");
	refused("no_declare_from_syscall", -EACCES, "is not allowed");
	refused("psi_no_declare_not_sleepable", -EACCES, "program must be sleepable to call sleepable kfunc");
	refused("psi_no_declare_literal", -EACCES, "write");
	accepted("psi_yes_declare_writable");
}

void test_verifier_trigger(void)
{
	refused("no_trigger_in_oom", -EACCES, "is not allowed");
	refused("psi_no_trigger_not_sleepable", -EACCES, "program must be sleepable to call sleepable kfunc");
	accepted("psi_yes_not_sleepable");
}

void test_verifier_memcg(void)
{
	refused("no_memcg_leak", -EINVAL, "Unreleased reference");
	refused("no_memcg_null", -EACCES, "Possibly NULL pointer passed to trusted");
	refused("no_put_borrowed", -EINVAL, "bpf_put_mem_cgroup expects");
	refused("no_flush_not_sleepable", -EACCES, "program must be sleepable to call sleepable kfunc");
	accepted("yes_usage_not_sleepable");
	refused("no_parent", 0, "must be");
	refused("no_css_of_controller", 0, "must be");
}

void test_verifier_user_memory(void)
{
	refused("no_copy_from_user", -EINVAL, "bpf_copy_from_user");
}

void test_verifier_policy(void)
{
	accepted("yes_policy");
}
