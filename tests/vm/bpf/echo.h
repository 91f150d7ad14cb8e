// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#ifndef OOMX_TEST_ECHO_H
#define OOMX_TEST_ECHO_H

#include <oomx/config.h>

/* What of a candidate, or of its first process, is the score. */
enum oomx_echo_field {
	OOMX_ECHO_PROCESSES,
	OOMX_ECHO_DEPTH,
	OOMX_ECHO_USAGE,
	OOMX_ECHO_ANON,
	OOMX_ECHO_FILE,
	OOMX_ECHO_SHMEM,
	OOMX_ECHO_KERNEL,
	OOMX_ECHO_SWAP,
	OOMX_ECHO_HIGH,
	OOMX_ECHO_MAX,
	OOMX_ECHO_MIN,
	OOMX_ECHO_LOW,
	OOMX_ECHO_PROTECTION,
	OOMX_ECHO_TIER,
	OOMX_ECHO_PREFERENCE,
	OOMX_ECHO_AGE,
	OOMX_ECHO_OOM_GROUP,
	OOMX_ECHO_PROCESS_PID,
	OOMX_ECHO_PROCESS_ADJ,
	OOMX_ECHO_PROCESS_RSS,
	OOMX_ECHO_PROCESS_SWAP,
	OOMX_ECHO_PROCESS_TABLES,
	OOMX_ECHO_PROCESS_AGE,
	OOMX_ECHO_PROCESS_SCOPE,
};

struct oomx_echo_config {
	struct oomx_rails rails;
	struct oomx_ranking ranking;
	__u32 field; /* enum oomx_echo_field */
	__u32 reserved;
};

#endif
