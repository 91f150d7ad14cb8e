/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_KFUNCS_BPF_H
#define OOMX_KFUNCS_BPF_H

#include <oomx/kernel.bpf.h>

/* The kfuncs an OOM policy calls, all weak: what a kernel lacks is said by oomx::probe(). */
struct bpf_iter_css {
	__u64 opaque[3];
} __attribute__((aligned(8)));

struct bpf_iter_css_task {
	__u64 opaque[1];
} __attribute__((aligned(8)));

struct bpf_iter_task {
	__u64 opaque[3];
} __attribute__((aligned(8)));

extern int bpf_iter_css_new(struct bpf_iter_css *it, struct cgroup_subsys_state *start,
			    unsigned int flags) __weak __ksym;
extern struct cgroup_subsys_state *bpf_iter_css_next(struct bpf_iter_css *it) __weak __ksym;
extern void bpf_iter_css_destroy(struct bpf_iter_css *it) __weak __ksym;
extern int bpf_iter_css_task_new(struct bpf_iter_css_task *it, struct cgroup_subsys_state *css,
				 unsigned int flags) __weak __ksym;
extern struct task_struct *bpf_iter_css_task_next(struct bpf_iter_css_task *it) __weak __ksym;
extern void bpf_iter_css_task_destroy(struct bpf_iter_css_task *it) __weak __ksym;

extern int bpf_iter_task_new(struct bpf_iter_task *it, struct task_struct *task__nullable,
			     unsigned int flags) __weak __ksym;
extern struct task_struct *bpf_iter_task_next(struct bpf_iter_task *it) __weak __ksym;
extern void bpf_iter_task_destroy(struct bpf_iter_task *it) __weak __ksym;

extern struct mem_cgroup *bpf_get_root_mem_cgroup(void) __weak __ksym;
extern struct mem_cgroup *bpf_get_mem_cgroup(struct cgroup_subsys_state *css) __weak __ksym;
extern void bpf_put_mem_cgroup(struct mem_cgroup *memcg) __weak __ksym;
extern unsigned long bpf_mem_cgroup_page_state(struct mem_cgroup *memcg, int idx) __weak __ksym;
extern void bpf_mem_cgroup_flush_stats(struct mem_cgroup *memcg) __weak __ksym;

extern struct task_struct *bpf_task_acquire(struct task_struct *task) __weak __ksym;
extern void bpf_task_release(struct task_struct *task) __weak __ksym;
extern struct cgroup *bpf_cgroup_from_id(__u64 cgroup_id) __weak __ksym;
extern void bpf_cgroup_release(struct cgroup *cgroup) __weak __ksym;
extern void bpf_rcu_read_lock(void) __weak __ksym;
extern void bpf_rcu_read_unlock(void) __weak __ksym;

/* With what follows ___ of our own, as not all headers of the kernel have struct bpf_iter_num. */
struct bpf_iter_num___oomx {
	__u64 opaque[1];
} __attribute__((aligned(8)));

extern int bpf_iter_num_new___oomx(struct bpf_iter_num___oomx *it, int start,
				   int end) __weak __ksym;
extern int *bpf_iter_num_next___oomx(struct bpf_iter_num___oomx *it) __weak __ksym;
extern void bpf_iter_num_destroy___oomx(struct bpf_iter_num___oomx *it) __weak __ksym;

static __always_inline struct bpf_iter_num___oomx *
oomx_numbers_begin(struct bpf_iter_num___oomx *it, int count)
{
	bpf_iter_num_new___oomx(it, 0, count);
	return it;
}

/* for i from 0 to count - 1: the verifier looks at the body a few times, not at each turn. */
#define oomx_for_each_number(i, count)                                                             \
	for (struct bpf_iter_num___oomx oomx_of_##i                                                \
	     __attribute__((cleanup(bpf_iter_num_destroy___oomx))),                                \
	     *oomx_on_##i = oomx_numbers_begin(&oomx_of_##i, count);                               \
	     oomx_on_##i; oomx_on_##i = NULL)                                                      \
		for (int *oomx_at_##i = bpf_iter_num_next___oomx(oomx_on_##i),                     \
			 i __attribute__((unused)) = 0;                                            \
		     oomx_at_##i && (i = *oomx_at_##i, true);                                      \
		     oomx_at_##i = bpf_iter_num_next___oomx(oomx_on_##i))

/* Read an address as what it is known to be. The verifier turns it into a read that may fail. */
extern void *bpf_rdonly_cast(const void *object, __u32 type_id) __weak __ksym;

/* A memory cgroup begins with its css. */
static __always_inline struct mem_cgroup *oomx_memcg_of(struct cgroup_subsys_state *css)
{
	return bpf_rdonly_cast(css, bpf_core_type_id_kernel(struct mem_cgroup));
}

/* mm->flags was one word until 6.18 made a struct of it (include/linux/mm_types.h). */
struct mm_struct___flags_word {
	unsigned long flags;
} __attribute__((preserve_access_index));

struct mm_struct___flags_bitmap {
	struct {
		unsigned long __mm_flags[1];
	} flags;
} __attribute__((preserve_access_index));

/*
 * A function of its own: inside a loop clang reads offsets before the loop, also those of a branch
 * that this kernel never takes.
 */
static __noinline __attribute__((unused)) unsigned long oomx_mm_flags(struct mm_struct *mm)
{
	struct mm_struct___flags_bitmap *bitmap = (void *)mm;
	struct mm_struct___flags_word *word = (void *)mm;

	/* The barrier keeps clang from choosing an offset first, and then reading once for both. */
	if (bpf_core_field_exists(bitmap->flags.__mm_flags)) {
		barrier_var(bitmap);
		return bitmap->flags.__mm_flags[0];
	}
	barrier_var(word);
	return word->flags;
}

/* A place that holds a reference to a process for longer than one call. */
struct oomx_victim {
	struct task_struct __kptr *task;
};

#define OOMX_VICTIM_MAP(name, count)                                                               \
	struct {                                                                                   \
		__uint(type, BPF_MAP_TYPE_ARRAY);                                                  \
		__uint(max_entries, count);                                                        \
		__type(key, __u32);                                                                \
		__type(value, struct oomx_victim);                                                 \
	} name SEC(".maps")

/* Put a process into that place, and take out what was there; both with their references. */
static __always_inline struct task_struct *oomx_swap_victim(void *map, __u32 slot,
							    struct task_struct *task)
{
	struct oomx_victim *place = bpf_map_lookup_elem(map, &slot);

	return place ? bpf_kptr_xchg(&place->task, task) : task;
}

/* What is in that place, or NULL. Under RCU. */
static __always_inline struct task_struct *oomx_victim_in(void *map, __u32 slot)
{
	struct oomx_victim *place = bpf_map_lookup_elem(map, &slot);

	return place ? place->task : NULL;
}

extern int bpf_oom_kill_process(struct oom_control *oc, struct task_struct *task,
				const char *message__str) __weak __ksym;

#endif
