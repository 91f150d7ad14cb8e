// SPDX-License-Identifier: GPL-2.0-only
/*
 * Out-of-memory policies in BPF: the struct_ops type bpf_oom_ops, the chain of
 * handlers that out_of_memory() walks, and the kfuncs handlers kill with.
 *
 * An instance belongs to a link. It is found by the id of the cgroup it is
 * attached to, 0 for the system-wide one. Ids are never reused, so neither
 * side needs a reference to the other: a cgroup that goes away takes its entry
 * out of the table, a link that goes away does the same, whichever is first.
 *
 * Handlers may sleep, hence SRCU: who removes an entry waits for the handlers
 * still running before the instance, and with it the program, is freed.
 */

#define pr_fmt(fmt) "bpf_oom: " fmt

#include <linux/bpf.h>
#include <linux/bpf_oom.h>
#include <linux/bpf_oom_base.h>
#include <linux/bpf_psi.h>
#include <linux/bpf_verifier.h>
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/cgroup.h>
#include <linux/ctype.h>
#include <linux/filter.h>
#include <linux/init.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/moduleparam.h>
#include <linux/mm_types.h>
#include <linux/mutex.h>
#include <linux/oom.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/workqueue.h>
#include <linux/uaccess.h>
#include <linux/xarray.h>

/*
 * bpf_oom.ignore_cgroup_fd=1: BPF_LINK_CREATE ignores the cgroup of a
 * struct_ops link, as kernels without cgroup attach do. For testing that a
 * loader notices.
 */
bool bpf_oom_ignore_cgroup_fd __read_mostly;
module_param_named(ignore_cgroup_fd, bpf_oom_ignore_cgroup_fd, bool, 0444);

/*
 * bpf_oom.as_posted=1: the behaviour of the posted series where this
 * implementation differs and the difference neither kills innocents nor leaks
 * nor crashes. bpf_oom.as_posted=2: also where it kills innocents or leaks; and
 * where the posted series crashes, an error in the log. For testing that a
 * loader and its policies cope.
 */
unsigned int bpf_oom_as_posted __read_mostly;
module_param_named(as_posted, bpf_oom_as_posted, uint, 0444);

struct bpf_oom_instance {
	struct bpf_oom_ops *ops;
	u64 cgroup_id;
	struct work_struct offline_work;
};

/* cgroup id -> instance. Readers are in bpf_oom_srcu. */
static DEFINE_XARRAY(bpf_oom_instances);
DEFINE_STATIC_SRCU(bpf_oom_srcu);

static bool bpf_oom_call(struct bpf_oom_instance *inst, struct oom_control *oc)
{
	struct bpf_oom_ctx ctx = { .cgroup_id = inst->cgroup_id };
	int ret;

	oc->bpf_memory_freed = false;
	oc->bpf_policy_name = inst->ops->name[0] ? inst->ops->name :
						   "bpf_defined_policy";
	ret = inst->ops->handle_out_of_memory(&ctx, oc);

	return ret && oc->bpf_memory_freed;
}

static bool bpf_oom_walk(struct oom_control *oc)
{
	struct bpf_oom_instance *inst;
	struct mem_cgroup *memcg;

	for (memcg = oc->memcg; memcg; memcg = parent_mem_cgroup(memcg)) {
		struct cgroup *cgrp = memcg->css.cgroup;

		/* Ids are unique in one hierarchy only, ours is v2. */
		if (cgrp->root != &cgrp_dfl_root)
			break;
		inst = xa_load(&bpf_oom_instances, cgroup_id(cgrp));
		if (inst && bpf_oom_call(inst, oc))
			return true;
	}

	inst = xa_load(&bpf_oom_instances, 0);
	return inst && bpf_oom_call(inst, oc);
}

/*
 * Has memory come back while the policies had a look? The caller of
 * out_of_memory() checked before, but policies take longer than the kernel's
 * own choice, and an earlier victim may have been on its way out.
 */
static bool bpf_oom_relieved(struct oom_control *oc)
{
	struct mem_cgroup *memcg = oc->memcg;

	if (bpf_oom_strictly_as_posted())
		return false;
	/* A declared OOM is about pressure, not about a limit. */
	if (!memcg || oc->constraint != CONSTRAINT_MEMCG)
		return false;

	return page_counter_read(&memcg->memory) + (1UL << oc->order) <=
	       READ_ONCE(memcg->memory.max);
}

/**
 * bpf_handle_oom - Let the attached policies handle an OOM
 * @oc: the OOM
 *
 * A memory cgroup's OOM goes to the policies from that cgroup up to the root
 * and then to the system-wide one; a global OOM to the system-wide one only.
 * Called with oom_lock held.
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
	if (!handled && bpf_oom_relieved(oc))
		handled = true;
	/* The name belongs to the policy, which may go away from here on. */
	oc->bpf_policy_name = NULL;
	oc->bpf_memory_freed = false;
	srcu_read_unlock(&bpf_oom_srcu, idx);

	return handled;
}

static void bpf_oom_call_offline(struct bpf_oom_instance *inst)
{
	struct bpf_oom_ctx ctx = { .cgroup_id = inst->cgroup_id };

	inst->ops->handle_cgroup_offline(&ctx, inst->cgroup_id);
}

static void bpf_oom_offline_work(struct work_struct *work)
{
	bpf_oom_call_offline(container_of(work, struct bpf_oom_instance,
					  offline_work));
}

/**
 * bpf_oom_memcg_offline - Detach a memory cgroup that goes away
 * @memcg: the memory cgroup
 *
 * The callback runs from a work item, as a sleepable program must not hold up
 * cgroup_mutex, and strictly as posted right here, where it does. The link's
 * owner waits for it in bpf_oom_unreg().
 */
void bpf_oom_memcg_offline(struct mem_cgroup *memcg)
{
	struct cgroup *cgrp = memcg->css.cgroup;
	struct bpf_oom_instance *inst;
	int idx;

	if (cgrp->root != &cgrp_dfl_root)
		return;

	idx = srcu_read_lock(&bpf_oom_srcu);

	/*
	 * Under the table's lock: once the entry is out, bpf_oom_unreg() frees
	 * the instance unless it finds the work pending.
	 */
	xa_lock(&bpf_oom_instances);
	inst = __xa_erase(&bpf_oom_instances, cgroup_id(cgrp));
	if (inst && !inst->ops->handle_cgroup_offline)
		inst = NULL;
	if (inst && !bpf_oom_strictly_as_posted())
		queue_work(system_dfl_wq, &inst->offline_work);
	xa_unlock(&bpf_oom_instances);

	if (inst && bpf_oom_strictly_as_posted())
		bpf_oom_call_offline(inst);
	srcu_read_unlock(&bpf_oom_srcu, idx);
}

/* Take @inst out of the table, wait for its callbacks, free it. */
static void bpf_oom_instance_free(struct bpf_oom_instance *inst)
{
	/* May be out already, and another one in at the same id. */
	xa_cmpxchg(&bpf_oom_instances, inst->cgroup_id, inst, NULL, 0);
	flush_work(&inst->offline_work);
	synchronize_srcu(&bpf_oom_srcu);
	kfree(inst);
}

static int bpf_oom_reg(void *kdata, struct bpf_link *link)
{
	struct bpf_struct_ops_link *st_link;
	struct cgroup_subsys_state *css = NULL;
	struct bpf_oom_instance *inst;
	int err;

	/* A map without BPF_F_LINK: there would be nothing to detach it by. */
	if (!link)
		return -EOPNOTSUPP;

	st_link = container_of(link, struct bpf_struct_ops_link, link);

	if (st_link->cgroup) {
		rcu_read_lock();
		css = rcu_dereference(st_link->cgroup->subsys[memory_cgrp_id]);
		if (css && !css_tryget_online(css))
			css = NULL;
		rcu_read_unlock();
		/* No memory controller: no OOM of its own to handle. */
		if (!css)
			return -EOPNOTSUPP;
	}

	inst = kzalloc(sizeof(*inst), GFP_KERNEL);
	if (!inst) {
		err = -ENOMEM;
		goto out;
	}
	inst->ops = kdata;
	inst->cgroup_id = st_link->cgroup_id;
	INIT_WORK(&inst->offline_work, bpf_oom_offline_work);

	err = xa_insert(&bpf_oom_instances, inst->cgroup_id, inst, GFP_KERNEL);
	if (err) {
		kfree(inst);
		goto out;
	}

	/*
	 * bpf_oom_memcg_offline() comes after the css is marked as dying. If
	 * it is not yet, offlining will find the entry; if it is, offlining
	 * may be through and the entry would stay.
	 */
	if (css && css_is_dying(css) &&
	    xa_cmpxchg(&bpf_oom_instances, inst->cgroup_id, inst, NULL, 0) == inst) {
		bpf_oom_instance_free(inst);
		err = -ENODEV;
		goto out;
	}

	st_link->subsys_data = inst;
out:
	if (css)
		css_put(css);
	return err;
}

static void bpf_oom_unreg(void *kdata, struct bpf_link *link)
{
	struct bpf_struct_ops_link *st_link =
		container_of(link, struct bpf_struct_ops_link, link);
	struct bpf_oom_instance *inst = st_link->subsys_data;

	st_link->subsys_data = NULL;
	bpf_oom_instance_free(inst);
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
	size_t i, len;

	if (__btf_member_bit_offset(t, member) / 8 != offsetof(struct bpf_oom_ops, name))
		return 0;

	/* It ends up in the log: one line of readable characters. */
	len = strnlen(uops->name, sizeof(uops->name));
	if (len == sizeof(uops->name)) {
		if (!bpf_oom_strictly_as_posted())
			return -EINVAL;
		len--;
	}
	for (i = 0; i < len; i++)
		if (!isascii(uops->name[i]) || !isprint(uops->name[i]))
			return -EINVAL;
	memcpy(ops->name, uops->name, len);

	return 1;
}

static int bpf_oom_init(struct btf *btf)
{
	return 0;
}

static const struct bpf_func_proto *
bpf_oom_func_proto(enum bpf_func_id func_id, const struct bpf_prog *prog)
{
	switch (func_id) {
	/* A page fault under oom_lock may need the OOM killer: deadlock. */
	case BPF_FUNC_copy_from_user:
	case BPF_FUNC_copy_from_user_task:
	case BPF_FUNC_probe_write_user:
		return NULL;
	default:
		return tracing_prog_func_proto(func_id, prog);
	}
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

static int bpf_oom_ops__handle_out_of_memory(struct bpf_oom_ctx *ctx,
					     struct oom_control *oc)
{
	return 0;
}

static void bpf_oom_ops__handle_cgroup_offline(struct bpf_oom_ctx *ctx,
					       u64 cgroup_id)
{
}

static struct bpf_oom_ops bpf_oom_ops_stubs = {
	.handle_out_of_memory	= bpf_oom_ops__handle_out_of_memory,
	.handle_cgroup_offline	= bpf_oom_ops__handle_cgroup_offline,
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

/* Is @task in the memory cgroup, or in the cpuset or nodes, that ran out? */
static bool bpf_oom_in_scope(struct oom_control *oc, struct task_struct *task)
{
	struct mem_cgroup *memcg;
	bool ret = false;

	if (!oc->memcg)
		return oom_cpuset_eligible(task, oc);

	rcu_read_lock();
	memcg = mem_cgroup_from_task(task);
	if (memcg)
		ret = mem_cgroup_is_descendant(memcg, oc->memcg);
	rcu_read_unlock();

	return ret;
}

/* Has a thread of @task given up its memory, but not yet its files? */
static bool bpf_oom_is_leaving(struct task_struct *task)
{
	struct task_struct *t;
	bool ret = false;

	rcu_read_lock();
	for_each_thread(task, t)
		if ((t->flags & PF_EXITING) && !t->exit_state)
			ret = true;
	rcu_read_unlock();

	return ret;
}

/* Is @task an OOM victim whose memory is still on its way back? */
static bool bpf_oom_in_flight(struct task_struct *task)
{
	/* Set once, and there as long as the signal struct is. */
	struct mm_struct *mm = READ_ONCE(task->signal->oom_mm);

	if (!mm)
		return false;
	if (!mm_flags_test(MMF_OOM_SKIP, mm))
		return true;

	/*
	 * The reaper is through, or exit_mmap() is at work: it sets the bit
	 * first, frees the pages then, and the tree of mappings last. Shared
	 * memory goes with its file, which is closed after that.
	 */
	if (atomic_read(&mm->mm_users))
		return false;
	return READ_ONCE(mm->mm_mt.ma_root) || bpf_oom_is_leaving(task);
}

/*
 * Find the thread to kill for @task, with a reference. NULL if there is none
 * and an earlier kill still is progress.
 */
static struct task_struct *bpf_oom_victim_of(struct oom_control *oc,
					     struct task_struct *task)
{
	struct task_struct *victim;
	bool spared, drained;

	if (bpf_oom_strictly_as_posted())
		return get_task_struct(task);

	if (!bpf_oom_as_posted && !bpf_oom_in_scope(oc, task))
		return ERR_PTR(-EPERM);
	if (bpf_oom_in_flight(task))
		return NULL;

	/* Any thread that still has the memory will do. */
	victim = find_lock_task_mm(task);
	if (!victim)
		return ERR_PTR(-EINVAL);
	get_task_struct(victim);
	drained = mm_flags_test(MMF_OOM_SKIP, victim->mm);
	spared = victim->signal->oom_score_adj == OOM_SCORE_ADJ_MIN;
	task_unlock(victim);

	if ((spared || drained) && !bpf_oom_as_posted) {
		put_task_struct(victim);
		return ERR_PTR(-EINVAL);
	}

	return victim;
}

/* What goes to the log must not look like another line of it. */
static void bpf_oom_make_printable(char *text)
{
	for (; *text; text++)
		if (!isascii(*text) || !isprint(*text))
			*text = '?';
}

__bpf_kfunc_start_defs();

/**
 * bpf_oom_kill_process - Kill a process the way the OOM killer does
 * @oc: the OOM the handler was called for
 * @task: the victim
 * @message__str: what the log says about it
 *
 * Report, counters, memory.oom.group and the reaper are the kernel's own. A
 * task that is already dying is helped on and counts as progress, but is not
 * killed again.
 *
 * Return: 0, and oc->bpf_memory_freed is set;
 * -EPERM for init, kernel threads and tasks outside the scope of the OOM;
 * -EINVAL for tasks with oom_score_adj -1000 and for those whose memory is
 * gone already. The posted series refuses init and kernel threads only, and
 * kills nobody when no thread has the memory any more.
 */
__bpf_kfunc int bpf_oom_kill_process(struct oom_control *oc,
				     struct task_struct *task,
				     const char *message__str)
{
	struct task_struct *victim;

	if (oom_unkillable_task(task))
		return -EPERM;
	victim = bpf_oom_victim_of(oc, task);
	if (IS_ERR(victim))
		return PTR_ERR(victim);

	if (victim) {
		/* Consumes the reference to the victim. */
		oc->chosen = victim;
		oom_kill_process(oc, message__str);
		oc->chosen = NULL;
	}
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
 * @constraint_text__nullable: printed in place of CONSTRAINT_BPF
 *
 * Runs all of out_of_memory(): policies, then the kernel's own killer.
 *
 * Return: 1 if there was progress, 0 if not, -EINVAL for a bad order or flag,
 * -EBUSY if an OOM is being handled and the flag to wait is not given, -EINTR
 * if a fatal signal ended the wait.
 */
__bpf_kfunc int bpf_out_of_memory(struct mem_cgroup *memcg__nullable, int order,
				  u64 flags, const char *constraint_text__nullable)
{
	struct oom_control oc = {
		.memcg = memcg__nullable,
		/* Whoever declares an OOM may sleep, and could use any memory. */
		.gfp_mask = bpf_oom_as_posted ? 0 : GFP_KERNEL,
		.order = order,
		.constraint = CONSTRAINT_BPF,
	};
	char text[64];
	int ret;

	if (flags & ~BPF_OOM_FLAGS_WAIT_ON_OOM_LOCK)
		return -EINVAL;
	if (order < 0 || order > MAX_PAGE_ORDER)
		return -EINVAL;

	/* The verifier only knows that the first byte is there. */
	if (constraint_text__nullable) {
		ret = strncpy_from_kernel_nofault(text, constraint_text__nullable,
						  sizeof(text));
		if (ret < 0)
			return ret;
		/* Without an end if it is longer. */
		text[sizeof(text) - 1] = 0;
		bpf_oom_make_printable(text);
		oc.bpf_constraint = text;
	}

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
BTF_ID_FLAGS(func, bpf_oom_kill_process, KF_SLEEPABLE | KF_TRUSTED_ARGS)
BTF_ID_FLAGS(func, bpf_task_is_oom_victim, KF_TRUSTED_ARGS)
BTF_KFUNCS_END(bpf_oom_kfuncs)

static const struct btf_kfunc_id_set bpf_oom_kfunc_set = {
	.owner	= THIS_MODULE,
	.set	= &bpf_oom_kfuncs,
};

/* Not for OOM handlers, which hold oom_lock. */
BTF_KFUNCS_START(bpf_oom_declare_kfuncs)
BTF_ID_FLAGS(func, bpf_out_of_memory, KF_SLEEPABLE | KF_TRUSTED_ARGS)
BTF_KFUNCS_END(bpf_oom_declare_kfuncs)

static int bpf_oom_declare_filter(const struct bpf_prog *prog, u32 kfunc_id)
{
	if (!btf_id_set8_contains(&bpf_oom_declare_kfuncs, kfunc_id))
		return 0;
	return bpf_psi_owns_prog(prog) ? 0 : -EACCES;
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
	if (err) {
		pr_warn("cannot register kfuncs: error %d, policies will not load\n",
			err);
		return err;
	}

	err = register_bpf_struct_ops(&bpf_bpf_oom_ops, bpf_oom_ops);
	if (err)
		pr_warn("cannot register bpf_oom_ops: error %d, policies will not load\n",
			err);
	return err;
}
late_initcall(bpf_oom_module_init);
