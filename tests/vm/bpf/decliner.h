/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_TEST_DECLINER_H
#define OOMX_TEST_DECLINER_H

#include <oomx/config.h>

struct oomx_decliner_config {
	struct oomx_rails rails;
};

#endif
