// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <utility>

#include <oomx/bpf/ring_buffer.hpp>
#include <oomx/config.h>
#include <oomx/counters.hpp>
#include <oomx/decision_text.hpp>
#include <oomx/declaration_text.hpp>
#include <oomx/decode.hpp>
#include <oomx/result.hpp>

namespace oomx {

/// The stream of what a loaded policy decides, wherever it is attached. Stays readable after the
/// policy object is gone. One thread at a time.
class [[nodiscard]] events {
public:
    /// What loaded_policy::events() makes.
    events(bpf::ring_buffer ring, std::shared_ptr<const oomx_control> control)
        : ring_{std::move(ring)}, control_{std::move(control)} {}

    /// Waits until there is an event or the time is up and hands over all there are. `receive` is
    /// called as decode() says.
    ///
    /// Returns how many there were; 0 also when a signal ended the wait. Error: malformed for an
    /// event of another version; the events after it are handed over all the same.
    template <typename Receive>
    [[nodiscard]] result<std::size_t> poll(std::chrono::milliseconds timeout, Receive&& receive) {
        result<void> decoded;
        auto count = ring_.poll(timeout, [&](std::span<const std::byte> record) {
            if (auto one = decode(record, receive); !one && decoded) {
                decoded = std::move(one);
            }
        });
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
    [[nodiscard]] int fd() const { return ring_.fd(); }

private:
    bpf::ring_buffer ring_;
    std::shared_ptr<const oomx_control> control_;
};

} // namespace oomx
