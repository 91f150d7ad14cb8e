/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_TEST_CARELESS_H
#define OOMX_TEST_CARELESS_H

#include <oomx/config.h>

enum oomx_careless_how {
	OOMX_CARELESS_DECLINES = 0,
	OOMX_CARELESS_SLEEPS_UNDER_RCU = 1,
	OOMX_CARELESS_KEEPS_RCU = 2,
	OOMX_CARELESS_WALKS_WITHOUT_RCU = 3,
	OOMX_CARELESS_KEEPS_ITERATOR = 4,
	OOMX_CARELESS_KEEPS_REFERENCE = 5,
	OOMX_CARELESS_PUTS_TWICE = 6,
	OOMX_CARELESS_LISTS_WITHOUT_REFERENCE = 7,
	OOMX_CARELESS_CLAIMS = 8, /* without a kill */
	OOMX_CARELESS_COUNTS = 9, /* its calls, in a variable of its own: kills nobody */
};

struct oomx_careless_config {
	struct oomx_rails rails;
	__u64 how; /* enum oomx_careless_how */
};

#endif
