/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_PRESSURE_KILL_H
#define OOMX_PRESSURE_KILL_H

#include <oomx/config.h>
#include <oomx/pressure.h>

struct oomx_pressure_kill_config {
	struct oomx_watches watches;
};

#endif
