/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef TENANT_H
#define TENANT_H

#include <oomx/config.h>

struct tenant_config {
	struct oomx_rails rails;
	__u64 cgroup_id; /* the one that may die */
};

#endif
