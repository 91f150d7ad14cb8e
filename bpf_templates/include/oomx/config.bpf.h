/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
#ifndef OOMX_CONFIG_BPF_H
#define OOMX_CONFIG_BPF_H

/*
 * What user space and a policy share. In sections of its own, whose first struct is the same in
 * every policy, so that a program that comes later finds it in a policy that is in force already.
 */
#include <oomx/config.h>
#include <oomx/kernel.bpf.h>

OOMX_SET_BEFORE_LOAD struct oomx_object oomx_object SEC(".rodata.oomx") = {};

struct oomx_control oomx_control SEC(".data.oomx") = {};

/* Of the config that holds for the decision under way. */
static __u64 oomx_generation = 0;

/* An atomic instruction, for its order: BPF has no other that all kernels know. */
static __always_inline __u64 oomx_config_generation(void)
{
	return __sync_fetch_and_add(&oomx_control.generation, 0);
}

/*
 * Where configs take turns. More than two, so that a reader loses the one it copies only to a
 * writer that writes seven more in that time.
 */
#define OOMX_CONFIG_SLOTS 8

/* Of a loop that stays one: unrolled, each would be new to an emulator, and slow. */
#define OOMX_CONFIG_ATTEMPTS 16

/*
 * OOMX_CONFIG(struct my_config): the policy's config, whose first member, rails, is a struct
 * oomx_rails. What the policy reads is `config`, a copy that does not change while it decides.
 *
 * User space writes the next slot and moves the generation on. The slot of a generation is written
 * again once the generation has moved on by all the other slots; should that happen in the time one
 * copy takes, in each attempt, there is no config to decide by: oomx_read_config() says false.
 */
#define OOMX_CONFIG(type)                                                                          \
	type oomx_configs[OOMX_CONFIG_SLOTS] SEC(".data.oomx") = {};                               \
	static type config = {};                                                                   \
	static __always_inline const struct oomx_rails *oomx_rails(void)                           \
	{                                                                                          \
		return &config.rails;                                                              \
	}                                                                                          \
	static __always_inline bool oomx_read_config(void)                                         \
	{                                                                                          \
		oomx_for_each_number(attempt, OOMX_CONFIG_ATTEMPTS) {                              \
			oomx_generation = oomx_config_generation();                                \
			__builtin_memcpy(&config,                                                  \
					 &oomx_configs[oomx_generation % OOMX_CONFIG_SLOTS],       \
					 sizeof(config));                                          \
			if (oomx_config_generation() - oomx_generation < OOMX_CONFIG_SLOTS - 1)    \
				return true;                                                       \
		}                                                                                  \
		return false;                                                                      \
	}

#endif
