// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <array>
#include <cerrno>
#include <charconv>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include <fmt/format.h>

#include <oomx/capability.hpp>
#include <oomx/cgroup_files.hpp>
#include <oomx/cgroup_mounts.hpp>
#include <oomx/result.hpp>
#include <oomx/text.hpp>

// What the files below /proc and /sys say of the machine and of this process. Reading and judging
// are apart: what is judged is text, wherever it comes from.

namespace oomx {

/// The files, whole, or why they cannot be read.
struct machine_files {
    result<std::string> status;         ///< /proc/thread-self/status
    result<std::string> user_namespace; ///< what /proc/thread-self/ns/user says
    result<std::string> lockdown;       ///< /sys/kernel/security/lockdown
    result<std::string> jit;            ///< /proc/sys/net/core/bpf_jit_enable
    result<std::string> pressure;       ///< /proc/pressure/memory
    result<std::string> mounts;         ///< /proc/self/mounts
    result<std::string> controllers;    ///< cgroup.controllers of the first cgroup v2 mount

    /// Those of this machine and this thread.
    [[nodiscard]] static machine_files read();
};

/// The error of a file that cannot be read.
[[nodiscard]] inline result<std::string> cannot_read(const std::string& path, int cause) {
    auto code = errc::system;
    if (cause == ENOENT) {
        code = errc::not_found;
    } else if (cause == EACCES || cause == EPERM) {
        code = errc::not_permitted;
    }
    return failure(code, cause, fmt::format("{} cannot be read", path));
}

/// What a symbolic link says. Errors: as read_text().
[[nodiscard]] inline result<std::string> read_link(const std::string& path) {
    std::array<char, 256> buffer{};
    const ssize_t got = ::readlink(path.c_str(), buffer.data(), buffer.size());
    if (got < 0) {
        return cannot_read(path, errno);
    }
    return std::string{buffer.data(), static_cast<std::size_t>(got)};
}

/// A small file, whole. Errors: not_found, not_permitted, system.
[[nodiscard]] inline result<std::string> read_text(const std::string& path) {
    auto content = text::read_whole(AT_FDCWD, path);
    return content ? content : cannot_read(path, content.error().system_error());
}

inline machine_files machine_files::read() {
    auto mounts = read_text("/proc/self/mounts");
    const auto mount = mounts ? parse_cgroup_mounts(*mounts).v2 : std::nullopt;
    return {.status = read_text("/proc/thread-self/status"),
            .user_namespace = read_link("/proc/thread-self/ns/user"),
            .lockdown = read_text("/sys/kernel/security/lockdown"),
            .jit = read_text("/proc/sys/net/core/bpf_jit_enable"),
            .pressure = read_text("/proc/pressure/memory"),
            .mounts = std::move(mounts),
            .controllers = mount ? read_text(*mount / "cgroup.controllers")
                                 : result<std::string>{std::string{}}};
}

/// A privilege, by its number in linux/capability.h. `general` is one that includes it.
struct privilege {
    std::string_view name;           ///< "CAP_BPF"
    unsigned number;                 ///< its bit in a set of privileges
    std::optional<unsigned> general; ///< the bit of one that is as good
};

namespace privileges {
/// To load programs and maps.
inline constexpr privilege bpf{"CAP_BPF", 39, 21}; // 21: CAP_SYS_ADMIN
/// To let programs read kernel memory.
inline constexpr privilege perfmon{"CAP_PERFMON", 38, 21};
/// For pressure windows of any length.
inline constexpr privilege sys_resource{"CAP_SYS_RESOURCE", 24, std::nullopt};
} // namespace privileges

/// Whether this thread holds a privilege where the kernel looks for it: in the initial user
/// namespace.
[[nodiscard]] inline capability judge(const privilege& wanted, const machine_files& files) {
    using enum capability::state;
    if (!files.status || !files.user_namespace) {
        const auto& failed = files.status ? files.user_namespace : files.status;
        return {unknown, failed.error().message(), "mount /proc"};
    }
    constexpr std::string_view label = "\nCapEff:\t";
    const std::string_view status = *files.status;
    const auto at = status.find(label);
    std::uint64_t held = 0;
    if (at == std::string_view::npos ||
        std::from_chars(status.data() + at + label.size(), status.data() + status.size(), held, 16)
                .ec != std::errc{}) {
        return {unknown, "/proc/thread-self/status has no line CapEff", {}};
    }
    const auto holds = [held](unsigned number) { return (held >> number & 1U) != 0; };
    if (!holds(wanted.number) && !(wanted.general && holds(*wanted.general))) {
        return {no, "this process does not hold it",
                fmt::format("run as root, or with {}", wanted.name)};
    }
    if (*files.user_namespace != "user:[4026531837]") { // PROC_USER_INIT_INO, linux/proc_ns.h
        return {no, "this process holds it only in a user namespace",
                "run outside of the rootless container"};
    }
    return {yes, holds(wanted.number) ? "held" : "held, as part of CAP_SYS_ADMIN", {}};
}

/// Whether the kernel is not locked down so far that BPF may not read its memory.
[[nodiscard]] inline capability judge_lockdown(const machine_files& files) {
    using enum capability::state;
    if (files.lockdown) {
        if (files.lockdown->find("[confidentiality]") == std::string::npos) {
            return {yes, "the kernel is not locked down for confidentiality", {}};
        }
        return {no, "the kernel is locked down for confidentiality: BPF may not read its memory",
                "boot with lockdown=integrity or lockdown=none"};
    }
    return {unknown, files.lockdown.error().message(),
            "mount -t securityfs securityfs /sys/kernel/security"};
}

/// Whether BPF programs are compiled: the kernel calls struct_ops only so.
[[nodiscard]] inline capability judge_jit(const machine_files& files) {
    using enum capability::state;
    if (!files.jit) {
        return {unknown, files.jit.error().message(),
                "look from the initial network namespace, which alone shows it"};
    }
    if (files.jit->starts_with('0')) {
        return {no, "net.core.bpf_jit_enable is 0", "sysctl net.core.bpf_jit_enable=1"};
    }
    return {yes, "net.core.bpf_jit_enable is set", {}};
}

/// Whether the kernel measures pressure stall information.
[[nodiscard]] inline capability judge_psi(const machine_files& files) {
    using enum capability::state;
    if (files.pressure) {
        return {yes, "/proc/pressure/memory is there", {}};
    }
    const auto& why = files.pressure.error();
    if (why.system_error() == ENOENT || why.system_error() == EOPNOTSUPP) {
        return {no, why.message(), "boot with psi=1 a kernel built with CONFIG_PSI=y"};
    }
    return {unknown, why.message(), {}};
}

/// Whether memory cgroups are to be had in a cgroup v2 hierarchy.
[[nodiscard]] inline capability judge_memory_controller(const machine_files& files) {
    using enum capability::state;
    if (!files.mounts || !files.controllers) {
        const auto& failed = files.mounts ? files.controllers : files.mounts;
        return {unknown, failed.error().message(), {}};
    }
    if (!parse_cgroup_mounts(*files.mounts).v2) {
        return {no, "no cgroup v2 hierarchy is mounted", "mount -t cgroup2 none /sys/fs/cgroup"};
    }
    const auto controllers = parse_names(*files.controllers);
    if (!controllers) {
        return {unknown, controllers.error().message(), {}};
    }
    if (!controllers->contains("memory")) {
        return {no, "the cgroup v2 hierarchy has no memory controller",
                "if cgroup v1 holds it, boot with cgroup_no_v1=memory or "
                "systemd.unified_cgroup_hierarchy=1"};
    }
    return {yes, "the cgroup v2 hierarchy has it", {}};
}

} // namespace oomx
