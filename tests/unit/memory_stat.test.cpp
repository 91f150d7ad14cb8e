// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/memory_stat.hpp>

#include <string>
#include <string_view>

#include <catch2/catch_test_macros.hpp>

using oomx::bytes;
using oomx::errc;
using oomx::parse_memory_stat;

namespace {

/// As Linux 6.12 has it, in part.
constexpr std::string_view linux_6_12 = "anon 4096\n"
                                        "file 81920\n"
                                        "kernel 12288\n"
                                        "shmem 8192\n"
                                        "file_dirty 16384\n"
                                        "file_writeback 20480\n"
                                        "inactive_file 24576\n"
                                        "active_file 28672\n"
                                        "slab_reclaimable 1024\n"
                                        "slab_unreclaimable 2048\n"
                                        "slab 3072\n"
                                        "pgmajfault 17\n";

} // namespace

TEST_CASE("Memory statistics are read into amounts of memory") {
    const auto stat = parse_memory_stat(linux_6_12);
    REQUIRE(stat);
    CHECK(stat->anon == bytes{4096});
    CHECK(stat->file == bytes{81920});
    CHECK(stat->kernel == bytes{12288});
    CHECK(stat->shmem == bytes{8192});
    CHECK(stat->file_dirty == bytes{16384});
    CHECK(stat->file_writeback == bytes{20480});
    CHECK(stat->inactive_file == bytes{24576});
    CHECK(stat->active_file == bytes{28672});
    CHECK(stat->slab_reclaimable == bytes{1024});
    CHECK(stat->slab == bytes{3072});
}

TEST_CASE("A memory statistic without a member is found by its name") {
    const auto stat = parse_memory_stat(linux_6_12);
    REQUIRE(stat);
    CHECK(stat->find("pgmajfault") == 17);
    CHECK(stat->find("slab_unreclaimable") == 2048);
    CHECK(!stat->find("pgmaj"));
    CHECK(stat->content == linux_6_12);
}

TEST_CASE("Memory statistics of a kernel that does not sum up its own memory have no such amount") {
    std::string content{linux_6_12};
    content.erase(content.find("kernel"), std::string_view{"kernel 12288\n"}.size());
    const auto stat = parse_memory_stat(content);
    REQUIRE(stat);
    CHECK(!stat->kernel);
}

TEST_CASE("Memory statistics without an amount that every kernel has are malformed") {
    const auto stat = parse_memory_stat("anon 4096\n");
    REQUIRE(!stat);
    CHECK(stat.error().code() == errc::malformed);
    CHECK(stat.error().message() == "it has no 'file'");
}

TEST_CASE("Memory statistics that are cut off are malformed") {
    const auto stat = parse_memory_stat(linux_6_12.substr(0, linux_6_12.size() - 2));
    REQUIRE(!stat);
    CHECK(stat.error().code() == errc::malformed);
}
