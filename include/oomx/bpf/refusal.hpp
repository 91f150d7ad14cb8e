// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <array>
#include <cerrno>
#include <cstdint>
#include <string>

#include <oomx/error.hpp>
#include <oomx/result.hpp>

namespace oomx::bpf {

/// What was asked of the kernel when it refused.
enum class request : std::uint8_t {
    load,           ///< BPF_PROG_LOAD, BPF_MAP_CREATE
    publish,        ///< BPF_MAP_UPDATE_ELEM of a struct_ops map
    attach,         ///< BPF_LINK_CREATE
    update,         ///< BPF_LINK_UPDATE
    detach,         ///< BPF_LINK_DETACH
    pin,            ///< BPF_OBJ_PIN
    open_pin,       ///< BPF_OBJ_GET
    inspect,        ///< BPF_*_GET_FD_BY_ID, BPF_OBJ_GET_INFO_BY_FD, BPF_MAP_LOOKUP_BATCH
    prefer,         ///< BPF_MAP_UPDATE_ELEM, BPF_MAP_DELETE_ELEM of oomx_preferences
    kill,           ///< the kfunc bpf_oom_kill_process
    create_trigger, ///< the kfunc bpf_psi_create_trigger
    declare,        ///< the kfunc bpf_out_of_memory
};

/// One answer of the kernel, and what to do about it.
struct refusal {
    request what;       ///< what was asked
    int system_error;   ///< the answer, an errno
    errc code;          ///< its kind
    const char* cause;  ///< what it means here
    const char* remedy; ///< what to do about it
};

/// Every answer that the kernel side has for what oomx asks, but those that an oomx program cannot
/// provoke. Sources: kernel/bpf/{syscall,inode,bpf_struct_ops}.c, kernel/sched/psi.c and
/// kernel/cgroup/cgroup.c of Linux 6.12; for the series, its revisions.
inline constexpr auto refusals = std::to_array<refusal>({
    {request::load, EPERM, errc::not_permitted, "this process may not load BPF programs",
     "run as root, or with CAP_BPF and CAP_PERFMON"},
    {request::load, EACCES, errc::not_permitted, "this process may not load BPF programs",
     "run as root, or with CAP_BPF and CAP_PERFMON"},
    {request::load, ENOMEM, errc::exhausted, "the kernel has no memory for it",
     "raise the memory limit of this process's cgroup"},

    {request::publish, EINVAL, errc::rejected,
     "a callback is missing that the kernel requires, or the name is not one line of text",
     "the kernel log may say which"},
    {request::publish, E2BIG, errc::rejected, "the kernel has no room for the callbacks",
     "the kernel log may say more"},
    {request::publish, ENOMEM, errc::exhausted, "the kernel has no memory for it",
     "raise the memory limit of this process's cgroup"},
    {request::publish, EBUSY, errc::busy, "its callbacks have been set before", "load it anew"},

    {request::attach, EBUSY, errc::busy, "another policy is attached there", "detach it first"},
    {request::attach, EEXIST, errc::busy, "another policy is attached there", "detach it first"},
    {request::attach, EPERM, errc::not_permitted, "this process may not attach policies",
     "run as root, or with CAP_BPF and CAP_PERFMON"},
    {request::attach, EACCES, errc::not_permitted, "this process may not attach policies",
     "run as root, or with CAP_BPF and CAP_PERFMON"},
    {request::attach, ENODEV, errc::not_found, "the cgroup was removed", "open it again"},
    {request::attach, ENOENT, errc::not_found, "the cgroup was removed", "open it again"},
    {request::attach, EBADF, errc::not_a_cgroup, "the kernel does not take it for a cgroup",
     "open a directory of the cgroup v2 hierarchy"},
    {request::attach, EOPNOTSUPP, errc::unsupported, "the cgroup lacks the memory controller",
     "write +memory to its parent's cgroup.subtree_control"},
    {request::attach, EINVAL, errc::rejected, "the kernel does not take the request",
     "the kernel log may say why"},
    {request::attach, E2BIG, errc::exhausted, "64 policies are attached there",
     "detach one of them first"},
    {request::attach, ENOMEM, errc::exhausted, "the kernel has no memory for it",
     "raise the memory limit of this process's cgroup"},

    {request::update, ENOLINK, errc::not_found,
     "it is detached: its cgroup was removed, or somebody has detached it", "attach anew"},
    {request::update, EPERM, errc::busy, "somebody has put another policy in its place",
     "adopt what is there, or attach anew"},
    {request::update, EINVAL, errc::rejected, "the kernel does not take the one for the other",
     "detach the one, then attach the other"},
    {request::update, EOPNOTSUPP, errc::unsupported, "this kernel cannot exchange policies",
     "detach the one, then attach the other"},

    {request::detach, EOPNOTSUPP, errc::unsupported,
     "this kernel detaches no link that others hold",
     "remove its pins and end the processes that hold it"},
    {request::detach, EPERM, errc::not_permitted, "this process may not detach policies",
     "run as root, or with CAP_BPF and CAP_PERFMON"},

    {request::pin, EEXIST, errc::busy, "the name is taken", "remove it, or choose another name"},
    {request::pin, ENOENT, errc::not_found, "its directory does not exist",
     "make it below a bpffs mount, usually /sys/fs/bpf"},
    {request::pin, EPERM, errc::not_permitted,
     "no permission, the directory is on no bpffs, or a dot in the name",
     "pin below a bpffs mount, usually /sys/fs/bpf, as root"},
    {request::pin, EACCES, errc::not_permitted,
     "no permission, the directory is on no bpffs, or a dot in the name",
     "pin below a bpffs mount, usually /sys/fs/bpf, as root"},
    {request::pin, EINVAL, errc::invalid_argument, "the directory is on no bpffs",
     "pin below a bpffs mount, usually /sys/fs/bpf"},
    {request::pin, ENAMETOOLONG, errc::invalid_argument, "the name is too long",
     "choose a shorter name"},

    {request::open_pin, ENOENT, errc::not_found, "nothing is pinned there",
     "load the policy and attach it"},
    {request::open_pin, EPERM, errc::not_permitted, "no permission", "run as root"},
    {request::open_pin, EACCES, errc::not_permitted, "no permission, or it is no BPF object",
     "run as root; name a path below a bpffs mount"},
    {request::open_pin, EINVAL, errc::invalid_argument, "it is no BPF object",
     "name a path below a bpffs mount, usually /sys/fs/bpf"},

    {request::inspect, EPERM, errc::not_permitted,
     "this process may not look into BPF objects of others", "run as root, or with CAP_SYS_ADMIN"},
    {request::inspect, ENOENT, errc::not_found, "the BPF object is gone", "try again"},

    {request::prefer, E2BIG, errc::exhausted, "4096 cgroups have a preference of their own",
     "give one to a cgroup above them, for all below it; forget_removed() drops those of removed "
     "cgroups"},
    {request::prefer, EPERM, errc::not_permitted, "this process may not write to BPF maps",
     "run as root, or with CAP_BPF"},
    {request::prefer, ENOMEM, errc::exhausted, "the kernel has no memory for it",
     "raise the memory limit of this process's cgroup"},

    {request::kill, EPERM, errc::rejected,
     "it is process 1, a kernel thread, or outside the OOM's scope",
     "choose inside the scope the policy was called for"},
    {request::kill, EINVAL, errc::rejected,
     "its oom_score_adj is -1000, or its memory is gone already", "choose another victim"},
    {request::kill, ENOMEM, errc::exhausted, "no memory for listing the cgroup's processes",
     "none: the OOM is passed on"},

    {request::create_trigger, EINVAL, errc::invalid_argument,
     "the stall is zero or longer than the window, or the window is over 10 s, or no multiple of "
     "2 s where CAP_SYS_RESOURCE is missing",
     "choose a window of at most 10 s; run with CAP_SYS_RESOURCE"},
    {request::create_trigger, ENOENT, errc::not_found, "there is no such cgroup",
     "open the cgroup again"},
    {request::create_trigger, ENXIO, errc::unsupported, "it has no memory controller",
     "write +memory to its parent's cgroup.subtree_control"},
    {request::create_trigger, ENOSPC, errc::exhausted,
     "the kernel's triggers fire once, and max_renewed have been made anew",
     "load the policy anew and put it in the place of this one: attachment::replace()"},
    {request::create_trigger, EOPNOTSUPP, errc::unsupported, "the kernel keeps no pressure figures",
     "boot with psi=1; write 1 to the cgroup's cgroup.pressure"},
    {request::create_trigger, ENODEV, errc::not_found, "the policy is being detached", "none"},
    {request::create_trigger, ENOMEM, errc::exhausted, "the kernel has no memory for it",
     "none: the trigger is not there"},

    {request::declare, EINVAL, errc::invalid_argument, "the order or a flag is out of range",
     "give an order the kernel can allocate"},
    {request::declare, ENOENT, errc::not_found, "the cgroup is being removed", "none"},
    {request::declare, EOPNOTSUPP, errc::unsupported,
     "this kernel would say that it had declared a system-wide OOM, and do nothing",
     "watch cgroups instead"},
    {request::declare, EBUSY, errc::busy, "an OOM is being handled already", "none: wait for it"},
    {request::declare, EINTR, errc::system, "a fatal signal ended the wait", "none"},
});

/// Words for an errno that the kernel gave. One that the table does not know is errc::system.
[[nodiscard]] inline error refusal_error(request what, int system_error) {
    for (const refusal& known : refusals) {
        if (known.what == what && known.system_error == system_error) {
            return {known.code, system_error, known.cause, known.remedy};
        }
    }
    return {errc::system, system_error, "the kernel refused", "the kernel log may say why"};
}

/// `return refused(request::pin, errno);`
[[nodiscard]] inline auto refused(request what, int system_error) {
    return failure(refusal_error(what, system_error));
}

} // namespace oomx::bpf
