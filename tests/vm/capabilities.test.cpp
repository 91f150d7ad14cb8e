// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// What probe() says of the test kernel, where the truth is known.
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <string>

#include <sys/utsname.h>
#include <unistd.h>

#include <bpf/bpf.h>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <oomx/oomx.hpp>

#include "bpf/policies.hpp"
#include "support.hpp"

using namespace oomx::test;
using Catch::Matchers::ContainsSubstring;
using oomx::capability;

namespace {

/// Whether bpf_mem_cgroup_usage() counts pages: in a kernel booted to behave as the posted series
/// does, but for one that has the kfunc from mainline (7.0).
bool counts_pages() {
    std::ifstream in{"/sys/module/bpf_oom/parameters/as_posted"};
    utsname kernel{};
    int level = 0;
    return in >> level && level != 0 && ::uname(&kernel) == 0 && std::atoi(kernel.release) < 7;
}

/// Runs a check in a process of a cgroup that memory is charged to; its words go to stderr.
void in_cgroup(const control_group& where,
               const std::function<bool(const oomx::capabilities&)>& check) {
    auto child = process::start([&] {
        where.set("cgroup.procs", "0");
        std::vector<char> charged(1U << 20U, 'x');
        const auto found = oomx::probe_anew();
        if (check(found) && charged[4711] == 'x') {
            return 0;
        }
        fmt::print(stderr, "{}", found);
        return 1;
    });
    REQUIRE(child.ended_within(std::chrono::seconds{30}));
    CHECK(child.exit_status() == 0);
}

} // namespace

TEST_CASE("The test kernel has every capability, and the report names each") {
    auto group = control_group::make("probe");
    in_cgroup(group, [](const oomx::capabilities& found) {
        bool all = true;
        const std::string report = fmt::format("{}", found);
        oomx::capabilities::for_each(
            [&](std::string_view name, const capability& each) {
                const bool expected = name != "usage in bytes" || !counts_pages();
                all = all && static_cast<bool>(each) == expected &&
                      report.find(fmt::format("{} ", name)) != std::string::npos;
            },
            found);
        return all;
    });
}

TEST_CASE("What bpf_mem_cgroup_usage() counts in is measured") {
    auto group = control_group::make("probe");
    in_cgroup(group, [](const oomx::capabilities& found) {
        return found.usage_in_bytes.has ==
               (counts_pages() ? capability::state::no : capability::state::yes);
    });
}

TEST_CASE("Probing leaves nothing behind and takes nobody's place") {
    auto group = control_group::make("probe");
    deciding<decliner> system{oomx::cgroup::root()};
    deciding<decliner> local{group.open()};
    const auto descriptors =
        std::distance(std::filesystem::directory_iterator{"/proc/self/fd"}, {});

    // This process is in the root: with the whole system's place taken it cannot be told.
    CHECK_FALSE(oomx::probe_anew().cgroup_attach.has == capability::state::no);
    auto free = control_group::make("free");
    in_cgroup(free, [](const oomx::capabilities& found) { return bool{found.cgroup_attach}; });

    CHECK(std::distance(std::filesystem::directory_iterator{"/proc/self/fd"}, {}) == descriptors);
    // The places are still theirs.
    auto another = must(oomx::load<decliner>());
    CHECK(another.attach(oomx::cgroup::root()).error().code() == oomx::errc::busy);
    CHECK(another.attach(group.open()).error().code() == oomx::errc::busy);
}

TEST_CASE("A process without privileges is told what it cannot do, and what it cannot tell") {
    auto child = process::start([] {
        if (::setresuid(65534, 65534, 65534) != 0) {
            return 2;
        }
        const auto found = oomx::probe_anew();
        const bool right = found.bpf_oom && found.cap_bpf.has == capability::state::no &&
                           found.cap_perfmon.has == capability::state::no &&
                           found.cgroup_attach.has == capability::state::unknown &&
                           found.usage_in_bytes.has == capability::state::unknown;
        if (!right) {
            fmt::print(stderr, "{}", found);
        }
        return right ? 0 : 1;
    });
    REQUIRE(child.ended_within(std::chrono::seconds{30}));
    CHECK(child.exit_status() == 0);
}

TEST_CASE("What is certain of the kernel outlives the privileges it took to find out") {
    auto child = process::start([] {
        const auto before = oomx::probe();
        if (::setresuid(65534, 65534, 65534) != 0) {
            return 2;
        }
        const auto after = oomx::probe();
        return before.cgroup_attach && after.cgroup_attach && before.cap_bpf && !after.cap_bpf ? 0
                                                                                               : 1;
    });
    REQUIRE(child.ended_within(std::chrono::seconds{30}));
    CHECK(child.exit_status() == 0);
}

TEST_CASE("v3 names a cgroup by its directory, and the whole system by the root's") {
    auto group = control_group::make("place");
    std::uint32_t flags = 0;
    std::vector<oomx::cgroup_id> asked;
    const auto ask = [&](const oomx::bpf::abi::link_create& call) {
        flags = call.flags;
        struct stat status{};
        ::fstat(static_cast<int>(call.target_fd), &status);
        asked.push_back(oomx::cgroup_id{status.st_ino});
        return oomx::bpf::link_attempt{oomx::unique_fd{}, EEXIST};
    };
    const auto as = oomx::bpf::abi::revision::v3;
    CHECK(oomx::bpf::attach(7, group.open(), as, ask).error().code() == oomx::errc::busy);
    CHECK_FALSE(oomx::bpf::attach(7, oomx::cgroup::root(), as, ask));
    CHECK_FALSE(oomx::bpf::attach(7, must(oomx::cgroup::open("/sys/fs/cgroup")), as, ask));
    CHECK(asked == std::vector{group.id(), oomx::root_cgroup, oomx::root_cgroup});
    CHECK(flags == oomx::bpf::abi::target_is_cgroup);
}

TEST_CASE("A cgroup that was opened without stdin is not taken for the whole system") {
    auto group = control_group::make("place");
    auto child = process::start([&] {
        ::close(0);
        const auto where = group.open();
        if (where.native_handle() != 0) {
            return 2;
        }
        auto policy = must(oomx::load<decliner>());
        auto attachment = must(policy.attach(where));
        // The system's place is free.
        return policy.attach(oomx::cgroup::root()) ? 0 : 1;
    });
    REQUIRE(child.ended_within(std::chrono::seconds{30}));
    CHECK(child.exit_status() == 0);
}

// On a kernel without the series.
TEST_CASE("A kernel without the series is told apart by every line", "[.][stock]") {
    const auto found = oomx::probe_anew();
    CHECK(found.bpf_oom.has == capability::state::no);
    CHECK(found.bpf_psi.has == capability::state::no);
    CHECK(found.cgroup_attach.has == capability::state::no);
    CHECK(found.usage_in_bytes.has == capability::state::no);
    CHECK(found.has("bpf_out_of_memory").has == capability::state::no);
    CHECK(found.has("bpf_iter_css_new"));
    CHECK(found.memory_controller);
    CHECK_THAT(fmt::format("{}", found),
               ContainsSubstring("bpf_oom ") && ContainsSubstring("; run a kernel with"));
}

// On a kernel booted so that it ignores the cgroup of a struct_ops link.
TEST_CASE("A kernel that ignores cgroups is found out by probing", "[.][ignores_cgroup]") {
    const auto found = oomx::probe_anew();
    CHECK(found.cgroup_attach.has == capability::state::no);
    // Nothing is attached system-wide: the place is free.
    CHECK(must(oomx::load<decliner>()).attach(oomx::cgroup::root()).has_value());
}
