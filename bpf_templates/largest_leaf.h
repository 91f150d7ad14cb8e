/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_LARGEST_LEAF_H
#define OOMX_LARGEST_LEAF_H

#include <oomx/config.h>

struct oomx_largest_leaf_config {
	struct oomx_rails rails;
	struct oomx_ranking ranking;
	__u64 min_usage; /* bytes: a candidate of which a kill gets less is spared */
};

#endif
