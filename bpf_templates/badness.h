/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_BADNESS_H
#define OOMX_BADNESS_H

#include <oomx/config.h>

struct oomx_badness_config {
	struct oomx_rails rails;
	struct oomx_ranking ranking;
};

#endif
