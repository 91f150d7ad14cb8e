// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/bpf/ring_buffer.hpp>

#include <limits>

#include <catch2/catch_test_macros.hpp>

#include <oomx/bpf/libbpf_messages.hpp>

TEST_CASE("A descriptor that is no ring buffer map is refused") {
    const oomx::bpf::libbpf_messages quiet;
    const auto ring = oomx::bpf::ring_buffer::open(-1);
    REQUIRE(!ring);
    CHECK(ring.error().code() == oomx::errc::system);
    CHECK(ring.error().system_error() != 0);
}

TEST_CASE("A wait that is too long for the kernel is as long as it can be, and none wraps around") {
    using namespace std::chrono_literals;
    using oomx::bpf::poll_timeout;
    CHECK(poll_timeout(0ms) == 0);
    CHECK(poll_timeout(1500ms) == 1500);
    CHECK(poll_timeout(24h * 30) == std::numeric_limits<int>::max());
    CHECK(poll_timeout(std::chrono::milliseconds::max()) == std::numeric_limits<int>::max());
    CHECK(poll_timeout(-1ms) == -1);
    CHECK(poll_timeout(std::chrono::milliseconds::min()) == -1);
}
