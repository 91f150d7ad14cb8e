// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstddef>
#include <exception>
#include <limits>
#include <memory>
#include <span>
#include <utility>

#include <bpf/libbpf.h>

#include <oomx/bpf/libbpf_messages.hpp>
#include <oomx/result.hpp>

namespace oomx::bpf {

/// As poll() and its like take it: what is too long for them is as long as they can wait, and a
/// negative time has no end.
[[nodiscard]] constexpr int poll_timeout(std::chrono::milliseconds timeout) {
    constexpr std::chrono::milliseconds longest{std::numeric_limits<int>::max()};
    constexpr std::chrono::milliseconds endless{-1};
    return static_cast<int>(std::clamp(timeout, endless, longest).count());
}

/// The reading end of a BPF ring buffer map. Keeps the map alive; one thread at a time.
class [[nodiscard]] ring_buffer {
public:
    /// Maps the ring buffer of this descriptor, which the caller keeps. Error: system, as when it
    /// is no ring buffer.
    [[nodiscard]] static result<ring_buffer> open(int map_fd) {
        const libbpf_messages messages; // else libbpf prints
        auto sink = std::make_unique<handler>();
        ::ring_buffer* const ring = ::ring_buffer__new(map_fd, &deliver, sink.get(), nullptr);
        if (ring == nullptr) {
            const int cause = errno;
            return failure(error{errc::system, cause, "refused"}.within("map the ring buffer"));
        }
        return ring_buffer{ring, std::move(sink)};
    }

    /// Waits until there is a record or the time is up, hands over every one that is there, oldest
    /// first, as a span valid during the call, and returns how many there were. An exception of the
    /// receiver ends the call and reaches the caller; that record counts as handed over, those
    /// after it come next time.
    ///
    /// Errors: busy, from within a receiver; system.
    template <typename Receiver>
    [[nodiscard]] result<std::size_t> poll(std::chrono::milliseconds timeout, Receiver receiver) {
        if (sink_->function != nullptr) {
            return failure(
                error{errc::busy, "its receiver has not returned", "poll when it has"}.within(
                    "poll the ring buffer"));
        }
        sink_->function = [](void* target, std::span<const std::byte> record) {
            (*static_cast<Receiver*>(target))(record);
        };
        sink_->target = &receiver;
        const int count = ::ring_buffer__poll(ring_.get(), poll_timeout(timeout));
        const auto thrown = std::exchange(*sink_, {}).thrown;
        if (thrown) {
            std::rethrow_exception(thrown);
        }
        if (count < 0 && count != -EINTR) {
            return failure(error{errc::system, -count, "refused"}.within("poll the ring buffer"));
        }
        return static_cast<std::size_t>(count < 0 ? 0 : count);
    }

    /// Readable when there is a record: for the caller's own epoll loop.
    [[nodiscard]] int fd() const { return ::ring_buffer__epoll_fd(ring_.get()); }

private:
    struct handler {
        void (*function)(void*, std::span<const std::byte>) = nullptr;
        void* target = nullptr;
        std::exception_ptr thrown{};
    };

    struct release {
        void operator()(::ring_buffer* ring) const { ::ring_buffer__free(ring); }
    };

    ring_buffer(::ring_buffer* ring, std::unique_ptr<handler> sink)
        : sink_{std::move(sink)}, ring_{ring} {}

    // Called from C: an exception must not leave it.
    static int deliver(void* sink, void* data, std::size_t size) noexcept {
        auto* const to = static_cast<handler*>(sink);
        const std::span record{static_cast<const std::byte*>(data), size};
#ifdef __cpp_exceptions
        try {
            to->function(to->target, record);
        } catch (...) {
            to->thrown = std::current_exception();
            return -ECANCELED;
        }
#else
        to->function(to->target, record);
#endif
        return 0;
    }

    std::unique_ptr<handler> sink_; // before the ring, which points to it
    std::unique_ptr<::ring_buffer, release> ring_;
};

} // namespace oomx::bpf
