// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cerrno>
#include <string_view>

#include <unistd.h>

#include <oomx/cgroup_mounts.hpp>
#include <oomx/error.hpp>
#include <oomx/ids.hpp>

namespace oomx {

/// Why the directory of a cgroup could not be opened, from the errno.
[[nodiscard]] inline error cgroup_open_error(int cause) {
    switch (cause) {
    case ENOENT:
        return {errc::not_found, cause, "no such directory",
                "check the path, or make it with mkdir"};
    case ENOTDIR:
        return {errc::not_a_cgroup, cause, "it is no directory",
                "name the cgroup's directory, not one of its files"};
    case EACCES:
    case EPERM:
        return {errc::not_permitted, cause, "no permission",
                "run as root, or as the cgroup's owner"};
    case EMFILE:
    case ENFILE:
        return {errc::exhausted, cause, "too many files are open",
                "raise the limit (ulimit -n), or hold fewer cgroups at a time"};
    case ENOSYS:
        return {errc::unsupported, cause, "this kernel has no openat2()",
                "run Linux 5.6 or newer, without a system call filter that hides it"};
    default:
        return {errc::system, cause, "refused"};
    }
}

/// Why a file of a cgroup could not be read, from the errno.
[[nodiscard]] inline error cgroup_read_error(int directory, cgroup_id id, std::string_view file,
                                             int cause) {
    const auto has_file = [&](const char* name) {
        return ::faccessat(directory, name, F_OK, 0) == 0;
    };
    // A removed cgroup's files are gone (ENOENT) or, held open, refuse to be read (ENODEV).
    const bool missing = cause == ENOENT || cause == ENODEV;
    if (missing && !has_file("cgroup.controllers")) {
        return {errc::not_found, cause, "the cgroup was removed", "open it again"};
    }
    // With pressure off in the whole kernel the file is missing or not supported, by version; with
    // 0 in cgroup.pressure it is hidden.
    if (file.ends_with(".pressure") && (missing || cause == EOPNOTSUPP)) {
        return {errc::unsupported, cause, "pressure is not counted here",
                missing && has_file("cgroup.pressure")
                    ? "write 1 to its cgroup.pressure"
                    : "boot with psi=1, with a kernel built with CONFIG_PSI=y"};
    }
    if (missing && id == root_cgroup) {
        return {errc::not_found, cause, "the root of the hierarchy has no such file",
                "read that of a cgroup below it"};
    }
    if (missing) {
        const auto mounts = find_cgroup_mounts();
        return {errc::not_found, cause, "the cgroup has no such file",
                mounts.memory_on_v1 && file.starts_with("memory.")
                    ? mounts.remedy()
                    : "enable its controller in the parent's cgroup.subtree_control"};
    }
    switch (cause) {
    case EACCES:
    case EPERM:
        return {errc::not_permitted, cause, "no permission",
                "run as root, or as the cgroup's owner"};
    case EOPNOTSUPP:
        return {errc::unsupported, cause, "it is a threaded cgroup",
                "ask the cgroup above that is the threads' domain"};
    default:
        return {errc::system, cause, "refused"};
    }
}

} // namespace oomx
