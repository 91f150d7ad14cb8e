// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/*
 * pressure_kill: a cgroup that stalls for too long is out of memory, whatever its limits say.
 *
 * It declares that, and chooses nobody: the OOM policy attached there does, or the kernel.
 */
#include <oomx/pressure_policy.bpf.h>

#include "pressure_kill.h"

OOMX_PRESSURE_CONFIG(struct oomx_pressure_kill_config);

static __always_inline void handle(struct oomx_declaration *event)
{
	oomx_declare(event);
}

OOMX_PRESSURE_POLICY(pressure_kill, handle);
