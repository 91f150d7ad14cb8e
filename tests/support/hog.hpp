// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <array>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <fstream>
#include <stdexcept>
#include <utility>

#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <oomx/bytes.hpp>
#include <oomx/unique_fd.hpp>

#include "control_group.hpp"
#include "process.hpp"

namespace oomx::test {

/// A process in a cgroup that holds as much memory as it is told to.
class hog {
public:
    static hog start(const control_group& where, int oom_score_adj = 0) {
        std::array<int, 2> ends{};
        if (::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) != 0) {
            throw std::runtime_error{"make a socket pair: refused"};
        }
        unique_fd ours{ends[0]};
        unique_fd theirs{ends[1]};
        auto body = process::start([&] {
            unique_fd{}.swap(ours); // so that the test's death is an end of file
            where.set("cgroup.procs", "0");
            std::ofstream{"/proc/self/oom_score_adj"} << oom_score_adj << std::flush;
            obey(theirs.native_handle());
            return 0;
        });
        hog started{std::move(body), std::move(ours)};
        started.grow(bytes{}); // its answer says that it is where it belongs
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

    [[nodiscard]] pid_t pid() const { return body_.pid(); }

    /// Small pages, so that what is held is what was asked for; volatile, or the compiler drops it.
    /// Without a reservation, so that more may be asked for than there is.
    static void touch(std::uint64_t count) {
        if (count == 0) {
            return;
        }
        void* const memory = ::mmap(nullptr, count, PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
        ::madvise(memory, count, MADV_NOHUGEPAGE);
        auto* const page = static_cast<volatile char*>(memory);
        for (std::uint64_t at = 0; at < count; at += 4096) {
            page[at] = 1;
        }
    }

private:
    hog(process body, unique_fd line) : body_{std::move(body)}, line_{std::move(line)} {}

    static void obey(int line) {
        std::uint64_t count = 0;
        while (::recv(line, &count, sizeof count, 0) == sizeof count) {
            touch(count);
            const char done = 1;
            ::send(line, &done, 1, MSG_NOSIGNAL);
        }
    }

    process body_;
    unique_fd line_;
};

} // namespace oomx::test
