// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/load.hpp>

#include <chrono>
#include <string_view>

#include <bpf/libbpf.h>
#include <catch2/catch_test_macros.hpp>

#include <oomx/capabilities.hpp>
#include <oomx/policies/largest_leaf.hpp>

using namespace std::chrono_literals;
using oomx::policies::largest_leaf;

TEST_CASE("Options out of range are refused before the kernel is asked") {
    const auto policy = oomx::load<largest_leaf>({.rails = {.min_interval = -1s}});
    REQUIRE(!policy);
    CHECK(policy.error().code() == oomx::errc::invalid_argument);
    CHECK(policy.error().message() ==
          "configure policy 'largest_leaf': rails.min_interval is negative; give zero or more");
}

TEST_CASE("Loading on a kernel without bpf_oom says so and what to run") {
    const auto found = oomx::probe();
    if (found.bpf_oom.has != oomx::capability::state::no) {
        SKIP("needs a kernel that is known to be without bpf_oom: " << found.bpf_oom.because);
    }
    const auto policy = oomx::load<largest_leaf>();
    REQUIRE(!policy);
    CHECK(policy.error().code() == oomx::errc::unsupported);
    CHECK(policy.error().message() ==
          "load policy 'largest_leaf': " + found.bpf_oom.because + "; " + found.bpf_oom.remedy);
}
