// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// What exempt() promises is up to the kernel: whom its own killer takes, and what it lets a process
// write.
#include <array>
#include <csignal>
#include <fstream>
#include <optional>
#include <string>
#include <utility>

#include <sys/prctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>

#include <oomx/oomx.hpp>
#include <oomx/policies/largest_leaf.hpp>

#include "support.hpp"

using namespace oomx::test;
using namespace oomx::literals;
using oomx::errc;
using oomx::preference;
using oomx::policies::largest_leaf;

namespace {

int score_of(pid_t pid) {
    int score = 0;
    std::ifstream{fmt::format("/proc/{}/oom_score_adj", pid)} >> score;
    return score;
}

void set_score(pid_t pid, int score) {
    std::ofstream{fmt::format("/proc/{}/oom_score_adj", pid)} << score << std::flush;
}

/// A process that forks when it is told to.
class forker {
public:
    static forker start(const control_group& where) {
        std::array<int, 2> ends{};
        REQUIRE(::socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, ends.data()) == 0);
        oomx::unique_fd ours{ends[0]};
        const oomx::unique_fd theirs{ends[1]};
        return {process::start([&] {
                    oomx::unique_fd{}.swap(ours);
                    where.set("cgroup.procs", "0");
                    obey(theirs.native_handle());
                    return 0;
                }),
                std::move(ours)};
    }

    /// The child's pid; it ends with this process.
    pid_t fork() {
        pid_t child = 0;
        REQUIRE(::send(line_.native_handle(), "f", 1, MSG_NOSIGNAL) == 1);
        REQUIRE(::recv(line_.native_handle(), &child, sizeof child, 0) == sizeof child);
        return child;
    }

    [[nodiscard]] pid_t pid() const { return body_.pid(); }

private:
    forker(process body, oomx::unique_fd line) : body_{std::move(body)}, line_{std::move(line)} {}

    static void obey(int line) {
        char order = 0;
        while (::recv(line, &order, 1, 0) == 1) {
            const pid_t child = ::fork();
            if (child == 0) {
                ::prctl(PR_SET_PDEATHSIG, SIGKILL);
                ::pause();
            }
            ::send(line, &child, sizeof child, MSG_NOSIGNAL);
        }
    }

    process body_;
    oomx::unique_fd line_;
};

} // namespace

TEST_CASE("The kernel's own killer spares who is exempt") {
    auto parent = control_group::make("parent");
    auto web = parent.child("web");
    auto batch = parent.child("batch");
    auto in_web = hog::start(web, 500);
    auto in_batch = hog::start(batch);
    in_web.grow(20_MiB);
    in_batch.grow(10_MiB);
    auto policy = must(oomx::load<largest_leaf>({.rails = {.mode = oomx::mode::shadow}}));
    const auto attachment = must(policy.attach(parent.open()));

    must(policy.exempt(web.open()));
    parent.set("memory.max", 25_MiB);

    CHECK(in_batch.was_killed());
    CHECK(in_web.lives());
}

TEST_CASE("Who is exempt is never killed by the policy either, and keeps a tier") {
    auto parent = control_group::make("parent");
    auto web = parent.child("web");
    auto policy = must(oomx::load<largest_leaf>());

    must(policy.exempt(web.open(), {.tier = 3}));

    CHECK(must(policy.preferences()).at(web.id()) == preference{.tier = 3, .never_kill = true});
}

TEST_CASE("forget() puts back the scores of the cgroup and of all below it") {
    auto parent = control_group::make("parent");
    auto one = parent.child("one");
    auto two = parent.child("two");
    auto in_one = hog::start(one, 500);
    auto in_two = hog::start(two, -500);
    auto policy = must(oomx::load<largest_leaf>());
    must(policy.exempt(parent.open()));
    CHECK(score_of(in_one.pid()) == -1000);
    CHECK(score_of(in_two.pid()) == -1000);

    must(policy.forget(parent.open()));

    CHECK(score_of(in_one.pid()) == 500);
    CHECK(score_of(in_two.pid()) == -500);
    CHECK(must(policy.preferences()).empty());
}

TEST_CASE("forget() reaches what an exempt process has forked") {
    auto web = control_group::make("web");
    auto server = forker::start(web);
    server.fork(); // so that it is there, and where it belongs
    set_score(server.pid(), 300);
    auto policy = must(oomx::load<largest_leaf>());
    must(policy.exempt(web.open()));
    const auto worker = server.fork();
    CHECK(score_of(worker) == -1000);

    must(policy.forget(web.id()));

    CHECK(score_of(server.pid()) == 300);
    CHECK(score_of(worker) == 300);
}

TEST_CASE("Who was at -1000 before stays there, and what somebody else sets stays, too") {
    auto web = control_group::make("web");
    auto before = hog::start(web, -1000);
    auto meanwhile = hog::start(web, 100);
    auto plain = hog::start(web, 200);
    auto policy = must(oomx::load<largest_leaf>());
    must(policy.exempt(web.open()));
    set_score(meanwhile.pid(), 50);

    must(policy.forget(web.open()));

    CHECK(score_of(before.pid()) == -1000);
    CHECK(score_of(meanwhile.pid()) == 50);
    CHECK(score_of(plain.pid()) == 200);
}

TEST_CASE("Said again, exempt() finds who was moved into the cgroup since") {
    auto web = control_group::make("web");
    auto other = control_group::make("other");
    auto first = hog::start(web, 100);
    auto later = hog::start(other, 200);
    auto policy = must(oomx::load<largest_leaf>());
    must(policy.exempt(web.open()));
    web.set("cgroup.procs", std::to_string(later.pid()));
    CHECK(score_of(later.pid()) == 200);

    must(policy.exempt(web.open()));
    CHECK(score_of(later.pid()) == -1000);
    must(policy.forget(web.open()));

    CHECK(score_of(first.pid()) == 100);
    CHECK(score_of(later.pid()) == 200);
}

TEST_CASE("The scores are put back with the last object made from the policy") {
    auto web = control_group::make("web");
    auto server = hog::start(web, 100);
    {
        auto policy = std::optional{must(oomx::load<largest_leaf>())};
        const auto attachment = must(policy->attach(web.open()));
        must(policy->exempt(web.open()));
        policy.reset();
        CHECK(score_of(server.pid()) == -1000);
    }
    CHECK(score_of(server.pid()) == 100);
}

TEST_CASE("The whole system cannot be exempt") {
    auto policy = must(oomx::load<largest_leaf>());
    CHECK(refusal(policy.exempt(oomx::cgroup::root())) ==
          "exempt the whole system: the kernel would find nobody to kill; exempt single cgroups");
    CHECK(must(policy.preferences()).empty());
}

TEST_CASE("Without the privilege nobody is exempt, and no score has changed") {
    auto web = control_group::make("web");
    auto server = hog::start(web, 100);
    const auto group = web.open();
    auto child = process::start([&] {
        if (::setresuid(65534, 65534, 65534) != 0) {
            return 2;
        }
        const auto refused = oomx::exemption::of(group);
        if (!refused && refused.error().code() == errc::not_permitted &&
            refusal(refused).ends_with("refused (EACCES); run as root with CAP_SYS_RESOURCE")) {
            return 0;
        }
        fmt::print(stderr, "{}\n", refusal(refused));
        return 1;
    });
    REQUIRE(child.ended_within(std::chrono::seconds{30}));
    CHECK(child.exit_status() == 0);
    CHECK(score_of(server.pid()) == 100);
}
