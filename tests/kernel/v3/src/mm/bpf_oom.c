// SPDX-License-Identifier: GPL-2.0-only
/*
 * Out-of-memory policies in BPF, as in v3 of the series and strictly so: the
 * struct_ops type bpf_oom_ops, the chain of handlers that out_of_memory()
 * walks, and the kfuncs handlers kill with.
 *
 * An instance belongs to a link and is found by the id of the cgroup that the
 * link is attached to. The link holds its cgroup only until the cgroup is
 * removed, which detaches it.
 */

#define pr_fmt(fmt) "bpf_oom: " fmt

#include <linux/bpf.h>
#include <linux/bpf_oom.h>
#include <linux/bpf_verifier.h>
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/cgroup.h>
#include <linux/filter.h>
#include <linux/init.h>
#include <linux/memcontrol.h>
#include <linux/mutex.h>
#include <linux/oom.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/string.h>
#include <linux/uaccess.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

struct bpf_oom_instance {
	struct bpf_oom_ops *ops;
	struct bpf_struct_ops_link *link;
};

/* cgroup id -> instance. Readers are in bpf_oom_srcu. */
static DEFINE_XARRAY(bpf_oom_instances);
DEFINE_STATIC_SRCU(bpf_oom_srcu);

static u32 bpf_oom_ops_type_id;

static bool bpf_oom_call(struct cgroup *cgrp, struct oom_control *oc)
{
	struct bpf_oom_instance *inst;
	int ret;

	inst = xa_load(&bpf_oom_instances, cgroup_id(cgrp));
	if (!inst)
		return false;

	oc->bpf_memory_freed = false;
	oc->bpf_handler_name = inst->ops->name[0] ? inst->ops->name :
						    "bpf_defined_policy";
	pagefault_disable();
	ret = inst->ops->handle_out_of_memory(oc, inst->link);
	pagefault_enable();

	return ret && oc->bpf_memory_freed;
}

static bool bpf_oom_walk(struct oom_control *oc)
{
	struct mem_cgroup *memcg = oc->memcg;
	struct cgroup *cgrp;

	if (!memcg)
		return bpf_oom_call(&cgrp_dfl_root.cgrp, oc);

	/* Cgroups, not memory cgroups: an instance needs no controller. */
	cgrp = memcg->css.cgroup;
	if (cgrp->root != &cgrp_dfl_root)
		return false;
	for (; cgrp; cgrp = cgroup_parent(cgrp))
		if (bpf_oom_call(cgrp, oc))
			return true;

	return false;
}

/**
 * bpf_handle_oom - Let the attached policies handle an OOM
 * @oc: the OOM
 *
 * A memory cgroup's OOM goes to the policies from that cgroup up to the root,
 * a global OOM to the root's only. Called with oom_lock held.
 *
 * Return: true if a policy freed memory, false if the kernel has to.
 */
bool bpf_handle_oom(struct oom_control *oc)
{
	bool handled;
	int idx;

	if (xa_empty(&bpf_oom_instances))
		return false;

	idx = srcu_read_lock(&bpf_oom_srcu);
	handled = bpf_oom_walk(oc);
	/* The name belongs to the policy, which may go away from here on. */
	oc->bpf_handler_name = NULL;
	oc->bpf_memory_freed = false;
	srcu_read_unlock(&bpf_oom_srcu, idx);

	return handled;
}

struct bpf_oom_detach {
	struct work_struct work;
	struct bpf_link *link;
};

static void bpf_oom_detach_work(struct work_struct *work)
{
	struct bpf_oom_detach *detach =
		container_of(work, struct bpf_oom_detach, work);

	detach->link->ops->detach(detach->link);
	bpf_link_put(detach->link);
	kfree(detach);
}

/**
 * bpf_oom_cgroup_offline - Detach what is attached to a removed cgroup
 * @cgrp: the cgroup
 *
 * From a work item, as it waits for handlers.
 */
void bpf_oom_cgroup_offline(struct cgroup *cgrp)
{
	struct bpf_oom_instance *inst;
	struct bpf_oom_detach *detach;
	struct bpf_link *link = NULL;

	if (cgrp->root != &cgrp_dfl_root)
		return;

	xa_lock(&bpf_oom_instances);
	inst = xa_load(&bpf_oom_instances, cgroup_id(cgrp));
	if (inst) {
		link = bpf_link_inc_not_zero(&inst->link->link);
		if (IS_ERR(link))
			link = NULL;
	}
	xa_unlock(&bpf_oom_instances);
	if (!link)
		return;

	detach = kzalloc_obj(*detach, GFP_KERNEL | __GFP_NOFAIL);
	INIT_WORK(&detach->work, bpf_oom_detach_work);
	detach->link = link;
	queue_work(system_dfl_wq, &detach->work);
}

static int bpf_oom_reg(void *kdata, struct bpf_link *link)
{
	struct bpf_struct_ops_link *st_link;
	struct bpf_oom_instance *inst;
	int err;

	/* A map without BPF_F_LINK. */
	if (!link)
		return -EOPNOTSUPP;
	st_link = container_of(link, struct bpf_struct_ops_link, link);
	if (!st_link->cgroup)
		return -EINVAL;

	inst = kzalloc_obj(*inst);
	if (!inst)
		return -ENOMEM;
	inst->ops = kdata;
	inst->link = st_link;

	/* Under cgroup_mutex, so that a removed cgroup's event is not missed. */
	cgroup_lock();
	if (cgroup_is_dead(st_link->cgroup))
		err = -EBUSY;
	else if (xa_load(&bpf_oom_instances, st_link->cgroup_id))
		err = -EEXIST;
	else
		err = xa_err(xa_store(&bpf_oom_instances, st_link->cgroup_id, inst, GFP_KERNEL));
	cgroup_unlock();
	if (err)
		kfree(inst);

	return err;
}

static void bpf_oom_unreg(void *kdata, struct bpf_link *link)
{
	struct bpf_struct_ops_link *st_link =
		container_of(link, struct bpf_struct_ops_link, link);
	struct bpf_oom_instance *inst;

	inst = xa_erase(&bpf_oom_instances, st_link->cgroup_id);
	synchronize_srcu(&bpf_oom_srcu);
	kfree(inst);
}

static int bpf_oom_validate(void *kdata)
{
	struct bpf_oom_ops *ops = kdata;

	return ops->handle_out_of_memory ? 0 : -EINVAL;
}

static int bpf_oom_init_member(const struct btf_type *t,
			       const struct btf_member *member,
			       void *kdata, const void *udata)
{
	const struct bpf_oom_ops *uops = udata;
	struct bpf_oom_ops *ops = kdata;

	if (__btf_member_bit_offset(t, member) / 8 != offsetof(struct bpf_oom_ops, name))
		return 0;
	memcpy(ops->name, uops->name, strnlen(uops->name, sizeof(uops->name) - 1));

	return 1;
}

static int bpf_oom_init(struct btf *btf)
{
	s32 id = btf_find_by_name_kind(btf, "bpf_oom_ops", BTF_KIND_STRUCT);

	if (id < 0)
		return id;
	bpf_oom_ops_type_id = id;

	return 0;
}

static const struct bpf_func_proto *
bpf_oom_func_proto(enum bpf_func_id func_id, const struct bpf_prog *prog)
{
	return tracing_prog_func_proto(func_id, prog);
}

static bool bpf_oom_is_valid_access(int off, int size,
				    enum bpf_access_type type,
				    const struct bpf_prog *prog,
				    struct bpf_insn_access_aux *info)
{
	return bpf_tracing_btf_ctx_access(off, size, type, prog, info);
}

static const struct bpf_verifier_ops bpf_oom_verifier_ops = {
	.get_func_proto		= bpf_oom_func_proto,
	.is_valid_access	= bpf_oom_is_valid_access,
};

static int bpf_oom_ops__handle_out_of_memory(struct oom_control *oc,
					     struct bpf_struct_ops_link *link)
{
	return 0;
}

static struct bpf_oom_ops bpf_oom_ops_stubs = {
	.handle_out_of_memory	= bpf_oom_ops__handle_out_of_memory,
};

static struct bpf_struct_ops bpf_bpf_oom_ops = {
	.verifier_ops	= &bpf_oom_verifier_ops,
	.init		= bpf_oom_init,
	.init_member	= bpf_oom_init_member,
	.validate	= bpf_oom_validate,
	.reg		= bpf_oom_reg,
	.unreg		= bpf_oom_unreg,
	.cfi_stubs	= &bpf_oom_ops_stubs,
	.owner		= THIS_MODULE,
	.name		= "bpf_oom_ops",
};

__bpf_kfunc_start_defs();

/**
 * bpf_oom_kill_process - Kill a process the way the OOM killer does
 * @oc: the OOM the handler was called for
 * @task: the victim
 * @message__str: what the log says about it
 *
 * Return: 0, and oc->bpf_memory_freed is set, also when no thread has the
 * memory any more; -EPERM for init and kernel threads.
 */
__bpf_kfunc int bpf_oom_kill_process(struct oom_control *oc,
				     struct task_struct *task,
				     const char *message__str)
{
	if (oom_unkillable_task(task))
		return -EPERM;

	/* Consumes the reference. */
	oc->chosen = get_task_struct(task);
	oom_kill_process(oc, message__str);
	oc->chosen = NULL;
	oc->bpf_memory_freed = true;

	return 0;
}

/**
 * bpf_task_is_oom_victim - Has the OOM killer chosen this task before?
 * @task: the task
 */
__bpf_kfunc bool bpf_task_is_oom_victim(struct task_struct *task)
{
	return tsk_is_oom_victim(task);
}

/**
 * bpf_out_of_memory - Declare an OOM
 * @memcg__nullable: the memory cgroup that is out of memory, NULL for a global OOM
 * @order: of the allocation that is thought to have failed
 * @flags: BPF_OOM_FLAGS_WAIT_ON_OOM_LOCK or 0
 *
 * Return: 1 if there was progress, 0 if not, -EINVAL for a bad order or flag,
 * -EBUSY if an OOM is being handled and the flag to wait is not given, -EINTR
 * if a fatal signal ended the wait.
 */
__bpf_kfunc int bpf_out_of_memory(struct mem_cgroup *memcg__nullable, int order,
				  u64 flags)
{
	struct oom_control oc = {
		.memcg = memcg__nullable,
		.gfp_mask = GFP_KERNEL,
		.order = order,
	};
	int ret;

	if (flags & ~BPF_OOM_FLAGS_WAIT_ON_OOM_LOCK)
		return -EINVAL;
	if (order < 0 || order > MAX_PAGE_ORDER)
		return -EINVAL;

	if (flags & BPF_OOM_FLAGS_WAIT_ON_OOM_LOCK) {
		if (mutex_lock_killable(&oom_lock))
			return -EINTR;
	} else if (!mutex_trylock(&oom_lock)) {
		return -EBUSY;
	}

	ret = out_of_memory(&oc);

	mutex_unlock(&oom_lock);
	return ret;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(bpf_oom_kfuncs)
BTF_ID_FLAGS(func, bpf_oom_kill_process, KF_SLEEPABLE)
BTF_ID_FLAGS(func, bpf_task_is_oom_victim)
BTF_KFUNCS_END(bpf_oom_kfuncs)

static const struct btf_kfunc_id_set bpf_oom_kfunc_set = {
	.owner	= THIS_MODULE,
	.set	= &bpf_oom_kfuncs,
};

BTF_KFUNCS_START(bpf_oom_declare_kfuncs)
BTF_ID_FLAGS(func, bpf_out_of_memory, KF_SLEEPABLE)
BTF_KFUNCS_END(bpf_oom_declare_kfuncs)

/* Not for OOM handlers, which hold oom_lock. */
static int bpf_oom_declare_filter(const struct bpf_prog *prog, u32 kfunc_id)
{
	if (!btf_id_set8_contains(&bpf_oom_declare_kfuncs, kfunc_id))
		return 0;
	return prog->type == BPF_PROG_TYPE_STRUCT_OPS &&
	       prog->aux->attach_btf_id == bpf_oom_ops_type_id ? -EACCES : 0;
}

static const struct btf_kfunc_id_set bpf_oom_declare_kfunc_set = {
	.owner	= THIS_MODULE,
	.set	= &bpf_oom_declare_kfuncs,
	.filter	= bpf_oom_declare_filter,
};

static int __init bpf_oom_module_init(void)
{
	int err;

	err = register_btf_kfunc_id_set(BPF_PROG_TYPE_STRUCT_OPS,
					&bpf_oom_kfunc_set);
	if (!err)
		err = register_btf_kfunc_id_set(BPF_PROG_TYPE_STRUCT_OPS,
						&bpf_oom_declare_kfunc_set);
	if (!err)
		err = register_btf_kfunc_id_set(BPF_PROG_TYPE_SYSCALL,
						&bpf_oom_declare_kfunc_set);
	if (!err)
		err = register_bpf_struct_ops(&bpf_bpf_oom_ops, bpf_oom_ops);
	if (err)
		pr_warn("cannot register bpf_oom_ops: error %d, policies will not load\n",
			err);
	return err;
}
late_initcall(bpf_oom_module_init);
