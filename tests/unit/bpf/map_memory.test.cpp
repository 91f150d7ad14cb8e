// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/bpf/map_memory.hpp>

#include <cstdint>
#include <utility>

#include <sys/mman.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>

#include <oomx/unique_fd.hpp>

namespace {

struct globals {
    std::uint64_t seen;
};

/// Memory behind a descriptor, as a map of global variables is.
oomx::unique_fd make_memory() {
    oomx::unique_fd memory{::memfd_create("globals", MFD_CLOEXEC)};
    REQUIRE(memory);
    REQUIRE(::ftruncate(memory.native_handle(), sizeof(globals)) == 0);
    return memory;
}

} // namespace

TEST_CASE("What one writes to a map's memory another reads") {
    const auto memory = make_memory();
    const auto one = oomx::bpf::map_memory<globals>::open(memory.native_handle());
    const auto other = oomx::bpf::map_memory<globals>::open(memory.native_handle());
    REQUIRE(one);
    REQUIRE(other);
    (*one)->seen = 7;
    CHECK((*other)->seen == 7);
}

TEST_CASE("A map's memory outlives its descriptor and a move") {
    auto mapped = oomx::bpf::map_memory<globals>::open(make_memory().native_handle());
    REQUIRE(mapped);
    (*mapped)->seen = 7;
    const auto moved = std::move(*mapped);
    CHECK(moved->seen == 7);
    CHECK(mapped->get() == nullptr);
}

TEST_CASE("What is no map of global variables is refused") {
    const auto mapped = oomx::bpf::map_memory<globals>::open(-1);
    REQUIRE(!mapped);
    CHECK(mapped.error().message() == "map a BPF map's memory: refused (EBADF)");
}
