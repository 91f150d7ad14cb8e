/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LINUX_BPF_OOM_BASE_H
#define _LINUX_BPF_OOM_BASE_H

/* What the common code uses and linux 6.12 has by another name. */

#include <linux/bitops.h>
#include <linux/mm_types.h>
#include <linux/workqueue.h>

#define system_dfl_wq system_unbound_wq

static inline bool mm_flags_test(int flag, const struct mm_struct *mm)
{
	return test_bit(flag, &mm->flags);
}

#endif /* _LINUX_BPF_OOM_BASE_H */
