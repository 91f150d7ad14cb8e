// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/capabilities.hpp>

#include <algorithm>
#include <cerrno>
#include <string>
#include <string_view>

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>

#include "support/btf_fixture.hpp"

namespace test = oomx::test;
using oomx::capability;
using oomx::probe;
using oomx::bpf::abi::revision;
using enum oomx::capability::state;

TEST_CASE("A kernel with v2 of the series can run policies") {
    const auto found = probe(test::kernel_v2());
    CHECK(found.bpf_oom);
    CHECK(found.bpf_oom.has == capability::state::yes);
    CHECK(found.bpf_oom.because == "struct bpf_oom_ops as in v2 of the series");
    CHECK(found.bpf_oom.remedy.empty());
    CHECK(found.revision == revision::v2);
}

TEST_CASE("A kernel without bpf_oom cannot run policies and says what to run instead") {
    const auto found = probe(test::kernel_without_bpf_oom());
    CHECK(!found.bpf_oom);
    CHECK(found.bpf_oom.has == capability::state::no);
    CHECK(found.bpf_oom.because ==
          "this kernel has no bpf_oom: its types lack the struct_ops bpf_oom_ops");
    CHECK(found.bpf_oom.remedy ==
          "run a kernel with the \"mm: BPF OOM\" series, such as oomx's test "
          "kernel (./dev kernel)");
    CHECK(found.revision == revision::none);
}

TEST_CASE("Later revisions are taken on, with a word of warning") {
    const auto v3 = probe(test::kernel_v3());
    CHECK(v3.bpf_oom);
    CHECK(v3.revision == revision::v3);
    CHECK(v3.bpf_oom.because == "struct bpf_oom_ops as in v3 of the series");
    CHECK(probe(test::kernel_v4_wip()).bpf_oom.because ==
          "struct bpf_oom_ops as in v4-wip of the series, on which oomx was never run");
}

TEST_CASE("A kernel whose ops nobody has described is refused") {
    const auto found = probe(test::kernel_of_unknown_revision());
    CHECK(found.bpf_oom.has == capability::state::no);
    CHECK(found.bpf_oom.because ==
          "this kernel's struct bpf_oom_ops is of a form that oomx does not know");
    CHECK(found.bpf_oom.remedy == "run a kernel with v2 of the \"mm: BPF OOM\" series");
    CHECK(found.revision == revision::unknown);
}

TEST_CASE("Pressure inside the kernel is told by the ops of v2, registered as such") {
    test::btf_fixture v2;
    v2.structure("bpf_psi_ops", 40);
    v2.structure("bpf_struct_ops_bpf_psi_ops", 128);
    CHECK(probe(v2.take()).bpf_psi);

    test::btf_fixture unregistered;
    unregistered.structure("bpf_psi_ops", 40);
    CHECK(probe(unregistered.take()).bpf_psi.has == no);
}

TEST_CASE("Pressure by the tracepoint of v3 is named, and is no struct_ops") {
    test::btf_fixture types;
    types.alias("btf_trace_psi_avgs_work", types.callback({}));
    const auto found = probe(types.take());
    CHECK(found.bpf_psi.has == no);
    CHECK(
        found.bpf_psi.because ==
        "this kernel shows pressure by the tracepoint psi_avgs_work, as v3 of the series does, and "
        "has no struct_ops bpf_psi_ops");
}

TEST_CASE("A kfunc is there if the kernel's types have a function of that name") {
    test::btf_fixture types;
    types.kernel_function("bpf_out_of_memory", 4);
    types.kernel_function("bpf_put_mem_cgroup", 1);
    const auto found = probe(types.take());
    CHECK(found.has("bpf_out_of_memory"));
    CHECK(found.has("bpf_out_of_memory").because == "takes 4 parameters");
    CHECK(found.has("bpf_put_mem_cgroup").because == "takes 1 parameter");
    CHECK(found.has("bpf_get_mem_cgroup").has == no);
    CHECK(found.has("bpf_get_mem_cgroup").remedy ==
          "run Linux 7.0 or later, or a kernel with the series");
}

TEST_CASE("What types do not tell is not told by them") {
    const auto v2 = probe(test::kernel_v2());
    CHECK(v2.cgroup_attach.has == unknown);
    test::btf_fixture types;
    types.kernel_function("bpf_mem_cgroup_usage", 1);
    CHECK(probe(types.take()).usage_in_bytes.has == unknown);
}

TEST_CASE("What needs something that is missing is missing as well") {
    const auto found = probe(test::kernel_without_bpf_oom());
    CHECK(found.cgroup_attach.has == no);
    CHECK(found.cgroup_attach.because == found.bpf_oom.because);
    CHECK(found.usage_in_bytes.has == no);
}

TEST_CASE("Usage is bytes if it is much more than the pages counted") {
    using oomx::judge_usage;
    using oomx::bpf::usage_reading;
    CHECK(judge_usage(usage_reading{.kfunc = 40960, .pages = 10}).has == yes);
    CHECK(judge_usage(usage_reading{.kfunc = 45056, .pages = 10}).has == yes); // charged between
    CHECK(judge_usage(usage_reading{.kfunc = 10, .pages = 10}).has == no);
    CHECK(judge_usage(usage_reading{.kfunc = 0, .pages = 10}).has == no);
    CHECK(judge_usage(usage_reading{.kfunc = 0, .pages = 0}).has == unknown);
    const auto failed = judge_usage(oomx::failure(oomx::errc::not_permitted, EPERM, "not you"));
    CHECK(failed.has == unknown);
    CHECK(failed.because == "not you (EPERM)");
}

TEST_CASE("Cgroup attach is a no only if the kernel is known to lack it") {
    using oomx::judge_cgroup_attach;
    CHECK(judge_cgroup_attach({}).has == yes);
    CHECK(judge_cgroup_attach(oomx::failure(oomx::errc::unsupported, "ignored")).has == no);
    CHECK(judge_cgroup_attach(oomx::failure(oomx::errc::not_permitted, "not you")).has == unknown);
}

TEST_CASE("libbpf before 1.4 is too old") {
    CHECK(oomx::judge_libbpf(1, 4));
    CHECK(oomx::judge_libbpf(2, 0));
    CHECK(oomx::judge_libbpf(1, 3).has == no);
    CHECK(oomx::judge_libbpf(0, 9).remedy == "install libbpf 1.4 or later");
}

TEST_CASE("A kernel without the lockdown module is not locked down, whatever its files") {
    auto files = oomx::machine_files::read();
    files.lockdown = oomx::cannot_read("/sys/kernel/security/lockdown", ENOENT);
    CHECK(probe(probe(test::kernel_v2()), files).lockdown.has == yes);

    test::btf_fixture types;
    types.kernel_function("lockdown_is_locked_down", 1);
    CHECK(probe(probe(types.take()), files).lockdown.has == unknown);
}

TEST_CASE("The report has a line a capability, each with its name and its reason") {
    const auto found = probe(probe(test::kernel_without_bpf_oom()), oomx::machine_files::read());
    const auto report = fmt::format("{}", found);
    long lines = 0;
    oomx::capabilities::for_each(
        [&](std::string_view name, const capability& each) {
            ++lines;
            CHECK(report.find(fmt::format("{:<28} {}\n", name, each)) != std::string::npos);
        },
        found);
    CHECK(std::ranges::count(report, '\n') == lines);
    CHECK(lines == static_cast<long>(oomx::kfuncs.size()) + 12);
}

namespace {

/// Answers of which some are certain.
oomx::kernel_capabilities answers(capability::state oom, capability::state attach) {
    oomx::kernel_capabilities found;
    oomx::kernel_capabilities::for_each([](std::string_view, capability& each) { each.has = no; },
                                        found);
    found.bpf_oom.has = oom;
    found.cgroup_attach.has = attach;
    found.revision = oom == unknown ? revision::none : revision::v2;
    found.can_be_locked_down = oom == unknown;
    return found;
}

} // namespace

TEST_CASE("A kernel that is known for certain is not asked again") {
    oomx::kernel_memory memory;
    int asked = 0;
    const auto ask = [&] {
        ++asked;
        return answers(yes, no);
    };
    CHECK(memory.recall(ask).bpf_oom);
    CHECK(memory.recall(ask).bpf_oom);
    CHECK(asked == 1);
}

TEST_CASE("What could not be told is asked again until it can") {
    oomx::kernel_memory memory;
    CHECK(!memory.recall([] { return answers(unknown, unknown); }).bpf_oom.is_conclusive());
    CHECK(memory.recall([] { return answers(yes, unknown); }).bpf_oom);
    CHECK(memory.recall([] { return answers(yes, yes); }).cgroup_attach);
}

TEST_CASE("What was certain once stays, whoever asks later") {
    oomx::kernel_memory memory;
    CHECK(memory.recall([] { return answers(yes, unknown); }).bpf_oom);
    const auto later = memory.recall([] { return answers(unknown, unknown); });
    CHECK(later.bpf_oom);
    CHECK(later.revision == revision::v2);
    CHECK(!later.can_be_locked_down);
    CHECK(!later.cgroup_attach.is_conclusive());
}

TEST_CASE("Every line about the running machine has a reason") {
    const auto found = oomx::probe_anew();
    oomx::capabilities::for_each(
        [](std::string_view name, const capability& each) {
            CAPTURE(name);
            CHECK(!each.because.empty());
        },
        found);
}

TEST_CASE("Asking twice gives the same answers") {
    CHECK(fmt::format("{}", oomx::probe()) == fmt::format("{}", oomx::probe()));
}
