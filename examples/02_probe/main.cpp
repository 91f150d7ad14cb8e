// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Prints what this machine offers to OOM policies, a line a capability, and what to do about what
// it lacks. Needs no privilege, but can tell more with them.

#include <fmt/format.h>

#include <oomx/capabilities.hpp>

int main() { fmt::print("{}", oomx::probe()); }
