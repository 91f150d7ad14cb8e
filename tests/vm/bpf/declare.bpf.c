// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * Declares an OOM of the cgroup `target` when it is attached: one that nobody's allocation caused.
 * And tells what processes hold as the kernel's killer sees it: /proc adds what single processors
 * have not added yet.
 */
#include <oomx/abi_psi.bpf.h>
#include <oomx/memcg.bpf.h>
#include <oomx/task.bpf.h>

#include "declare.h"

__u64 target = 0;
int declared = 0;

SEC("struct_ops.s/init")
int BPF_PROG(declare_init, struct bpf_psi *psi)
{
	oomx_memcg_ref memcg = oomx_memcg_with(target);

	declared = memcg ? bpf_out_of_memory(memcg, 0, 0, NULL) : -1;
	return 0;
}

SEC("struct_ops.s/handle_psi_event")
void BPF_PROG(declare_event, struct bpf_psi *psi, struct psi_trigger *trigger)
{
}

SEC(".struct_ops.link")
struct bpf_psi_ops___v2 declare_ops = {
	.init = (void *)declare_init,
	.handle_psi_event = (void *)declare_event,
};

struct seq_file;

struct bpf_iter_meta {
	struct seq_file *seq;
} __attribute__((preserve_access_index));

struct bpf_iter__task {
	struct bpf_iter_meta *meta;
	struct task_struct *task;
} __attribute__((preserve_access_index));

SEC("iter/task")
int process_sizes(struct bpf_iter__task *ctx)
{
	struct task_struct *task = ctx->task;
	struct mm_struct *mm = task ? task->mm : NULL;
	struct process_size size = {};

	if (!mm || task->pid != task->tgid)
		return 0;
	size.pid = task->tgid;
	size.anon = oomx_counted(mm, MM_ANONPAGES);
	size.file = oomx_counted(mm, MM_FILEPAGES);
	size.shmem = oomx_counted(mm, MM_SHMEMPAGES);
	size.swap = oomx_counted(mm, MM_SWAPENTS);
	size.page_tables = mm->pgtables_bytes.counter;
	bpf_seq_write(ctx->meta->seq, &size, sizeof(size));
	return 0;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
