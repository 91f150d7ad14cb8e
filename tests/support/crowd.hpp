// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <array>
#include <csignal>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <vector>

#include <fcntl.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <sched.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <oomx/unique_fd.hpp>

#include "control_group.hpp"
#include "process.hpp"

namespace oomx::test {

/// What the processes of a crowd are like.
enum class crowd_of {
    idle,          ///< one thread that waits
    ended_leaders, ///< the first thread has ended, another one waits
    sharers,       ///< one thread that waits, and all have the same memory
};

/// Many small processes that do nothing. They are no children of the test: what is left of them
/// ends with their cgroup.
class crowd {
public:
    /// So many processes in one cgroup, beside the one that has started them.
    static crowd start(const control_group& where, std::size_t count,
                       crowd_of kind = crowd_of::idle) {
        return crowd{std::vector(count, where.path()), kind};
    }

    /// One process in each of the cgroups; who starts them is in the first one.
    static crowd start_in_each(const std::vector<control_group>& groups) {
        std::vector<std::filesystem::path> places;
        places.reserve(groups.size());
        for (const auto& group : groups) {
            places.push_back(group.path());
        }
        return crowd{places, crowd_of::idle};
    }

private:
    using paths = std::vector<std::filesystem::path>;

    crowd(const paths& places, crowd_of kind)
        : mother_{process::start_ready([&](auto ready) {
              std::ofstream{places.front() / "cgroup.procs"} << 0 << std::flush;
              const bool all = kind == crowd_of::sharers ? start_sharers(places.size())
                                                         : start_processes(places, kind);
              if (all) {
                  ready();
                  wait_for_ever();
              }
              return 1;
          })} {}

    /// Each is born where it belongs, because to move a process from one cgroup to another is slow.
    static bool start_processes(const paths& places, crowd_of kind) {
        int ended = unique_fd::none;
        const unique_fd ends{kind == crowd_of::ended_leaders ? pipe_for(ended) : unique_fd::none};
        for (const auto& place : places) {
            const unique_fd directory{::open(place.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC)};
            clone_args how{};
            how.flags = CLONE_INTO_CGROUP | CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID;
            how.exit_signal = SIGCHLD;
            how.cgroup = static_cast<std::uint64_t>(directory.native_handle());
            how.child_tid = reinterpret_cast<std::uint64_t>(&leader);
            const auto pid = ::syscall(SYS_clone3, &how, sizeof how);
            if (pid == 0) {
                if (kind == crowd_of::ended_leaders) {
                    end_leader(ends.native_handle());
                }
                wait_for_ever();
            }
            char byte = 0;
            if (pid < 0 || (ends && ::read(ended, &byte, 1) != 1)) {
                return false;
            }
        }
        return true;
    }

    /// The write end of a pipe; the read end is `read_end`, for as long as the process lives.
    static int pipe_for(int& read_end) {
        std::array<int, 2> both{};
        if (::pipe2(both.data(), O_CLOEXEC) != 0) {
            return unique_fd::none;
        }
        read_end = both[0];
        return both[1];
    }

    /// Starts a thread, without the C library: it makes them larger. Then ends this one.
    static void end_leader(int ends) {
        static int line = ends;
        alignas(16) static std::array<char, 4096> stack{};
        ::clone(wait_for_leader, stack.data() + stack.size(),
                CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD | CLONE_SYSVSEM,
                &line);
        ::syscall(SYS_exit, 0);
    }

    /// The kernel writes 0 there when the thread ends.
    static int wait_for_leader(void* line) {
        for (int id = leader; id != 0; id = leader) {
            ::syscall(SYS_futex, &leader, FUTEX_WAIT, id, nullptr, nullptr, 0);
        }
        static_cast<void>(::write(*static_cast<int*>(line), "x", 1) == 1);
        wait_for_ever();
        return 0;
    }

    static bool start_sharers(std::size_t count) {
        constexpr std::size_t stack = 4096;
        void* const stacks = ::mmap(nullptr, count * stack, PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        for (std::size_t n = 1; n <= count; ++n) {
            if (::clone(wait_as_child, static_cast<char*>(stacks) + (n * stack), CLONE_VM | SIGCHLD,
                        nullptr) < 0) {
                return false;
            }
        }
        return true;
    }

    static int wait_as_child(void* /*nothing*/) {
        wait_for_ever();
        return 0;
    }

    static void wait_for_ever() {
        for (;;) {
            ::pause();
        }
    }

    /// The first thread of this process while it lives: written by the kernel.
    static inline volatile int leader = 0;

    process mother_;
};

} // namespace oomx::test
