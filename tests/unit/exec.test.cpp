// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// A program that is started gets no descriptor of the library's: what can be opened on any host.
// tests/vm/exec.test.cpp has what is in the kernel.
#include <fcntl.h>

#include <catch2/catch_test_macros.hpp>

#include <oomx/btf_view.hpp>
#include <oomx/capabilities.hpp>
#include <oomx/cgroup.hpp>
#include <oomx/unique_fd.hpp>

#include "../support/inherited.hpp"
#include "support/mounts.hpp"

using oomx::test::inherited_descriptors;

TEST_CASE("A descriptor that is not closed by exec would be seen") {
    const auto before = inherited_descriptors();
    const oomx::unique_fd leaking{::open("/dev/null", O_RDONLY)}; // NOLINT(android-cloexec-open)
    CHECK(inherited_descriptors() != before);
}

TEST_CASE("A started program gets no descriptor of an open cgroup") {
    const auto mount = oomx::test::mount_of("cgroup2");
    if (!mount) {
        SKIP("cgroup v2 is not mounted");
    }
    const auto before = inherited_descriptors();
    const auto top = oomx::cgroup::open(*mount);
    REQUIRE(top);
    CHECK(inherited_descriptors() == before);
}

TEST_CASE("A started program gets no descriptor of the kernel's types") {
    const auto before = inherited_descriptors();
    const auto kernel = oomx::btf_view::kernel();
    const auto found = oomx::probe();
    CHECK(inherited_descriptors() == before);
}
