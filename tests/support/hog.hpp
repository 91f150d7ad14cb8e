// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <optional>
#include <stdexcept>
#include <thread>
#include <utility>

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <oomx/bytes.hpp>
#include <oomx/unique_fd.hpp>

#include "control_group.hpp"
#include "process.hpp"

namespace oomx::test {

/// What a hog is like. By default it has several threads, as most processes have.
struct hog_options {
    int threads = 4;          ///< with the first one; one more if it has a sharer or a vfork child
    int oom_score_adj = 0;    ///< of the hog, and of who shares its memory
    bool leader_ends = false; ///< the first thread ends and the others go on: two at least

    /// Whether it holds shared memory, which dies with it, instead of private memory.
    bool shared_memory = false;

    /// The file that it writes to instead. In a tmpfs the memory stays when the hog dies.
    std::filesystem::path file{};

    /// Where another process lives that shares the hog's memory (CLONE_VM).
    const control_group* sharer = nullptr;

    /// Where a child lives that the hog has started by vfork() and that will never exec.
    const control_group* vfork_child = nullptr;
};

/// A process in a cgroup that holds as much memory as it is told to.
class hog {
public:
    static hog start(const control_group& where, int oom_score_adj) {
        return start(where, hog_options{.oom_score_adj = oom_score_adj});
    }

    static hog start(const control_group& where, const hog_options& options = {}) {
        std::array<int, 2> ends{};
        if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
            throw std::runtime_error{"make a socket pair: refused"};
        }
        unique_fd ours{ends[0]};
        unique_fd theirs{ends[1]};
        auto body = process::start([&] {
            unique_fd{}.swap(ours); // so that the test's death is an end of file
            where.set("cgroup.procs", "0");
            std::ofstream{"/proc/self/oom_score_adj"} << options.oom_score_adj << std::flush;
            live(options, theirs.native_handle());
            return 0;
        });
        unique_fd{}.swap(theirs); // so that the hog's death is one, too
        hog started{std::move(body), std::move(ours)};
        if (const auto* const place =
                options.sharer != nullptr ? options.sharer : options.vfork_child;
            place != nullptr) {
            started.sharer_.emplace(started.receive_sharer(*place));
        }
        if (!started.grow(bytes{})) { // its answer says that it is where it belongs
            throw std::runtime_error{"start a hog: it ended before it was ready"};
        }
        return started;
    }

    /// Takes that much more memory and touches all of it. False if it was killed before it had it.
    bool grow(bytes more) {
        order(more);
        return answered();
    }

    /// As grow(), but does not wait for the answer: answered() does.
    void order(bytes more) {
        const std::uint64_t count = more.count();
        ::send(line_.native_handle(), &count, sizeof count, MSG_NOSIGNAL);
    }

    bool answered() {
        char done = 0;
        return ::recv(line_.native_handle(), &done, 1, 0) == 1;
    }

    /// Not only not dead: it still answers.
    bool lives() { return body_.alive() && grow(bytes{}); }

    /// It was killed, as the OOM killer kills; waits for that.
    bool was_killed() {
        return body_.ended_within(std::chrono::seconds{30}) && body_.killed_by() == SIGKILL;
    }

    /// As user space kills; does not wait for its end.
    void kill() const { body_.kill(SIGKILL); }

    /// Who shares its memory: options.sharer or options.vfork_child.
    process& sharer() {
        if (!sharer_) {
            throw std::runtime_error{"find who shares a hog's memory: nobody does"};
        }
        return *sharer_;
    }

    [[nodiscard]] pid_t pid() const { return body_.pid(); }

    /// Small pages, so that what is held is what was asked for; volatile, or the compiler drops it.
    /// Without a reservation, so that more may be asked for than there is.
    static void touch(std::uint64_t count, int shared_or_private = MAP_PRIVATE) {
        if (count == 0) {
            return;
        }
        void* const memory = ::mmap(nullptr, count, PROT_READ | PROT_WRITE,
                                    shared_or_private | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        ::madvise(memory, count, MADV_NOHUGEPAGE);
        auto* const page = static_cast<volatile char*>(memory);
        for (std::uint64_t at = 0; at < count; at += 4096) {
            page[at] = 1;
        }
    }

private:
    hog(process body, unique_fd line) : body_{std::move(body)}, line_{std::move(line)} {}

    /// The sharer tells its pid before the hog answers to anything.
    process receive_sharer(const control_group& where) {
        pid_t pid = 0;
        if (::recv(line_.native_handle(), &pid, sizeof pid, 0) != sizeof pid) {
            throw std::runtime_error{"start a process that shares memory: refused"};
        }
        auto sharer = process::adopt(pid);
        where.set("cgroup.procs", std::to_string(pid));
        return sharer;
    }

    /// What the hog does; returns when the test lets go of it.
    static void live(const hog_options& options, int line) {
        for (int n = options.leader_ends ? 2 : 1; n < options.threads; ++n) {
            std::thread{wait_for_ever}.detach();
        }
        if (options.sharer != nullptr || options.vfork_child != nullptr) {
            std::thread{[&] {
                start_sharer(line, options.vfork_child != nullptr ? CLONE_VFORK : 0);
                wait_for_ever();
            }}.detach();
            wait_for_order(line); // it comes when the sharer is there
        }
        if (!options.leader_ends) {
            obey(line, options);
            return;
        }
        std::thread{[&, first = ::pthread_self()] {
            ::pthread_join(first, nullptr);
            obey(line, options);
            ::_exit(0);
        }}.detach();
        ::syscall(SYS_exit, 0); // ends this thread alone
    }

    static void wait_for_ever() {
        for (;;) {
            ::pause();
        }
    }

    static void wait_for_order(int line) {
        char peeked = 0;
        ::recv(line, &peeked, 1, MSG_PEEK);
    }

    /// With CLONE_VFORK this thread goes on when the process has ended.
    static void start_sharer(int line, int flags) {
        constexpr std::size_t size = 65'536;
        void* const stack =
            ::mmap(nullptr, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        ::clone(tell_pid, static_cast<char*>(stack) + size, CLONE_VM | flags | SIGCHLD, &line);
    }

    /// It keeps nothing open that would hide the hog's death.
    static int tell_pid(void* line_of_hog) {
        const int line = *static_cast<int*>(line_of_hog);
        const pid_t pid = ::getpid();
        ::send(line, &pid, sizeof pid, MSG_NOSIGNAL);
        ::close(line);
        wait_for_ever();
        return 0;
    }

    static void obey(int line, const hog_options& options) {
        const unique_fd file{
            options.file.empty()
                ? unique_fd::none
                : ::open(options.file.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600)};
        std::uint64_t count = 0;
        while (::recv(line, &count, sizeof count, 0) == sizeof count) {
            if (file) {
                write_zeros(file.native_handle(), count);
            } else {
                touch(count, options.shared_memory ? MAP_SHARED : MAP_PRIVATE);
            }
            const char done = 1;
            ::send(line, &done, 1, MSG_NOSIGNAL);
        }
    }

    static void write_zeros(int file, std::uint64_t count) {
        static constexpr std::array<char, 65'536> zeros{};
        while (count > 0) {
            const auto part = std::min<std::uint64_t>(count, zeros.size());
            if (::write(file, zeros.data(), part) < 0) {
                return;
            }
            count -= part;
        }
    }

    process body_;
    std::optional<process> sharer_;
    unique_fd line_;
};

} // namespace oomx::test
