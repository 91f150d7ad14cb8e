/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_TIERS_H
#define OOMX_TIERS_H

#include <oomx/config.h>

struct oomx_tiers_config {
	struct oomx_rails rails;
	struct oomx_ranking ranking;
	__u64 min_over; /* bytes: who is less over its protection is spared */
};

#endif
