// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/bpf/identity.hpp>

#include <span>
#include <string_view>

#include <catch2/catch_test_macros.hpp>

namespace {

std::uint64_t identity_of(std::string_view text) {
    return oomx::bpf::identity_of(std::as_bytes(std::span{text}));
}

} // namespace

// Test vectors of draft-eastlake-fnv (appendix C).
TEST_CASE("The identity of bytes is their FNV-1a hash") {
    CHECK(identity_of("") == 0xcbf29ce484222325);
    CHECK(identity_of("a") == 0xaf63dc4c8601ec8c);
    CHECK(identity_of("foobar") == 0x85944171f73967e8);
}

TEST_CASE("One bit makes another identity") {
    CHECK(identity_of("policy") != identity_of("polici"));
}
