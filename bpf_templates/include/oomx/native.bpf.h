/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_NATIVE_BPF_H
#define OOMX_NATIVE_BPF_H

/*
 * The kernel as a natively built policy sees it: functions and macros of the names that a policy
 * built for BPF takes from libbpf and the kernel, all through the table in oomx/native.h.
 */
#include <stddef.h>

#include <linux/bpf.h>

#include <oomx/native.h>

#undef __always_inline
#define __always_inline inline __attribute__((always_inline))
#undef __noinline
#define __noinline __attribute__((noinline))
#undef __weak
#define __weak /* there is one of it: nothing to override */
#define __hidden
#define SEC(name)

/* Not part of an instance's state: nothing in it is read before it was written in the same call. */
#define OOMX_SCRATCH __attribute__((section(".bss.oomx_scratch")))

#define __arg_trusted
#define __arg_nonnull
#define __arg_nullable

/* A map's definition stays what it is, a struct of pointers that say its types and sizes. */
#define __uint(name, val) int(*name)[val]
#define __type(name, val) __typeof__(val) *name

/* for i from 0 to count - 1: see kfuncs.bpf.h. */
#define oomx_for_each_number(i, count)                                                             \
	for (int i = 0, oomx_end_##i = (count); i < oomx_end_##i; i++)

struct bpf_iter_num___oomx {
	int next;
	int end;
	int at;
};

static inline struct bpf_iter_num___oomx *oomx_numbers_begin(struct bpf_iter_num___oomx *it,
							     int count)
{
	*it = (struct bpf_iter_num___oomx){ .end = count };
	return it;
}

static inline int *bpf_iter_num_next___oomx(struct bpf_iter_num___oomx *it)
{
	it->at = it->next;
	return it->next < it->end ? (it->next++, &it->at) : NULL;
}

static inline void bpf_iter_num_destroy___oomx(struct bpf_iter_num___oomx *it)
{
	(void)it;
}

/* Set before each call of the policy. */
static const struct oomx_native_kernel *oomx_kernel;

/* Enum values do not move: the model is built from the same header. */
#define bpf_core_enum_value(type, value) (value)

/*
 * BPF_CORE_READ(a, b, c): a->b->c, and 0 if a pointer on the way is NULL, as a read that faults
 * gives in the kernel.
 */
#define OOMX_CORE_READ_1(p, f)                                                                     \
	({                                                                                         \
		__typeof__(p) oomx_read_1 = (p);                                                   \
		oomx_read_1 ? oomx_read_1->f : (__typeof__(oomx_read_1->f))0;                      \
	})
#define OOMX_CORE_READ_2(p, f, ...)                                                                \
	({                                                                                         \
		__typeof__((p)->f) oomx_read_2 = OOMX_CORE_READ_1(p, f);                           \
		OOMX_CORE_READ_1(oomx_read_2, __VA_ARGS__);                                        \
	})
#define OOMX_CORE_READ_3(p, f, ...)                                                                \
	({                                                                                         \
		__typeof__((p)->f) oomx_read_3 = OOMX_CORE_READ_1(p, f);                           \
		OOMX_CORE_READ_2(oomx_read_3, __VA_ARGS__);                                        \
	})
#define OOMX_CORE_READ_4(p, f, ...)                                                                \
	({                                                                                         \
		__typeof__((p)->f) oomx_read_4 = OOMX_CORE_READ_1(p, f);                           \
		OOMX_CORE_READ_3(oomx_read_4, __VA_ARGS__);                                        \
	})
#define OOMX_CORE_READ_N(_1, _2, _3, _4, N, ...) OOMX_CORE_READ_##N
#define BPF_CORE_READ(p, ...)			 OOMX_CORE_READ_N(__VA_ARGS__, 4, 3, 2, 1)(p, __VA_ARGS__)

static inline long bpf_probe_read_kernel(void *to, __u32 size, const void *from)
{
	if (!from) {
		__builtin_memset(to, 0, size);
		return -14; /* -EFAULT */
	}
	__builtin_memcpy(to, from, size);
	return 0;
}

/* The length with the 0 at the end, as in the kernel; what does not fit is cut off. */
static inline long bpf_probe_read_kernel_str(void *to, __u32 size, const void *from)
{
	const char *text = from;
	char *out = to;
	__u32 i;

	if (!from || !size)
		return -14; /* -EFAULT */
	for (i = 0; i + 1 < size && text[i]; i++)
		out[i] = text[i];
	out[i] = 0;
	return i + 1;
}

#define bpf_core_read(to, size, from)	  bpf_probe_read_kernel(to, size, from)
#define bpf_core_read_str(to, size, from) bpf_probe_read_kernel_str(to, size, from)

static inline __u64 bpf_ktime_get_ns(void)
{
	return oomx_kernel->ktime_get_ns(oomx_kernel->self);
}

static inline long bpf_ringbuf_output(void *map, const void *record, __u64 size, __u64 flags)
{
	(void)map; /* a policy has one */
	(void)flags;
	return oomx_kernel->ringbuf_output(oomx_kernel->self, record, size);
}

/* The preferences are the one map that a policy looks into; one of its author's is BPF only. */
#define bpf_map_lookup_elem(map, key)                                                              \
	({                                                                                         \
		_Static_assert(__builtin_types_compatible_p(__typeof__(*(map)->value),             \
							    struct oomx_preference),               \
			       "a native build has no map but oomx_preferences and oomx_events");  \
		oomx_kernel->preference(oomx_kernel->self, *(key));                                \
	})

static inline void bpf_rcu_read_lock(void)
{
	oomx_kernel->rcu_read_lock(oomx_kernel->self);
}

static inline void bpf_rcu_read_unlock(void)
{
	oomx_kernel->rcu_read_unlock(oomx_kernel->self);
}

static inline int bpf_iter_css_new(struct bpf_iter_css *it, struct cgroup_subsys_state *start,
				   unsigned int flags)
{
	return oomx_kernel->css_new(oomx_kernel->self, it, start, flags);
}

static inline struct cgroup_subsys_state *bpf_iter_css_next(struct bpf_iter_css *it)
{
	return oomx_kernel->css_next(oomx_kernel->self, it);
}

static inline void bpf_iter_css_destroy(struct bpf_iter_css *it)
{
	oomx_kernel->css_destroy(oomx_kernel->self, it);
}

static inline int bpf_iter_css_task_new(struct bpf_iter_css_task *it,
					struct cgroup_subsys_state *css, unsigned int flags)
{
	return oomx_kernel->css_task_new(oomx_kernel->self, it, css, flags);
}

static inline struct task_struct *bpf_iter_css_task_next(struct bpf_iter_css_task *it)
{
	return oomx_kernel->css_task_next(oomx_kernel->self, it);
}

static inline void bpf_iter_css_task_destroy(struct bpf_iter_css_task *it)
{
	oomx_kernel->css_task_destroy(oomx_kernel->self, it);
}

static inline int bpf_iter_task_new(struct bpf_iter_task *it, struct task_struct *task,
				    unsigned int flags)
{
	return oomx_kernel->task_new(oomx_kernel->self, it, task, flags);
}

static inline struct task_struct *bpf_iter_task_next(struct bpf_iter_task *it)
{
	return oomx_kernel->task_next(oomx_kernel->self, it);
}

static inline void bpf_iter_task_destroy(struct bpf_iter_task *it)
{
	oomx_kernel->task_destroy(oomx_kernel->self, it);
}

/* A memory cgroup begins with its css. */
static inline struct mem_cgroup *oomx_memcg_of(struct cgroup_subsys_state *css)
{
	return (struct mem_cgroup *)css;
}

static inline unsigned long oomx_mm_flags(struct mm_struct *mm)
{
	return mm->flags;
}

static inline struct mem_cgroup *bpf_get_root_mem_cgroup(void)
{
	return oomx_kernel->get_root_mem_cgroup(oomx_kernel->self);
}

static inline struct mem_cgroup *bpf_get_mem_cgroup(struct cgroup_subsys_state *css)
{
	return oomx_kernel->get_mem_cgroup(oomx_kernel->self, css);
}

static inline void bpf_put_mem_cgroup(struct mem_cgroup *memcg)
{
	oomx_kernel->put_mem_cgroup(oomx_kernel->self, memcg);
}

static inline unsigned long bpf_mem_cgroup_page_state(struct mem_cgroup *memcg, int idx)
{
	return oomx_kernel->page_state(oomx_kernel->self, memcg, idx);
}

static inline void bpf_mem_cgroup_flush_stats(struct mem_cgroup *memcg)
{
	oomx_kernel->flush_stats(oomx_kernel->self, memcg);
}

static inline struct cgroup *bpf_cgroup_from_id(__u64 id)
{
	return oomx_kernel->cgroup_from_id(oomx_kernel->self, id);
}

static inline void bpf_cgroup_release(struct cgroup *cgroup)
{
	oomx_kernel->cgroup_release(oomx_kernel->self, cgroup);
}

static inline struct task_struct *bpf_task_acquire(struct task_struct *task)
{
	return oomx_kernel->task_acquire(oomx_kernel->self, task);
}

static inline void bpf_task_release(struct task_struct *task)
{
	oomx_kernel->task_release(oomx_kernel->self, task);
}

/* A place that holds a reference to a process for longer than one call. */
struct oomx_victim {
	struct task_struct *task;
};

#define OOMX_VICTIM_MAP(name, count) static struct oomx_victim name[count] = {}

/* Put a process into that place, and take out what was there; both with their references. */
static inline struct task_struct *oomx_swap_victim(void *map, __u32 slot, struct task_struct *task)
{
	struct oomx_victim *places = map;

	return oomx_kernel->kptr_xchg(oomx_kernel->self, &places[slot].task, task);
}

/* What is in that place, or NULL. */
static inline struct task_struct *oomx_victim_in(void *map, __u32 slot)
{
	const struct oomx_victim *places = map;

	return places[slot].task;
}

static inline struct task_struct *bpf_get_current_task_btf(void)
{
	return oomx_kernel->current_task(oomx_kernel->self);
}

static inline int bpf_oom_kill_process(struct oom_control *oc, struct task_struct *task,
				       const char *message__str)
{
	return oomx_kernel->kill_process(oomx_kernel->self, oc, task, message__str);
}

/* The name of the symbol: oomx_add_policy() gives it. */
#ifndef OOMX_NATIVE_SYMBOL
#define OOMX_NATIVE_SYMBOL oomx_native_policy_unnamed
#endif

extern char oomx_state_begin[];
extern char oomx_state_end[];

/* What every policy's struct oomx_native_policy has, whatever calls it. */
#define OOMX_NATIVE_COMMON                                                                         \
	.state_begin = oomx_state_begin, .state_end = oomx_state_end, .kernel = &oomx_kernel,      \
	.object = &oomx_object, .control = &oomx_control, .configs = oomx_configs,                 \
	.config_slots = sizeof(oomx_configs) / sizeof(oomx_configs[0]),                            \
	.config_size = sizeof(oomx_configs[0]), .record_version = OOMX_RECORD_VERSION

#endif
