// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/btf_view.hpp>

#include <catch2/catch_test_macros.hpp>

#include "at_once.hpp"
#include "support/btf_fixture.hpp"

TEST_CASE("Threads look up the types of one view") {
    const auto kernel = oomx::test::kernel_v2();
    CHECK(oomx::test::at_once([&](int) {
        const auto ops = kernel.find_struct("bpf_oom_ops");
        return ops && ops->has("handle_out_of_memory") &&
               ops->callback_parameter("handle_out_of_memory", 0) == "bpf_oom_ctx";
    }));
}
