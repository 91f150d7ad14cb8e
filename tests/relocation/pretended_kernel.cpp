// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// Two functions that libbpf calls, in place of libc's and of libbpf's own: a program's functions
// come before those of the libraries it is linked with.
#include "pretended_kernel.hpp"

#include <array>
#include <cerrno>
#include <cstdarg>

#include <dlfcn.h>
#include <linux/bpf.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <bpf/btf.h>

using oomx::test::pretended_kernel;

namespace {

/// bpf(2): what it makes is an empty file, and there are no modules.
long pretended_bpf(long command) {
    switch (command) {
    case BPF_PROG_LOAD:
    case BPF_MAP_CREATE:
    case BPF_BTF_LOAD:
        return ::memfd_create("pretended", MFD_CLOEXEC);
    case BPF_BTF_GET_NEXT_ID:
        errno = ENOENT;
        return -1;
    default:
        return 0;
    }
}

} // namespace

// NOLINTNEXTLINE(readability-inconsistent-declaration-parameter-name): libc's is a reserved one
extern "C" long syscall(long number, ...) noexcept {
    std::array<long, 6> arguments{};
    va_list list;
    va_start(list, number);
    for (auto& argument : arguments) {
        argument = va_arg(list, long);
    }
    va_end(list);
    if (number == SYS_bpf && !pretended_kernel::types().empty()) {
        return pretended_bpf(arguments[0]);
    }
    static auto* const real = reinterpret_cast<long (*)(long, ...)>(::dlsym(RTLD_NEXT, "syscall"));
    const auto [a, b, c, d, e, f] = arguments;
    return real(number, a, b, c, d, e, f);
}

/// Where libbpf looks for kfuncs.
extern "C" btf* btf__load_vmlinux_btf() {
    return btf__parse_raw(pretended_kernel::types().c_str());
}
