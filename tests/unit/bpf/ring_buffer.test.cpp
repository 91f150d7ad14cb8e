// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/bpf/ring_buffer.hpp>

#include <catch2/catch_test_macros.hpp>

#include <oomx/bpf/libbpf_messages.hpp>

TEST_CASE("A descriptor that is no ring buffer map is refused") {
    const oomx::bpf::libbpf_messages quiet;
    const auto ring = oomx::bpf::ring_buffer::open(-1);
    REQUIRE(!ring);
    CHECK(ring.error().code() == oomx::errc::system);
    CHECK(ring.error().system_error() != 0);
}
