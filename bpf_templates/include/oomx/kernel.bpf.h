/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_KERNEL_BPF_H
#define OOMX_KERNEL_BPF_H

/*
 * The kernel as a policy sees it: types, helpers and kfuncs. Instead of a vmlinux.h, so that a
 * policy does not depend on the kernel of the machine it was built on. Everything that differs
 * between the two builds of a policy, for BPF and native, is behind this header.
 */
#include <stdbool.h>
#include <stddef.h>

#include <linux/types.h>

#ifdef __bpf__

#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>
#include <bpf/bpf_core_read.h>
#include <bpf/bpf_tracing.h>

#pragma clang attribute push(__attribute__((preserve_access_index)), apply_to = record)
/* Enum values move between kernels: always through bpf_core_enum_value(). */
#include <oomx/kernel_types.h>
#pragma clang attribute pop

#include <oomx/kfuncs.bpf.h>

/* What user space writes before the load, and nobody afterwards. */
#define OOMX_SET_BEFORE_LOAD const volatile

/* What is only of use within one call. */
#define OOMX_SCRATCH

#else
#define OOMX_SET_BEFORE_LOAD volatile
#include <oomx/native.bpf.h>
#endif

#endif
