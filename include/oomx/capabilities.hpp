// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <array>
#include <cstddef>
#include <mutex>
#include <string>
#include <string_view>

#include <unistd.h>

#include <bpf/libbpf.h>
#include <fmt/format.h>

#include <oomx/bpf/abi.hpp>
#include <oomx/bpf/trial.hpp>
#include <oomx/btf_view.hpp>
#include <oomx/capability.hpp>
#include <oomx/cgroup.hpp>
#include <oomx/machine_files.hpp>

namespace oomx {

/// The remedy for a kernel without the series.
inline constexpr std::string_view run_the_series =
    "run a kernel with the \"mm: BPF OOM\" series, such as oomx's test kernel (./dev kernel)";

/// A function of the kernel that policies call, and what to do where it is missing.
struct kfunc {
    std::string_view name;   ///< as the kernel spells it
    std::string_view remedy; ///< what to do where it is missing
};

/// Those of the series first, then those that mainline has.
inline constexpr auto kfuncs = [] {
    constexpr std::string_view linux_7 = "run Linux 7.0 or later, or a kernel with the series";
    constexpr std::string_view linux_6_12 = "run Linux 6.12 or later";
    return std::to_array<kfunc>({
        {"bpf_oom_kill_process", run_the_series},  {"bpf_task_is_oom_victim", run_the_series},
        {"bpf_out_of_memory", run_the_series},     {"bpf_psi_create_trigger", run_the_series},
        {"bpf_get_root_mem_cgroup", linux_7},      {"bpf_get_mem_cgroup", linux_7},
        {"bpf_put_mem_cgroup", linux_7},           {"bpf_mem_cgroup_usage", linux_7},
        {"bpf_mem_cgroup_page_state", linux_7},    {"bpf_mem_cgroup_vm_events", linux_7},
        {"bpf_mem_cgroup_memory_events", linux_7}, {"bpf_mem_cgroup_flush_stats", linux_7},
        {"bpf_iter_css_new", linux_6_12},          {"bpf_iter_css_task_new", linux_6_12},
        {"bpf_iter_task_new", linux_6_12},         {"bpf_task_acquire", linux_6_12},
        {"bpf_task_release", linux_6_12},          {"bpf_cgroup_from_id", linux_6_12},
        {"bpf_cgroup_release", linux_6_12},        {"bpf_rcu_read_lock", linux_6_12},
        {"bpf_rcu_read_unlock", linux_6_12},       {"bpf_wq_init", linux_6_12},
    });
}();

/// One of kfuncs, by its name; another name does not compile.
class kfunc_name {
public:
    /// Looks it up while compiling.
    // NOLINTNEXTLINE(google-explicit-constructor): stands for the name it is made of
    consteval kfunc_name(const char* name) {
        while (kfuncs.at(index_).name != name) {
            ++index_;
        }
    }

    /// Its place in kfuncs.
    [[nodiscard]] constexpr std::size_t index() const { return index_; }

private:
    std::size_t index_ = 0;
};

/// What a kernel offers to OOM policies. It does not change while the kernel runs.
struct kernel_capabilities {
    bpf::abi::revision revision = bpf::abi::revision::none; ///< of the series

    capability bpf_oom;        ///< policies inside the kernel
    capability cgroup_attach;  ///< a policy for one cgroup and all below it
    capability bpf_psi;        ///< pressure policies inside the kernel
    capability usage_in_bytes; ///< what bpf_mem_cgroup_usage() counts in; oomx does not call it
    std::array<capability, kfuncs.size()> each_kfunc; ///< in the order of kfuncs

    bool can_be_locked_down = true; ///< it has the lockdown module, whatever that is set to

    /// `found.has("bpf_out_of_memory")`: one of kfuncs.
    [[nodiscard]] const capability& has(kfunc_name name) const { return each_kfunc[name.index()]; }

    /// Calls visit(name, capability…) for each, with that of all that are given.
    template <typename Visit, typename... Found>
    static void for_each(Visit visit, Found&... found) {
        visit("bpf_oom", found.bpf_oom...);
        visit("attach to a cgroup", found.cgroup_attach...);
        visit("bpf_psi", found.bpf_psi...);
        visit("usage in bytes", found.usage_in_bytes...);
        for (std::size_t i = 0; i < kfuncs.size(); ++i) {
            visit(kfuncs[i].name, found.each_kfunc[i]...);
        }
    }
};

/// What this machine and this thread offer to OOM policies.
///
///     const auto found = oomx::probe();
///     if (!found.bpf_psi) { … found.bpf_psi.because … }
///     fmt::print("{}\n", found); // a line a capability
struct capabilities : kernel_capabilities {
    capability memory_controller; ///< of a cgroup v2 hierarchy
    capability psi;               ///< pressure stall information is measured
    capability jit;               ///< BPF programs are compiled
    capability lockdown;          ///< yes: none that keeps BPF from reading the kernel's memory
    capability libbpf;            ///< as new as is needed

    capability cap_bpf;          ///< to load programs
    capability cap_perfmon;      ///< to let them read the kernel's memory
    capability cap_sys_resource; ///< for pressure windows that are no multiples of 2 s

    /// Calls visit(name, capability…) for each, with that of all that are given.
    template <typename Visit, typename... Found>
    static void for_each(Visit visit, Found&... found) {
        kernel_capabilities::for_each(visit, found...);
        visit("memory controller", found.memory_controller...);
        visit("PSI", found.psi...);
        visit("BPF JIT", found.jit...);
        visit("no lockdown", found.lockdown...);
        visit("libbpf", found.libbpf...);
        visit(privileges::bpf.name, found.cap_bpf...);
        visit(privileges::perfmon.name, found.cap_perfmon...);
        visit(privileges::sys_resource.name, found.cap_sys_resource...);
    }
};

/// In-kernel OOM policies, by the revision of the kernel's types.
[[nodiscard]] inline capability judge_bpf_oom(bpf::abi::revision revision) {
    using enum capability::state;
    switch (revision) {
    case bpf::abi::revision::v2:
    case bpf::abi::revision::v3:
        return {yes,
                fmt::format("struct bpf_oom_ops as in {} of the series", bpf::abi::name(revision)),
                {}};
    case bpf::abi::revision::v4_wip:
        return {
            yes, "struct bpf_oom_ops as in v4-wip of the series, on which oomx was never run", {}};
    case bpf::abi::revision::none:
        return {no, "this kernel has no bpf_oom: its types lack the struct_ops bpf_oom_ops",
                std::string{run_the_series}};
    case bpf::abi::revision::unknown:
        break;
    }
    return {no, "this kernel's struct bpf_oom_ops is of a form that oomx does not know",
            "run a kernel with v2 of the \"mm: BPF OOM\" series"};
}

/// In-kernel pressure policies, by the kernel's types.
[[nodiscard]] inline capability judge_bpf_psi(const btf_view& kernel) {
    using enum capability::state;
    if (kernel.find_struct(bpf::abi::psi_ops.name) && kernel.find_struct(bpf::abi::psi_ops.value)) {
        return {yes, "struct bpf_psi_ops as in v2 of the series", {}};
    }
    if (kernel.has_typedef("btf_trace_psi_avgs_work")) {
        return {no,
                "this kernel shows pressure by the tracepoint psi_avgs_work, as v3 of the series "
                "does, and has no struct_ops bpf_psi_ops",
                "wait for pressure with triggers in user space, or run a kernel with v2 of the "
                "series"};
    }
    return {no, "this kernel has no bpf_psi: its types lack the struct_ops bpf_psi_ops",
            std::string{run_the_series}};
}

/// One kfunc: whether the kernel's types have it, and how many parameters it takes.
[[nodiscard]] inline capability judge_kfunc(const kfunc& wanted, const btf_view& kernel) {
    using enum capability::state;
    const auto function = kernel.find_function(std::string{wanted.name});
    if (!function) {
        return {no, "this kernel's types lack it", std::string{wanted.remedy}};
    }
    return {yes,
            fmt::format("takes {} parameter{}", function->parameters,
                        function->parameters == 1 ? "" : "s"),
            {}};
}

/// What bpf_mem_cgroup_usage() counts in, by comparison with the counter behind it. A page has 4096
/// bytes at least, so that a charge between the two readings does no harm.
[[nodiscard]] inline capability judge_usage(const result<bpf::usage_reading>& reading) {
    using enum capability::state;
    if (!reading) {
        return {unknown, reading.error().message(), {}};
    }
    if (reading->pages == 0) {
        return {unknown, "measured by what is charged to this process's cgroup, and nothing is",
                "ask from a process in a cgroup that memory is charged to"};
    }
    if (reading->kfunc / 64 < reading->pages) {
        return {no, "measured: bpf_mem_cgroup_usage() gives pages, as the posted v2 does",
                "multiply by the page size"};
    }
    return {yes, "measured: bpf_mem_cgroup_usage() gives bytes", {}};
}

/// Attaching to cgroups, by the outcome of a trial.
[[nodiscard]] inline capability judge_cgroup_attach(const result<void>& trial) {
    using enum capability::state;
    if (trial) {
        return {yes, "tried: this kernel looks at the cgroup of a struct_ops link", {}};
    }
    return {trial.error().code() == errc::unsupported ? no : unknown, trial.error().message(), {}};
}

/// Judges a kernel by its types, without a system call. What only a trial tells stays unknown.
[[nodiscard]] inline kernel_capabilities probe(const btf_view& kernel) {
    using enum capability::state;
    kernel_capabilities found;
    found.revision = bpf::abi::revision_of(kernel);
    found.bpf_oom = judge_bpf_oom(found.revision);
    found.bpf_psi = judge_bpf_psi(kernel);
    for (std::size_t i = 0; i < kfuncs.size(); ++i) {
        found.each_kfunc[i] = judge_kfunc(kfuncs[i], kernel);
    }
    found.cgroup_attach =
        found.bpf_oom ? capability{unknown, "the kernel's types do not tell", {}} : found.bpf_oom;
    found.usage_in_bytes = found.has("bpf_mem_cgroup_usage")
                               ? capability{unknown, "the kernel's types do not tell", {}}
                               : found.has("bpf_mem_cgroup_usage");
    // security/lockdown/lockdown.c
    found.can_be_locked_down = kernel.find_function("lockdown_is_locked_down").has_value();
    return found;
}

/// Asks the running kernel: its types, and by trial what they do not tell (bpf/trial.hpp).
[[nodiscard]] inline kernel_capabilities probe_kernel() {
    auto kernel = btf_view::kernel();
    if (!kernel) {
        kernel_capabilities found;
        kernel_capabilities::for_each(
            [&](std::string_view, capability& each) { each.because = kernel.error().message(); },
            found);
        return found;
    }
    auto found = probe(*kernel);
    if (!found.cgroup_attach.is_conclusive()) {
        const auto around = bpf::own_cgroup().value_or(cgroup::root());
        found.cgroup_attach = judge_cgroup_attach(bpf::try_cgroup_scope(*kernel, around));
    }
    if (!found.usage_in_bytes.is_conclusive()) {
        found.usage_in_bytes = judge_usage(bpf::try_usage(*kernel));
    }
    return found;
}

/// The libbpf that this program runs with, by its version.
[[nodiscard]] inline capability judge_libbpf(unsigned major, unsigned minor) {
    using enum capability::state;
    if (major > 1 || (major == 1 && minor >= 4)) {
        return {yes, fmt::format("version {}.{}", major, minor), {}};
    }
    return {no, fmt::format("version {}.{}", major, minor), "install libbpf 1.4 or later"};
}

/// The kernel's capabilities, and what files say of the machine and of this thread.
[[nodiscard]] inline capabilities probe(kernel_capabilities kernel, const machine_files& files) {
    capabilities found;
    static_cast<kernel_capabilities&>(found) = std::move(kernel);
    found.memory_controller = judge_memory_controller(files);
    found.psi = judge_psi(files);
    found.jit = judge_jit(files);
    found.lockdown =
        found.can_be_locked_down
            ? judge_lockdown(files)
            : capability{capability::state::yes, "this kernel has no lockdown module", {}};
    found.libbpf = judge_libbpf(::libbpf_major_version(), ::libbpf_minor_version());
    found.cap_bpf = judge(privileges::bpf, files);
    found.cap_perfmon = judge(privileges::perfmon, files);
    found.cap_sys_resource = judge(privileges::sys_resource, files);
    return found;
}

/// Remembers what is certain of a kernel. Thread-safe.
class kernel_memory {
public:
    /// All that is known; while there is something that is not, ask() is asked again.
    template <typename Ask>
    [[nodiscard]] kernel_capabilities recall(Ask ask) {
        const std::lock_guard lock{guard_};
        if (!is_complete()) {
            kernel_capabilities asked = ask();
            // What was certain stays: a process that has given up its privileges since could not
            // find it out again.
            if (known_.bpf_oom.is_conclusive()) {
                asked.revision = known_.revision;
                asked.can_be_locked_down = known_.can_be_locked_down;
            }
            kernel_capabilities::for_each(
                [](std::string_view, capability& fresh, const capability& known) {
                    if (known.is_conclusive()) {
                        fresh = known;
                    }
                },
                asked, known_);
            known_ = std::move(asked);
        }
        return known_;
    }

private:
    [[nodiscard]] bool is_complete() const {
        bool complete = true;
        kernel_capabilities::for_each(
            [&](std::string_view, const capability& each) {
                complete = complete && each.is_conclusive();
            },
            known_);
        return complete;
    }

    std::mutex guard_;
    kernel_capabilities known_;
};

/// Asks the running kernel, the machine and this thread. Takes no memory of earlier answers.
[[nodiscard]] inline capabilities probe_anew() {
    return probe(probe_kernel(), machine_files::read());
}

/// As probe_anew(), but what is certain of the kernel, which no longer changes, is asked only once
/// in a process. Set-up and privileges are always read. Thread-safe.
[[nodiscard]] inline capabilities probe() {
    static kernel_memory memory;
    return probe(memory.recall(probe_kernel), machine_files::read());
}

} // namespace oomx

/// A line a capability: "bpf_psi: no: because; remedy".
template <>
struct fmt::formatter<oomx::capabilities> : fmt::formatter<std::string_view> {
    auto format(const oomx::capabilities& found, fmt::format_context& context) const {
        auto out = context.out();
        oomx::capabilities::for_each(
            [&](std::string_view name, const oomx::capability& each) {
                out = fmt::format_to(out, "{:<28} {}\n", name, each);
            },
            found);
        return out;
    }
};
