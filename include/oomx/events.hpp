// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cerrno>
#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <utility>

#include <sys/epoll.h>

#include <oomx/bpf/ops.hpp>
#include <oomx/bpf/ring_buffer.hpp>
#include <oomx/cgroup.hpp>
#include <oomx/config.h>
#include <oomx/counters.hpp>
#include <oomx/decision.h>
#include <oomx/decision_text.hpp>
#include <oomx/declaration_text.hpp>
#include <oomx/decode.hpp>
#include <oomx/ids.hpp>
#include <oomx/result.hpp>
#include <oomx/unique_fd.hpp>

namespace oomx {

/// The stream of what a loaded policy decides, wherever it is attached. Stays readable after the
/// policy object is gone. One thread at a time.
class [[nodiscard]] events {
public:
    /// What loaded_policy::events() makes. Error: system.
    [[nodiscard]] static result<events> make(bpf::ring_buffer ring,
                                             std::shared_ptr<const oomx_control> control,
                                             std::shared_ptr<const bpf::ops> policy) {
        unique_fd both;
        if (const auto& departures = policy->departures()) {
            both = unique_fd{::epoll_create1(EPOLL_CLOEXEC)};
            epoll_event readable{};
            readable.events = EPOLLIN;
            for (const int fd : {ring.fd(), departures->fd()}) {
                if (!both || ::epoll_ctl(both.native_handle(), EPOLL_CTL_ADD, fd, &readable) != 0) {
                    return failure(error{errc::system, errno, "refused"}.within("wait for events"));
                }
            }
        }
        return events{std::move(ring), std::move(control), std::move(policy), std::move(both)};
    }

    /// Waits until there is an event or the time is up, for ever if that is negative, and hands
    /// over all there are. `receive` is called as decode() says.
    ///
    /// Returns how many there were; 0 also when a signal ended the wait. Error: malformed for an
    /// event of another version; the events after it are handed over all the same. busy, from
    /// within `receive`. An exception of `receive` ends the call and reaches the caller: that event
    /// counts as handed over, those after it come next time.
    template <typename Receive>
    [[nodiscard]] result<std::size_t> poll(std::chrono::milliseconds timeout, Receive&& receive) {
        result<void> decoded;
        const auto take = [&](std::span<const std::byte> record) {
            if (auto one = decode(record, receive); !one && decoded) {
                decoded = std::move(one);
            }
        };
        if (both_) {
            epoll_event readable{};
            ::epoll_wait(both_.native_handle(), &readable, 1, bpf::poll_timeout(timeout));
            timeout = std::chrono::milliseconds{0};
        }
        auto count = ring_.poll(timeout, take);
        if (const auto& departures = policy_->departures(); departures && count) {
            departures->drain([&](cgroup_id where) {
                if (is_removed(where)) {
                    const auto record = departure_of(policy_->policy(), where);
                    take(std::as_bytes(std::span{&record, 1}));
                    ++*count;
                }
            });
        }
        if (count && !decoded) {
            return pass_on(std::move(decoded));
        }
        return count;
    }

    /// Hands over all events there are and does not wait: for when fd() is readable. As poll().
    template <typename Receive>
    [[nodiscard]] result<std::size_t> drain(Receive&& receive) {
        return poll(std::chrono::milliseconds{0}, std::forward<Receive>(receive));
    }

    /// Events lost since load because the ring buffer was full.
    [[nodiscard]] std::uint64_t dropped() const { return counters::read(*control_).dropped; }

    /// Readable when there is an event: for the caller's own epoll loop.
    [[nodiscard]] int fd() const { return both_ ? both_.native_handle() : ring_.fd(); }

private:
    events(bpf::ring_buffer ring, std::shared_ptr<const oomx_control> control,
           std::shared_ptr<const bpf::ops> policy, unique_fd both)
        : ring_{std::move(ring)}, control_{std::move(control)}, policy_{std::move(policy)},
          both_{std::move(both)} {}

    /// A link is detached with its cgroup, or while the cgroup goes on.
    [[nodiscard]] static bool is_removed(cgroup_id where) {
        const auto there = cgroup::open(where);
        return !there && there.error().code() == errc::not_found;
    }

    /// The record that the policy would have written on a kernel that calls it.
    [[nodiscard]] static oomx_cgroup_gone departure_of(std::string_view policy, cgroup_id where) {
        oomx_cgroup_gone record{};
        record.event = {OOMX_RECORD_VERSION, OOMX_EVENT_CGROUP_GONE, sizeof record};
        record.time_ns = static_cast<std::uint64_t>(
            std::chrono::nanoseconds{std::chrono::steady_clock::now().time_since_epoch()}.count());
        record.cgroup_id = std::to_underlying(where);
        policy.copy(record.policy, sizeof record.policy - 1);
        return record;
    }

    bpf::ring_buffer ring_;
    std::shared_ptr<const oomx_control> control_;
    std::shared_ptr<const bpf::ops> policy_;
    unique_fd both_; // of the ring and of departures, where there are any
};

} // namespace oomx
