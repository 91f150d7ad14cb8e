// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Whether policies find in the types of real kernels what they read. See README.md beside this
// file.
#include <algorithm>
#include <set>
#include <string>
#include <string_view>

#include <catch2/catch_template_test_macros.hpp>
#include <catch2/catch_test_macros.hpp>

#include <fmt/format.h>

#include <oomx/bpf/object.hpp>
#include <oomx/policies/badness.hpp>
#include <oomx/policies/largest_leaf.hpp>
#include <oomx/policies/pressure_kill.hpp>
#include <oomx/policies/tiers.hpp>

#include <wrong_reads.skel.hpp>

#include "faults.hpp"

using oomx::policies::badness;
using oomx::policies::largest_leaf;
using oomx::policies::pressure_kill;
using oomx::policies::tiers;

namespace {

const std::set<std::string>& wrong_reads() {
    static const auto faults = oomx::test::faults_of(oomx::bpf::object<::wrong_reads_bpf>::bytes());
    return faults;
}

bool is_said(std::string_view what) {
    return std::ranges::any_of(wrong_reads(),
                               [&](const auto& fault) { return fault.contains(what); });
}

} // namespace

TEMPLATE_TEST_CASE("Every kernel has what a policy asks of it", "", badness, largest_leaf,
                   pressure_kill, tiers) {
    const auto object = oomx::bpf::object<typename TestType::skeleton>::bytes();
    for (const auto& fault : oomx::test::faults_of(object)) {
        FAIL_CHECK(TestType::name << ": " << fault << "; see tests/relocation/README.md");
    }
}

TEST_CASE("There are kernels of 6.12, 6.18 and 7.x") {
    for (const std::string_view version : {"6.12.", "6.18.", "7."}) {
        CHECK(std::ranges::any_of(oomx::test::kernels(), [&](const auto& kernel) {
            return kernel.filename().string().starts_with(version);
        }));
    }
}

TEST_CASE("A field that kernels lack is reported with the kernel and the function that reads it") {
    for (const auto& kernel : oomx::test::kernels()) {
        CHECK(wrong_reads().contains(
            fmt::format("{} lacks struct sighand_struct.no_such_field, which wrong_field asks for",
                        kernel.stem().string())));
    }
}

TEST_CASE("A guarded field that no kernel has is reported") {
    CHECK(wrong_reads().contains("no kernel has struct mm_struct___elsewhere.no_such_field"));
}

TEST_CASE("Of two flavours a kernel needs one") { CHECK(!is_said("mm_struct___both")); }

TEST_CASE("A kernel that has none of the flavours is reported") {
    for (const auto& kernel : oomx::test::kernels()) {
        const auto name = kernel.stem().string();
        CHECK(wrong_reads().contains(fmt::format("{} has none of struct mm_struct___half_…",
                                                 name)) == !name.starts_with("6.12"));
    }
}

TEST_CASE("A kfunc that is declared with other parameters than it has is reported") {
    for (const auto& kernel : oomx::test::kernels()) {
        CHECK(wrong_reads().contains(
            fmt::format("{} lacks bpf_task_release___wrong() as the object declares it",
                        kernel.stem().string())));
    }
}

TEST_CASE("A kfunc that no kernel has is reported") {
    CHECK(wrong_reads().contains("no kernel has bpf_no_such_kfunc()"));
}
