// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <mutex>
#include <string_view>
#include <utility>
#include <vector>

#include <linux/bpf.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/btf.h>

#include <oomx/bpf/abi.hpp>
#include <oomx/bpf/attach.hpp>
#include <oomx/bpf/libbpf_messages.hpp>
#include <oomx/bpf/refusal.hpp>
#include <oomx/btf_view.hpp>
#include <oomx/cgroup.hpp>
#include <oomx/cgroup_mounts.hpp>
#include <oomx/machine_files.hpp>
#include <oomx/result.hpp>
#include <oomx/text.hpp>
#include <oomx/unique_fd.hpp>

// What a kernel's types do not tell, and a program of a few instructions does. Nothing of a trial
// is left behind.

namespace oomx::bpf {

/// One instruction.
[[nodiscard]] constexpr bpf_insn instruction(std::uint8_t code, std::uint8_t to = 0,
                                             std::uint8_t from = 0, std::int16_t offset = 0,
                                             std::int32_t immediate = 0) {
    bpf_insn one{};
    one.code = code;
    one.dst_reg = to & 0xFU;
    one.src_reg = from & 0xFU;
    one.off = offset;
    one.imm = immediate;
    return one;
}

/// The call of a kfunc.
[[nodiscard]] constexpr bpf_insn call(const btf_function& kfunc) {
    return instruction(BPF_JMP | BPF_CALL, 0, BPF_PSEUDO_KFUNC_CALL, 0,
                       static_cast<std::int32_t>(kfunc.id));
}

/// The call of a helper.
[[nodiscard]] constexpr bpf_insn call(bpf_func_id helper) {
    return instruction(BPF_JMP | BPF_CALL, 0, 0, 0, helper);
}

/// A published struct_ops map whose handler declines every OOM: for attaching it and nothing more.
/// Errors: unsupported, not_permitted, rejected, exhausted.
[[nodiscard]] inline result<unique_fd> declining_ops(const btf_view& kernel) {
    const auto ops = kernel.find_struct(abi::oom_ops.name);
    const auto value_type = kernel.find_struct(abi::oom_ops.value);
    const auto data = value_type ? value_type->offset_of("data") : std::nullopt;
    const auto handler = ops ? ops->index_of("handle_out_of_memory") : std::nullopt;
    const auto slot = ops ? ops->offset_of("handle_out_of_memory") : std::nullopt;
    if (!data || !handler || !slot) {
        return failure(errc::unsupported, "this kernel has no bpf_oom");
    }
    constexpr std::array decline{instruction(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0),
                                 instruction(BPF_JMP | BPF_EXIT)};
    bpf_prog_load_opts program_options{};
    program_options.sz = sizeof program_options;
    program_options.attach_btf_id = ops->id();
    program_options.expected_attach_type = static_cast<bpf_attach_type>(*handler);
    const int program = ::bpf_prog_load(BPF_PROG_TYPE_STRUCT_OPS, "oomx_trial", "Dual BSD/GPL",
                                        decline.data(), decline.size(), &program_options);
    if (program < 0) {
        return refused(request::load, -program);
    }
    const unique_fd owned_program{program};

    // The kernel wants every struct_ops map to come with types of its own, and does not look at
    // them.
    const libbpf_messages messages; // else libbpf prints
    const std::unique_ptr<btf, decltype(&btf__free)> types{btf__new_empty(), &btf__free};
    btf__add_int(types.get(), "int", sizeof(int), BTF_INT_SIGNED);
    if (const int failed = btf__load_into_kernel(types.get()); failed != 0) {
        return refused(request::load, -failed);
    }

    bpf_map_create_opts map_options{};
    map_options.sz = sizeof map_options;
    map_options.btf_fd = static_cast<std::uint32_t>(btf__fd(types.get()));
    map_options.btf_vmlinux_value_type_id = value_type->id();
    map_options.map_flags = 1U << 13U; // BPF_F_LINK
    const int map = ::bpf_map_create(BPF_MAP_TYPE_STRUCT_OPS, "oomx_trial", sizeof(std::uint32_t),
                                     value_type->size(), 1, &map_options);
    if (map < 0) {
        return refused(request::load, -map);
    }
    unique_fd owned_map{map};

    std::vector<std::byte> value(value_type->size());
    const auto descriptor = static_cast<unsigned long>(program);
    std::memcpy(value.data() + *data + *slot, &descriptor, sizeof descriptor);
    constexpr std::uint32_t only_key = 0;
    if (const int failed = ::bpf_map_update_elem(map, &only_key, value.data(), 0); failed != 0) {
        return refused(request::publish, -failed);
    }
    return owned_map;
}

/// The cgroup of this process, as far as it sees one. Errors: unsupported (no cgroup v2 is
/// mounted), or as cgroup::open().
[[nodiscard]] inline result<cgroup> own_cgroup() {
    const auto mounts = read_text("/proc/self/mounts");
    const auto mount = mounts ? parse_cgroup_mounts(*mounts).v2 : std::nullopt;
    const auto membership = read_text("/proc/self/cgroup");
    std::string_view rest = membership ? std::string_view{*membership} : std::string_view{};
    while (mount && !rest.empty()) {
        const auto [line, behind] = text::split_at(rest, '\n');
        if (line.starts_with("0::/")) {
            return cgroup::open(*mount / line.substr(std::string_view{"0::/"}.size()));
        }
        rest = behind;
    }
    return failure(errc::unsupported, "this process is in no cgroup v2 that it sees");
}

/// Whether this kernel attaches to cgroups: as prove_cgroup_scope(), tried around a cgroup.
[[nodiscard]] inline result<void> try_cgroup_scope(const btf_view& kernel, const cgroup& around) {
    const auto ops = declining_ops(kernel);
    if (!ops) {
        return failure(ops.error());
    }
    return prove_cgroup_scope(ops->native_handle(), abi::revision_of(kernel), trial_places(around));
}

/// Fails where this kernel does not attach to cgroups, and where that cannot be told. It is tried
/// until the answer is yes, which this process remembers. Thread-safe.
[[nodiscard]] inline result<void> require_cgroup_scope(const cgroup& around) {
    static std::mutex trying;
    static bool proven = false;
    const std::scoped_lock lock{trying};
    if (proven) {
        return {};
    }
    const auto kernel = btf_view::kernel();
    if (!kernel) {
        return failure(kernel.error());
    }
    auto tried = try_cgroup_scope(*kernel, around);
    proven = tried.has_value();
    return tried;
}

/// The memory of this process's cgroup, as the kfunc bpf_mem_cgroup_usage() gives it and as the
/// counter behind it has it, in pages.
struct usage_reading {
    std::uint64_t kfunc = 0; ///< bytes, or pages: that is the question
    std::uint64_t pages = 0; ///< what the counter says
};

/// Reads both at once, as far as that goes: the cgroup may be charged between.
///
/// Zero for a process in a cgroup without the memory controller; the root holds only what its
/// children do. Errors: unsupported (the kernel lacks what the trial needs), not_permitted, system.
[[nodiscard]] inline result<usage_reading> try_usage(const btf_view& kernel) {
    const auto memcg = kernel.find_struct("mem_cgroup");
    const auto counter = kernel.find_struct("page_counter");
    const auto memory = memcg ? memcg->offset_of("memory") : std::nullopt;
    const auto usage = counter ? counter->offset_of("usage") : std::nullopt;
    const auto cgroup = kernel.find_struct("cgroup");
    const auto self = cgroup ? cgroup->offset_of("self") : std::nullopt;
    const auto from_id = kernel.find_function("bpf_cgroup_from_id");
    const auto release = kernel.find_function("bpf_cgroup_release");
    const auto get = kernel.find_function("bpf_get_mem_cgroup");
    const auto put = kernel.find_function("bpf_put_mem_cgroup");
    const auto read = kernel.find_function("bpf_mem_cgroup_usage");
    if (!memory || !usage || !self || !from_id || !release || !get || !put || !read) {
        return failure(errc::unsupported, "this kernel lacks the kfuncs to ask for it");
    }
    constexpr std::uint8_t move = BPF_ALU64 | BPF_MOV | BPF_X;
    constexpr std::uint8_t load = BPF_LDX | BPF_MEM | BPF_DW;
    constexpr std::uint8_t store = BPF_STX | BPF_MEM | BPF_DW;
    constexpr std::uint8_t if_null = BPF_JMP | BPF_JEQ | BPF_K;
    // NOLINTNEXTLINE(misc-redundant-expression): two of the three are 0
    constexpr std::uint8_t add = BPF_ALU64 | BPF_ADD | BPF_K;
    const std::array ask{
        instruction(move, BPF_REG_6, BPF_REG_1), // the reading to fill
        call(BPF_FUNC_get_current_cgroup_id),
        instruction(move, BPF_REG_1, BPF_REG_0),
        call(*from_id),
        instruction(if_null, BPF_REG_0, 0, 15),  // to the end
        instruction(move, BPF_REG_7, BPF_REG_0), // the cgroup
        instruction(move, BPF_REG_1, BPF_REG_7),
        instruction(add, BPF_REG_1, 0, 0, static_cast<int>(*self)),
        call(*get),
        instruction(move, BPF_REG_8, BPF_REG_0), // its mem_cgroup
        instruction(move, BPF_REG_1, BPF_REG_7),
        call(*release),
        instruction(if_null, BPF_REG_8, 0, 7), // to the end
        instruction(load, BPF_REG_9, BPF_REG_8, static_cast<std::int16_t>(*memory + *usage)),
        instruction(store, BPF_REG_6, BPF_REG_9, offsetof(usage_reading, pages)),
        instruction(move, BPF_REG_1, BPF_REG_8),
        call(*read),
        instruction(store, BPF_REG_6, BPF_REG_0, offsetof(usage_reading, kfunc)),
        instruction(move, BPF_REG_1, BPF_REG_8),
        call(*put),
        instruction(BPF_ALU64 | BPF_MOV | BPF_K, BPF_REG_0),
        instruction(BPF_JMP | BPF_EXIT),
    };
    bpf_prog_load_opts program_options{};
    program_options.sz = sizeof program_options;
    program_options.prog_flags = BPF_F_SLEEPABLE; // as all of this type
    const int program = ::bpf_prog_load(BPF_PROG_TYPE_SYSCALL, "oomx_trial", "Dual BSD/GPL",
                                        ask.data(), ask.size(), &program_options);
    if (program < 0) {
        return refused(request::load, -program);
    }
    const unique_fd owned_program{program};

    usage_reading reading;
    bpf_test_run_opts run{};
    run.sz = sizeof run;
    run.ctx_in = &reading;
    run.ctx_size_in = sizeof reading;
    if (const int failed = ::bpf_prog_test_run_opts(program, &run); failed != 0) {
        return refused(request::load, -failed);
    }
    return reading;
}

} // namespace oomx::bpf
