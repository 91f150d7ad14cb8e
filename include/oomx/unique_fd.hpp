// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cerrno>
#include <utility>

#include <fcntl.h>
#include <unistd.h>

#include <oomx/result.hpp>

namespace oomx {

/// Owns a file descriptor; closes it with its scope. One thread at a time, but for const members.
class [[nodiscard]] unique_fd {
public:
    /// What native_handle() is where nothing is owned.
    static constexpr int none = -1;

    unique_fd() = default;
    /// Takes over what open() and its like returned: a negative number owns nothing.
    explicit unique_fd(int fd) : fd_{fd} {}
    /// Takes over what the other owns, which then owns nothing.
    unique_fd(unique_fd&& other) noexcept : fd_{std::exchange(other.fd_, none)} {}
    /// The same, after closing what was owned here.
    unique_fd& operator=(unique_fd&& other) noexcept {
        unique_fd{std::move(other)}.swap(*this);
        return *this;
    }
    unique_fd(const unique_fd&) = delete;
    unique_fd& operator=(const unique_fd&) = delete;
    ~unique_fd() {
        if (fd_ >= 0) {
            ::close(fd_);
        }
    }

    /// Exchanges the owners; closes nothing.
    void swap(unique_fd& other) noexcept { std::swap(fd_, other.fd_); }

    /// Whether it owns one.
    [[nodiscard]] explicit operator bool() const { return fd_ >= 0; }

    /// The descriptor, still owned here.
    [[nodiscard]] int native_handle() const { return fd_; }

private:
    int fd_ = none;
};

static_assert(sizeof(unique_fd) == sizeof(int));

/// Another descriptor of the same open file, closed on exec, the lowest free one from `at_least`
/// on. Error: system, where the process has as many as it may.
[[nodiscard]] inline result<unique_fd> duplicate(int fd, int at_least = 0) {
    unique_fd copy{::fcntl(fd, F_DUPFD_CLOEXEC, at_least)};
    if (!copy) {
        return failure(
            error{errc::system, errno, "refused", "raise RLIMIT_NOFILE if it is EMFILE"}.within(
                "duplicate a file descriptor"));
    }
    return copy;
}

} // namespace oomx
