// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/bpf/departures.hpp>

#include <array>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>

using oomx::cgroup_id;
using oomx::unique_fd;
using oomx::bpf::departures;

namespace {

/// Hangs up as a link does when it is detached.
struct fake_link {
    unique_fd fd;
    unique_fd other_end;

    fake_link() {
        std::array<int, 2> ends{};
        REQUIRE(::pipe2(ends.data(), O_CLOEXEC) == 0);
        fd = unique_fd{ends[0]};
        other_end = unique_fd{ends[1]};
    }

    void detach() { other_end = {}; }
};

std::vector<cgroup_id> told_by(const departures& waiting) {
    std::vector<cgroup_id> told;
    waiting.drain([&](cgroup_id where) { told.push_back(where); });
    return told;
}

bool is_readable(const departures& waiting) {
    pollfd one{waiting.fd(), POLLIN, 0};
    return ::poll(&one, 1, 0) == 1;
}

departures waiting_for(const fake_link& link, cgroup_id where) {
    auto made = departures::make();
    REQUIRE(made);
    REQUIRE(made->wait_for(link.fd.native_handle(), where));
    return std::move(*made);
}

} // namespace

TEST_CASE("A link that is detached is told once, with its cgroup") {
    fake_link link;
    const auto waiting = waiting_for(link, cgroup_id{42});
    CHECK(!is_readable(waiting));
    CHECK(told_by(waiting).empty());

    link.detach();

    CHECK(is_readable(waiting));
    CHECK(told_by(waiting) == std::vector{cgroup_id{42}});
    CHECK(!is_readable(waiting));
    CHECK(told_by(waiting).empty());
}

TEST_CASE("Of several links each that is detached is told") {
    fake_link first;
    fake_link second;
    const auto waiting = waiting_for(first, cgroup_id{42});
    REQUIRE(waiting.wait_for(second.fd.native_handle(), cgroup_id{43}));
    second.detach();
    CHECK(told_by(waiting) == std::vector{cgroup_id{43}});
    first.detach();
    CHECK(told_by(waiting) == std::vector{cgroup_id{42}});
}

TEST_CASE("A link that is closed is not told, and is not kept open") {
    fake_link link;
    const auto waiting = waiting_for(link, cgroup_id{42});
    link.fd = {};
    pollfd end{link.other_end.native_handle(), POLLOUT, 0};
    REQUIRE(::poll(&end, 1, 0) == 1);
    CHECK((end.revents & POLLERR) != 0); // nobody reads any more
    link.detach();
    CHECK(told_by(waiting).empty());
}

TEST_CASE("What cannot be waited for is an error") {
    auto made = departures::make();
    REQUIRE(made);
    CHECK(made->wait_for(-1, cgroup_id{42}).error().system_error() == EBADF);
}
