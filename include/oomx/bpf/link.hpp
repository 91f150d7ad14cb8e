// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cerrno>
#include <filesystem>
#include <utility>

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <oomx/result.hpp>
#include <oomx/unique_fd.hpp>

namespace oomx::bpf {

/// A BPF link: what it links stays attached while this, a copy of its descriptor or a pin lives.
class [[nodiscard]] link {
public:
    explicit link(unique_fd fd) : fd_{std::move(fd)} {}

    /// Gives it a name below a bpffs mount, under which it outlives this process; unlink() the path
    /// to end it. Errors: busy (the name is taken), not_found, not_permitted, invalid_argument (the
    /// path is on no bpffs).
    [[nodiscard]] result<void> pin(const std::filesystem::path& path) const {
        return within(pin_at(path), [&] { return fmt::format("pin link at {}", path.native()); });
    }

    [[nodiscard]] int native_handle() const { return fd_.native_handle(); }

private:
    [[nodiscard]] result<void> pin_at(const std::filesystem::path& path) const {
        if (::bpf_obj_pin(fd_.native_handle(), path.c_str()) == 0) {
            return {};
        }
        const int cause = errno;
        switch (cause) {
        case EEXIST:
            return failure(errc::busy, cause, "the name is taken",
                           "remove it, or choose another name");
        case ENOENT:
            return failure(errc::not_found, cause, "its directory does not exist",
                           "make it below a bpffs mount, usually /sys/fs/bpf");
        case EACCES:
        case EPERM:
            return failure(errc::not_permitted, cause,
                           "no permission, or the directory is on no bpffs",
                           "pin below a bpffs mount, usually /sys/fs/bpf, as root");
        case EINVAL:
            return failure(errc::invalid_argument, cause, "the directory is on no bpffs",
                           "pin below a bpffs mount, usually /sys/fs/bpf");
        default:
            return failure(errc::system, cause, "refused");
        }
    }

    unique_fd fd_;
};

} // namespace oomx::bpf
