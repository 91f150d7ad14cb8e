// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* wrong_reads: asks for what kernels lack, in each way there is, and once for what they have. */
#include <oomx/kernel.bpf.h>

char _license[] SEC("license") = "Dual BSD/GPL";

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
struct sighand_struct {
	int no_such_field;
};

struct mm_struct___elsewhere {
	int no_such_field;
};

/* A kernel has one of the two. */
struct mm_struct___both_word {
	unsigned long flags;
};

struct mm_struct___both_struct {
	struct {
		unsigned long __mm_flags[1];
	} flags;
};

/* What it was before 6.18, and no other. */
struct mm_struct___half_word {
	unsigned long flags;
};
#pragma clang attribute pop

extern void bpf_task_release___wrong(int pid) __weak __ksym;
extern void bpf_no_such_kfunc(void) __weak __ksym;

SEC("syscall")
int wrong_field(void *context)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct sighand_struct *sighand = (void *)task;

	return BPF_CORE_READ(sighand, no_such_field);
}

SEC("syscall")
int wrong_guarded_field(void *context)
{
	struct mm_struct___elsewhere *mm = (void *)bpf_get_current_task();

	return bpf_core_field_exists(mm->no_such_field) ? BPF_CORE_READ(mm, no_such_field) : 0;
}

SEC("syscall")
int either_flavour(void *context)
{
	struct mm_struct___both_word *word = (void *)bpf_get_current_task();
	struct mm_struct___both_struct *whole = (void *)word;

	if (bpf_core_field_exists(whole->flags.__mm_flags))
		return BPF_CORE_READ(whole, flags.__mm_flags[0]);
	return BPF_CORE_READ(word, flags);
}

SEC("syscall")
int one_flavour(void *context)
{
	struct mm_struct___half_word *word = (void *)bpf_get_current_task();

	return bpf_core_field_exists(word->flags) ? BPF_CORE_READ(word, flags) : 0;
}

SEC("syscall")
int wrong_kfuncs(void *context)
{
	if (bpf_ksym_exists(bpf_task_release___wrong))
		bpf_task_release___wrong(1);
	if (bpf_ksym_exists(bpf_no_such_kfunc))
		bpf_no_such_kfunc();
	return 0;
}
