// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// largest_leaf loaded, attached to a cgroup and detached again; by_hand.c does the same with
// libbpf.
#include <cstdio>

#include <oomx/oomx.hpp>
#include <oomx/policies/largest_leaf.hpp>

/// callgrind counts what runs below this one.
extern "C" [[gnu::noinline]] bool measured(const char* path) {
    const auto policy = oomx::load<oomx::policies::largest_leaf>({});
    const auto where = oomx::cgroup::open(path);
    if (!policy || !where) {
        return false;
    }
    return policy->attach(*where).has_value();
}

int main(int argc, char** argv) {
    if (argc != 2 || !measured(argv[1])) {
        std::puts("usage: through_oomx CGROUP, or it failed");
        return 1;
    }
    return 0;
}
