// SPDX-License-Identifier: GPL-2.0-only
/*
 * Pressure events for BPF: the struct_ops type bpf_psi_ops and the kfunc that
 * creates triggers.
 *
 * An instance belongs to a link and owns its triggers. A trigger holds a
 * reference to its cgroup, so the pressure data it hangs on stays until it is
 * destroyed: by the offline event of the cgroup or with the instance.
 *
 * Events and cgroup callbacks run from work items: never under cgroup_mutex or
 * a lock of the PSI code, and always as the kernel, which sees every cgroup.
 * Strictly as posted the cgroup callbacks do run under cgroup_mutex.
 */

#define pr_fmt(fmt) "bpf_psi: " fmt

#include <linux/bpf.h>
#include <linux/bpf_oom.h>
#include <linux/bpf_oom_base.h>
#include <linux/bpf_psi.h>
#include <linux/bpf_verifier.h>
#include <linux/btf.h>
#include <linux/btf_ids.h>
#include <linux/capability.h>
#include <linux/cgroup.h>
#include <linux/filter.h>
#include <linux/init.h>
#include <linux/mutex.h>
#include <linux/psi.h>
#include <linux/slab.h>
#include <linux/workqueue.h>

/* All instances. One stays in the list while its srcu is held. */
static LIST_HEAD(bpf_psi_instances);
static DEFINE_MUTEX(bpf_psi_instances_lock);

/* Runs events. Apart from others, because a handler may take its time. */
static struct workqueue_struct *bpf_psi_wq;
/* Runs cgroup callbacks, in the order things happened. */
static struct workqueue_struct *bpf_psi_cgroup_wq;

static u32 bpf_psi_ops_type_id;

/* Who runs handle_cgroup_online(), for which cgroup. For as-posted mode. */
static struct task_struct *bpf_psi_onlining_task;
static u64 bpf_psi_onlining_id;

/* ---- triggers ---- */

static void bpf_psi_event_work(struct work_struct *work)
{
	struct psi_trigger *t = container_of(work, struct psi_trigger, bpf_work);
	struct bpf_psi *bpf_psi = t->bpf_psi;

	wait_for_completion(&bpf_psi->ready);
	if (READ_ONCE(bpf_psi->dying))
		return;

	/* Before the handler: what comes while it runs is a new event. */
	if (!bpf_oom_as_posted)
		xchg(&t->event, 0);
	bpf_psi->ops->handle_psi_event(bpf_psi, t);
}

/**
 * bpf_psi_trigger_event - A trigger of type PSI_BPF has fired
 * @t: the trigger
 */
void bpf_psi_trigger_event(struct psi_trigger *t)
{
	queue_work(bpf_psi_wq, &t->bpf_work);
}

/* Destroy a trigger that is in no list any more. Waits for its handler. */
static void bpf_psi_destroy_trigger(struct psi_trigger *t)
{
	struct cgroup *cgrp = t->bpf_cgroup;

	psi_trigger_destroy(t);
	if (cgrp)
		cgroup_put(cgrp);
}

/* Destroy the triggers of one cgroup, or all. Return whether there were any. */
static bool bpf_psi_destroy_triggers(struct bpf_psi *bpf_psi, bool all, u64 cgroup_id)
{
	struct psi_trigger *t, *next;
	LIST_HEAD(doomed);
	bool any;

	spin_lock(&bpf_psi->lock);
	list_for_each_entry_safe(t, next, &bpf_psi->triggers, bpf_node)
		if (all || t->cgroup_id == cgroup_id)
			list_move(&t->bpf_node, &doomed);
	spin_unlock(&bpf_psi->lock);

	any = !list_empty(&doomed);
	list_for_each_entry_safe(t, next, &doomed, bpf_node)
		bpf_psi_destroy_trigger(t);

	return any;
}

/* Take a trigger out of its instance; false if someone else already has. */
static bool bpf_psi_disown_trigger(struct bpf_psi *bpf_psi, struct psi_trigger *wanted)
{
	struct psi_trigger *t;
	bool found = false;

	spin_lock(&bpf_psi->lock);
	list_for_each_entry(t, &bpf_psi->triggers, bpf_node)
		if (t == wanted) {
			list_del(&t->bpf_node);
			found = true;
			break;
		}
	spin_unlock(&bpf_psi->lock);

	return found;
}

__bpf_kfunc_start_defs();

/**
 * bpf_psi_create_trigger - Ask for events
 * @bpf_psi: the instance
 * @cgroup_id: whose pressure, 0 for the system's
 * @resource: PSI_IO, PSI_MEM or PSI_CPU; BPF_PSI_FULL may be added
 * @threshold_us: fire when the stall in a window reaches this
 * @window_us: the window, at most 10 s; a multiple of 2 s if whoever attached
 *	the instance lacks CAP_SYS_RESOURCE
 *
 * The trigger lives as long as its cgroup and the instance.
 *
 * Return: 0, -EINVAL for a bad argument, -ENOENT if there is no such cgroup,
 * -EOPNOTSUPP if pressure is not accounted, -ENODEV if the instance is being
 * detached.
 */
__bpf_kfunc int bpf_psi_create_trigger(struct bpf_psi *bpf_psi, u64 cgroup_id,
				       u32 resource, u32 threshold_us,
				       u32 window_us)
{
	u32 res = resource & ~BPF_PSI_FULL;
	struct psi_group *group = &psi_system;
	struct cgroup *cgrp = NULL;
	bool need_worker, dying;
	struct psi_trigger *t;
	int err;

	if (res > PSI_CPU)
		return -EINVAL;

	if (cgroup_id) {
		if (bpf_oom_as_posted && cgroup_id == bpf_psi_onlining_id &&
		    current == bpf_psi_onlining_task)
			return -ENOENT;
		cgrp = cgroup_get_from_id(cgroup_id);
		if (IS_ERR(cgrp))
			return PTR_ERR(cgrp);
		group = cgroup_psi(cgrp);
		if (!group) {
			err = -EOPNOTSUPP;
			goto put_cgroup;
		}
	}

	t = psi_trigger_alloc(group, res * 2 + PSI_IO_SOME + !!(resource & BPF_PSI_FULL),
			      threshold_us, window_us, bpf_psi->privileged,
			      PSI_BPF);
	if (IS_ERR(t)) {
		err = PTR_ERR(t);
		goto put_cgroup;
	}
	INIT_WORK(&t->bpf_work, bpf_psi_event_work);
	t->bpf_psi = bpf_psi;
	t->bpf_cgroup = cgrp;
	t->cgroup_id = cgroup_id;

	psi_trigger_add(t, &need_worker);
	if (need_worker) {
		err = psi_trigger_create_rtpoll_worker(group);
		if (err) {
			bpf_psi_destroy_trigger(t);
			return err;
		}
	}

	spin_lock(&bpf_psi->lock);
	dying = bpf_psi->dying;
	if (!dying)
		list_add_tail(&t->bpf_node, &bpf_psi->triggers);
	spin_unlock(&bpf_psi->lock);
	if (dying) {
		bpf_psi_destroy_trigger(t);
		return -ENODEV;
	}

	/*
	 * The offline event destroys what it finds. A cgroup not yet dead here
	 * will send one; for one that is dead it may be over.
	 */
	if (cgrp && !(READ_ONCE(cgrp->self.flags) & CSS_ONLINE)) {
		if (bpf_psi_disown_trigger(bpf_psi, t))
			bpf_psi_destroy_trigger(t);
		return -ENOENT;
	}
	return 0;

put_cgroup:
	if (cgrp)
		cgroup_put(cgrp);
	return err;
}

__bpf_kfunc_end_defs();

BTF_KFUNCS_START(bpf_psi_kfuncs)
BTF_ID_FLAGS(func, bpf_psi_create_trigger, KF_SLEEPABLE | KF_TRUSTED_ARGS)
BTF_KFUNCS_END(bpf_psi_kfuncs)

/**
 * bpf_psi_owns_prog - Is this a program of a bpf_psi_ops?
 * @prog: the program
 */
bool bpf_psi_owns_prog(const struct bpf_prog *prog)
{
	return prog->type == BPF_PROG_TYPE_STRUCT_OPS &&
	       prog->aux->attach_btf_id == bpf_psi_ops_type_id;
}

static int bpf_psi_kfunc_filter(const struct bpf_prog *prog, u32 kfunc_id)
{
	if (!btf_id_set8_contains(&bpf_psi_kfuncs, kfunc_id))
		return 0;
	return bpf_psi_owns_prog(prog) ? 0 : -EACCES;
}

static const struct btf_kfunc_id_set bpf_psi_kfunc_set = {
	.owner	= THIS_MODULE,
	.set	= &bpf_psi_kfuncs,
	.filter	= bpf_psi_kfunc_filter,
};

/* ---- cgroups ---- */

struct bpf_psi_cgroup_event {
	struct work_struct work;
	u64 cgroup_id;
	bool online;
};

static void bpf_psi_call_online(struct bpf_psi *bpf_psi, u64 cgroup_id)
{
	if (!bpf_psi->ops->handle_cgroup_online)
		return;

	bpf_psi_onlining_id = cgroup_id;
	bpf_psi_onlining_task = current;
	bpf_psi->ops->handle_cgroup_online(bpf_psi, cgroup_id);
	bpf_psi_onlining_task = NULL;
}

static void bpf_psi_call_offline(struct bpf_psi *bpf_psi, u64 cgroup_id)
{
	if (bpf_psi_destroy_triggers(bpf_psi, false, cgroup_id) &&
	    bpf_psi->ops->handle_cgroup_offline)
		bpf_psi->ops->handle_cgroup_offline(bpf_psi, cgroup_id);
}

static void bpf_psi_cgroup_event(u64 cgroup_id, bool online)
{
	struct bpf_psi *bpf_psi;
	int idx;

	mutex_lock(&bpf_psi_instances_lock);
	list_for_each_entry(bpf_psi, &bpf_psi_instances, node) {
		if (bpf_psi->dying)
			continue;
		/* It stays in the list, and its successor is read under the lock. */
		idx = srcu_read_lock(&bpf_psi->srcu);
		mutex_unlock(&bpf_psi_instances_lock);

		wait_for_completion(&bpf_psi->ready);
		if (READ_ONCE(bpf_psi->dying))
			;
		else if (online)
			bpf_psi_call_online(bpf_psi, cgroup_id);
		else
			bpf_psi_call_offline(bpf_psi, cgroup_id);

		mutex_lock(&bpf_psi_instances_lock);
		srcu_read_unlock(&bpf_psi->srcu, idx);
	}
	mutex_unlock(&bpf_psi_instances_lock);
}

static void bpf_psi_cgroup_work(struct work_struct *work)
{
	struct bpf_psi_cgroup_event *ev =
		container_of(work, struct bpf_psi_cgroup_event, work);

	bpf_psi_cgroup_event(ev->cgroup_id, ev->online);
	kfree(ev);
}

static void bpf_psi_queue_cgroup_event(struct cgroup *cgrp, bool online)
{
	struct bpf_psi_cgroup_event *ev;

	/* Who attaches now sees the cgroup as it is, and needs no event. */
	if (list_empty(&bpf_psi_instances) || cgrp->root != &cgrp_dfl_root)
		return;

	/* Under cgroup_mutex, which is what the work queue is there to avoid. */
	if (bpf_oom_strictly_as_posted()) {
		bpf_psi_cgroup_event(cgroup_id(cgrp), online);
		return;
	}

	/* An offline event lost would keep triggers, and the cgroup, for good. */
	ev = kmalloc(sizeof(*ev), GFP_KERNEL | __GFP_NOFAIL);
	INIT_WORK(&ev->work, bpf_psi_cgroup_work);
	ev->cgroup_id = cgroup_id(cgrp);
	ev->online = online;
	queue_work(bpf_psi_cgroup_wq, &ev->work);
}

/**
 * bpf_psi_cgroup_online - A cgroup was made and can be found by its id
 * @cgrp: the cgroup
 */
void bpf_psi_cgroup_online(struct cgroup *cgrp)
{
	bpf_psi_queue_cgroup_event(cgrp, true);
}

/**
 * bpf_psi_cgroup_offline - A cgroup was removed
 * @cgrp: the cgroup
 */
void bpf_psi_cgroup_offline(struct cgroup *cgrp)
{
	bpf_psi_queue_cgroup_event(cgrp, false);
}

/* ---- instances ---- */

/* Undo everything. No callback runs any more when this returns. */
static void bpf_psi_instance_free(struct bpf_psi *bpf_psi)
{
	/* From here on no cgroup callback and no trigger is begun. */
	mutex_lock(&bpf_psi_instances_lock);
	spin_lock(&bpf_psi->lock);
	bpf_psi->dying = true;
	spin_unlock(&bpf_psi->lock);
	mutex_unlock(&bpf_psi_instances_lock);
	complete_all(&bpf_psi->ready);

	/* Those that run need us in the list to find the next instance. */
	synchronize_srcu(&bpf_psi->srcu);
	mutex_lock(&bpf_psi_instances_lock);
	list_del(&bpf_psi->node);
	mutex_unlock(&bpf_psi_instances_lock);

	bpf_psi_destroy_triggers(bpf_psi, true, 0);
	cleanup_srcu_struct(&bpf_psi->srcu);
	kfree(bpf_psi);
}

/*
 * The posted series keeps the instance in the map's value. A second attach
 * overwrites it there, and the two detaches free one object twice.
 */
static void bpf_psi_report_second_attach(struct bpf_psi_ops *ops)
{
	struct bpf_psi *bpf_psi;

	list_for_each_entry(bpf_psi, &bpf_psi_instances, node)
		if (bpf_psi->ops == ops)
			pr_err("BUG: a bpf_psi_ops map is attached twice, the posted series would crash\n");
}

static int bpf_psi_reg(void *kdata, struct bpf_link *link)
{
	struct bpf_struct_ops_link *st_link;
	struct bpf_psi *bpf_psi;
	int err;

	if (!link)
		return -EOPNOTSUPP;

	st_link = container_of(link, struct bpf_struct_ops_link, link);
	/* There are triggers for cgroups, not instances. */
	if (st_link->cgroup_id)
		return -EOPNOTSUPP;

	bpf_psi = kzalloc(sizeof(*bpf_psi), GFP_KERNEL);
	if (!bpf_psi)
		return -ENOMEM;
	err = init_srcu_struct(&bpf_psi->srcu);
	if (err) {
		kfree(bpf_psi);
		return err;
	}
	spin_lock_init(&bpf_psi->lock);
	INIT_LIST_HEAD(&bpf_psi->triggers);
	init_completion(&bpf_psi->ready);
	bpf_psi->ops = kdata;
	bpf_psi->privileged = capable(CAP_SYS_RESOURCE);

	/* Before init(): a cgroup it does not see there sends an event. */
	mutex_lock(&bpf_psi_instances_lock);
	if (bpf_oom_strictly_as_posted())
		bpf_psi_report_second_attach(kdata);
	list_add_tail(&bpf_psi->node, &bpf_psi_instances);
	mutex_unlock(&bpf_psi_instances_lock);

	err = bpf_psi->ops->init(bpf_psi);
	if (err) {
		bpf_psi_instance_free(bpf_psi);
		return err < 0 && err >= -MAX_ERRNO ? err : -EINVAL;
	}
	complete_all(&bpf_psi->ready);
	st_link->subsys_data = bpf_psi;

	return 0;
}

static void bpf_psi_unreg(void *kdata, struct bpf_link *link)
{
	struct bpf_struct_ops_link *st_link =
		container_of(link, struct bpf_struct_ops_link, link);
	struct bpf_psi *bpf_psi = st_link->subsys_data;

	st_link->subsys_data = NULL;
	bpf_psi_instance_free(bpf_psi);
}

static int bpf_psi_validate(void *kdata)
{
	struct bpf_psi_ops *ops = kdata;

	return ops->init && ops->handle_psi_event ? 0 : -EINVAL;
}

static int bpf_psi_init_member(const struct btf_type *t,
			       const struct btf_member *member,
			       void *kdata, const void *udata)
{
	return 0;
}

static int bpf_psi_init(struct btf *btf)
{
	s32 id = btf_find_by_name_kind(btf, "bpf_psi_ops", BTF_KIND_STRUCT);

	if (id < 0)
		return id;
	bpf_psi_ops_type_id = id;

	return 0;
}

static const struct bpf_func_proto *
bpf_psi_func_proto(enum bpf_func_id func_id, const struct bpf_prog *prog)
{
	return tracing_prog_func_proto(func_id, prog);
}

static bool bpf_psi_is_valid_access(int off, int size,
				    enum bpf_access_type type,
				    const struct bpf_prog *prog,
				    struct bpf_insn_access_aux *info)
{
	return bpf_tracing_btf_ctx_access(off, size, type, prog, info);
}

static const struct bpf_verifier_ops bpf_psi_verifier_ops = {
	.get_func_proto		= bpf_psi_func_proto,
	.is_valid_access	= bpf_psi_is_valid_access,
};

static int bpf_psi_ops__init(struct bpf_psi *bpf_psi)
{
	return 0;
}

static void bpf_psi_ops__handle_psi_event(struct bpf_psi *bpf_psi,
					  struct psi_trigger *t)
{
}

static void bpf_psi_ops__handle_cgroup_online(struct bpf_psi *bpf_psi, u64 cgroup_id)
{
}

static void bpf_psi_ops__handle_cgroup_offline(struct bpf_psi *bpf_psi, u64 cgroup_id)
{
}

static struct bpf_psi_ops bpf_psi_ops_stubs = {
	.init			= bpf_psi_ops__init,
	.handle_psi_event	= bpf_psi_ops__handle_psi_event,
	.handle_cgroup_online	= bpf_psi_ops__handle_cgroup_online,
	.handle_cgroup_offline	= bpf_psi_ops__handle_cgroup_offline,
};

static struct bpf_struct_ops bpf_bpf_psi_ops = {
	.verifier_ops	= &bpf_psi_verifier_ops,
	.init		= bpf_psi_init,
	.init_member	= bpf_psi_init_member,
	.validate	= bpf_psi_validate,
	.reg		= bpf_psi_reg,
	.unreg		= bpf_psi_unreg,
	.cfi_stubs	= &bpf_psi_ops_stubs,
	.owner		= THIS_MODULE,
	.name		= "bpf_psi_ops",
};

static int __init bpf_psi_module_init(void)
{
	int err = -ENOMEM;

	bpf_psi_wq = alloc_workqueue("bpf_psi", WQ_MEM_RECLAIM | WQ_UNBOUND | WQ_HIGHPRI, 0);
	bpf_psi_cgroup_wq = alloc_ordered_workqueue("bpf_psi_cgroup", WQ_MEM_RECLAIM | WQ_HIGHPRI);
	if (!bpf_psi_wq || !bpf_psi_cgroup_wq)
		goto out;

	err = register_btf_kfunc_id_set(BPF_PROG_TYPE_STRUCT_OPS, &bpf_psi_kfunc_set);
	if (!err)
		err = register_bpf_struct_ops(&bpf_bpf_psi_ops, bpf_psi_ops);
out:
	if (err)
		pr_warn("cannot register bpf_psi_ops: error %d, pressure handlers will not load\n",
			err);
	return err;
}
late_initcall(bpf_psi_module_init);
