// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <array>
#include <chrono>
#include <csignal>
#include <cstdlib>
#include <optional>
#include <stdexcept>
#include <utility>

#include <fcntl.h>
#include <poll.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <oomx/unique_fd.hpp>

namespace oomx::test {

/// A child of the test, running a function; killed and reaped with this object, and by the kernel
/// should the test die first.
class process {
public:
    /// A process that another one has started. Of such a one it is not known what ended it.
    static process adopt(pid_t pid) { return process{pid}; }

    /// `work` runs in the child and its value is the exit status.
    template <typename Work>
    static process start(Work work) {
        const pid_t pid = ::fork();
        if (pid < 0) {
            throw std::runtime_error{"fork a process: refused"};
        }
        if (pid == 0) {
            ::prctl(PR_SET_PDEATHSIG, SIGKILL);
            ::_exit(work());
        }
        return process{pid};
    }

    /// As start(), but `work` is given what to call when it is ready, and that is waited for.
    template <typename Work>
    static process start_ready(Work work) {
        std::array<int, 2> ends{};
        if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
            throw std::runtime_error{"make a pipe: refused"};
        }
        const unique_fd ours{ends[0]};
        unique_fd theirs{ends[1]};
        auto started = start([&] {
            return work([&] { static_cast<void>(::write(theirs.native_handle(), "x", 1) == 1); });
        });
        unique_fd{}.swap(theirs); // so that a child that ends before is an end of file
        char byte = 0;
        if (::read(ours.native_handle(), &byte, 1) != 1) {
            throw std::runtime_error{"start a process: it ended before it was ready"};
        }
        return started;
    }

    process(process&& other) noexcept
        : pid_{std::exchange(other.pid_, 0)}, pidfd_{std::move(other.pidfd_)},
          status_{std::exchange(other.status_, std::nullopt)} {}
    process(const process&) = delete;
    process& operator=(const process&) = delete;
    process& operator=(process&&) = delete;
    ~process() {
        if (pid_ != 0 && !status_) {
            kill(SIGKILL);
            ::waitpid(pid_, nullptr, 0);
        }
    }

    [[nodiscard]] pid_t pid() const { return pid_; }

    /// By the descriptor: the pid of one that is no child may be another's by now.
    void kill(int signal) const {
        ::syscall(SYS_pidfd_send_signal, pidfd_.native_handle(), signal, nullptr, 0);
    }

    [[nodiscard]] bool alive() { return !ended_within(std::chrono::milliseconds{0}); }

    /// Waits for its end; false if it lives on.
    bool ended_within(std::chrono::milliseconds timeout) {
        if (status_) {
            return true;
        }
        pollfd end{pidfd_.native_handle(), POLLIN, 0};
        if (::poll(&end, 1, static_cast<int>(timeout.count())) != 1) {
            return false;
        }
        int status = 0;
        ::waitpid(pid_, &status, 0);
        status_ = status;
        return true;
    }

    /// The signal that ended it, or nothing if it lives or ended by itself.
    [[nodiscard]] std::optional<int> killed_by() const {
        return status_ && WIFSIGNALED(*status_) ? std::optional{WTERMSIG(*status_)} : std::nullopt;
    }

    /// Its exit status, or nothing if it lives or was killed.
    [[nodiscard]] std::optional<int> exit_status() const {
        return status_ && WIFEXITED(*status_) ? std::optional{WEXITSTATUS(*status_)} : std::nullopt;
    }

private:
    explicit process(pid_t pid)
        : pid_{pid}, pidfd_{static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))} {}

    pid_t pid_;
    unique_fd pidfd_;
    std::optional<int> status_;
};

} // namespace oomx::test
