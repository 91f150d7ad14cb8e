/* SPDX-License-Identifier: GPL-2.0-only */
#ifndef _LINUX_BPF_OOM_BASE_H
#define _LINUX_BPF_OOM_BASE_H

/* What the common code uses and linux 7.3 has no more. */

/* The arguments of a kfunc are always trusted. */
#define KF_TRUSTED_ARGS 0

#endif /* _LINUX_BPF_OOM_BASE_H */
