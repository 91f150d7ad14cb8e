// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <utility>

#include <sys/epoll.h>

#include <oomx/ids.hpp>
#include <oomx/result.hpp>
#include <oomx/unique_fd.hpp>

namespace oomx::bpf {

/// Tells which links hang up (EPOLLHUP): those that the kernel, or anybody, has detached. Holds
/// none of them: a link that is closed is out. Thread-safe but for moves.
class [[nodiscard]] departures {
public:
    /// One that waits for no link yet. Error: system.
    [[nodiscard]] static result<departures> make() {
        unique_fd poll{::epoll_create1(EPOLL_CLOEXEC)};
        if (!poll) {
            return failure(error{errc::system, errno, "refused"}.within("make an epoll instance"));
        }
        return departures{std::move(poll)};
    }

    /// Waits for this link, too, which is attached there. Error: system.
    [[nodiscard]] result<void> wait_for(int link, cgroup_id where) const {
        epoll_event event{};
        event.events = EPOLLONESHOT; // EPOLLHUP is always reported, and once is enough
        event.data.u64 = std::to_underlying(where);
        if (::epoll_ctl(poll_.native_handle(), EPOLL_CTL_ADD, link, &event) != 0) {
            return failure(error{errc::system, errno, "refused"}.within("wait for a link's end"));
        }
        return {};
    }

    /// Calls receive(cgroup_id) for each link that has hung up since, without waiting.
    template <typename Receive>
    void drain(Receive receive) const {
        epoll_event event{};
        while (::epoll_wait(poll_.native_handle(), &event, 1, 0) == 1) {
            receive(cgroup_id{event.data.u64});
        }
    }

    /// Readable when a link has hung up.
    [[nodiscard]] int fd() const { return poll_.native_handle(); }

private:
    explicit departures(unique_fd poll) : poll_{std::move(poll)} {}

    unique_fd poll_;
};

} // namespace oomx::bpf
