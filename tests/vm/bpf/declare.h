/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_TEST_DECLARE_H
#define OOMX_TEST_DECLARE_H

#include <linux/types.h>

/* Bytes. */
struct process_size {
	__u64 pid;
	__u64 anon;
	__u64 file;
	__u64 shmem;
	__u64 swap;
	__u64 page_tables;
};

#endif
