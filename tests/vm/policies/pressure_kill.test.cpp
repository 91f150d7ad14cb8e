// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <algorithm>
#include <cerrno>
#include <chrono>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <linux/capability.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

#include <oomx/oomx.hpp>
#include <oomx/policies/largest_leaf.hpp>
#include <oomx/policies/pressure_kill.hpp>

#include "../support.hpp"

using namespace oomx::test;
using namespace oomx::literals;
using namespace std::chrono_literals;
using Catch::Matchers::ContainsSubstring;
using oomx::answer;
using oomx::errc;
using oomx::policies::largest_leaf;
using oomx::policies::pressure_kill;

namespace {

/// Far below what the hog causes, and a window that comes round quickly.
constexpr oomx::pressure soon{.stall = 50ms, .window = 250ms};

/// One who wants 500 MiB where 40 are not yet too much, and a neighbour who asks for nothing more.
/// There is no limit: without swap the kernel makes whoever is above memory.high wait, longer and
/// longer, and kills nobody.
struct pressed_tree {
    control_group parent = control_group::make("parent");
    control_group greedy = parent.child("greedy");
    control_group modest = parent.child("modest");
    hog neighbour = hog::start(modest);
    hog victim = hog::start(greedy);

    pressed_tree() {
        neighbour.grow(10_MiB);
        parent.set("memory.high", 40_MiB);
    }

    void press() { victim.order(500_MiB); }
};

/// A pressure policy that is attached, and what it has done.
class watching {
public:
    explicit watching(const oomx::watches& options)
        : loaded_{must(oomx::load<pressure_kill>(options))}, stream_{must(loaded_.events())},
          attachment_{must(loaded_.attach())} {}

    /// The first `count` answers to pressure; fewer if more do not come.
    const std::vector<oomx::declaration>& declarations(std::size_t count) {
        const auto end = std::chrono::steady_clock::now() + 30s;
        while (seen_.size() < count && std::chrono::steady_clock::now() < end) {
            receive(1s);
        }
        return seen_;
    }

    /// The first cgroup that is said to be gone.
    oomx::cgroup_id gone() {
        const auto end = std::chrono::steady_clock::now() + 30s;
        while (gone_.empty() && std::chrono::steady_clock::now() < end) {
            receive(1s);
        }
        return gone_.empty() ? oomx::no_cgroup : gone_.front();
    }

    oomx::loaded_policy<pressure_kill>& policy() { return loaded_; }
    oomx::attachment& attachment() { return attachment_; }

private:
    struct receiver {
        watching& to;

        void operator()(const oomx::declaration& one) const { to.seen_.push_back(one); }
        void operator()(const oomx::cgroup_gone& one) const { to.gone_.push_back(one.where()); }
    };

    void receive(std::chrono::milliseconds timeout) {
        must(stream_.poll(timeout, receiver{*this}));
    }

    oomx::loaded_policy<pressure_kill> loaded_;
    oomx::events stream_;
    oomx::attachment attachment_;
    std::vector<oomx::declaration> seen_;
    std::vector<oomx::cgroup_id> gone_;
};

/// In this process: to be called in a child.
bool give_up(int capability) {
    __user_cap_header_struct header{_LINUX_CAPABILITY_VERSION_3, 0};
    __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3]{};
    if (::syscall(SYS_capget, &header, data) != 0) {
        return false;
    }
    data[CAP_TO_INDEX(capability)].effective &= ~CAP_TO_MASK(capability);
    return ::syscall(SYS_capset, &header, data) == 0;
}

} // namespace

TEST_CASE("pressure_kill ends who causes the pressure, and its neighbour lives") {
    pressed_tree tree;
    watching policy{{.watched = {{tree.parent.id(), soon}}, .min_interval = 1h}};

    tree.press();

    CHECK(tree.victim.was_killed());
    CHECK(tree.neighbour.lives());
    CHECK(tree.greedy.event("oom_kill") == 1);
    CHECK(tree.modest.event("oom_kill") == 0);
    const auto& answers = policy.declarations(1);
    REQUIRE_FALSE(answers.empty());
    const auto& first = answers.front();
    INFO(fmt::format("{}", first));
    CHECK(first.policy() == "pressure_kill");
    CHECK(first.answer() == answer::progress);
    CHECK(first.where() == tree.parent.id());
    CHECK(first.pressure() == soon);
    CHECK(first.usage() > 40_MiB);
    CHECK(first.deaf() == 0);
    CHECK(first.took() > 0ns);
    CHECK(policy.policy().counters().handled >= 1);
}

TEST_CASE("The kernel's report of a kill for pressure names the policy that declared it") {
    pressed_tree tree;
    watching policy{{.watched = {{tree.parent.id(), soon}}, .min_interval = 1h}};
    kernel_log log;

    tree.press();
    CHECK(tree.victim.was_killed());

    CHECK(log.says("constraint=pressure (pressure_kill)"));
    CHECK(log.says("oom_policy=default"));
}

TEST_CASE("The OOM policy that is attached to the pressed cgroup chooses who dies") {
    pressed_tree tree;
    deciding<largest_leaf> chooser{tree.parent.open()};
    watching policy{{.watched = {{tree.parent.id(), soon}}, .min_interval = 1h}};
    kernel_log log;

    tree.press();
    CHECK(tree.victim.was_killed());

    CHECK(tree.neighbour.lives());
    CHECK(log.says("oom_policy=largest_leaf"));
    CHECK(log.says("constraint=pressure (pressure_kill)"));
    const auto decisions = chooser.decisions();
    REQUIRE_FALSE(decisions.empty());
    CHECK(decisions.front().outcome() == oomx::outcome::killed);
    CHECK(decisions.front().scope() == tree.parent.id());
    CHECK(decisions.front().victim() == tree.greedy.id());
    REQUIRE_FALSE(policy.declarations(1).empty());
    CHECK(policy.declarations(1).front().answer() == answer::progress);
}

TEST_CASE("Pressure that lasts is answered again and again, and shadow mode kills nobody") {
    pressed_tree tree;
    watching policy{{.watched = {{tree.parent.id(), soon}}, .mode = oomx::mode::shadow}};

    tree.press();

    const auto& answers = policy.declarations(4);
    REQUIRE(answers.size() >= 4);
    CHECK(std::ranges::all_of(answers, [](const auto& one) {
        return one.answer() == answer::shadow && one.deaf() == 0;
    }));
    CHECK(tree.parent.event("oom") == 0);
    CHECK(tree.parent.event("oom_kill") == 0);
}

TEST_CASE("Pressure within min_interval of the last declaration is not answered by another one") {
    pressed_tree tree;
    auto another = tree.parent.child("another");
    auto second = hog::start(another);
    watching policy{{.watched = {{tree.parent.id(), soon}}, .min_interval = 1h}};
    tree.press();
    REQUIRE(tree.victim.was_killed());

    second.order(500_MiB);

    const auto& answers = policy.declarations(3);
    REQUIRE(answers.size() >= 3);
    CHECK(answers[0].answer() == answer::progress);
    CHECK(answers[1].answer() == answer::cooling);
    CHECK(answers[2].answer() == answer::cooling);
    CHECK(tree.parent.event("oom_kill") == 1);
}

TEST_CASE("A watch that has gone deaf says so, and fires again when the policy is loaded anew") {
    pressed_tree tree;
    // A kernel whose triggers fire again needs none of them renewed.
    const oomx::watches options{
        .watched = {{tree.parent.id(), soon}}, .mode = oomx::mode::shadow, .max_renewed = 1};
    watching policy{options};

    tree.press();

    REQUIRE(policy.declarations(2).size() >= 2);
    CHECK(policy.declarations(2)[0].deaf() == 0);
    const int deaf = policy.declarations(2)[1].deaf();
    CHECK((deaf == 0 || deaf == ENOSPC));
    auto anew = must(oomx::load<pressure_kill>(options));
    auto events = must(anew.events());
    must(policy.attachment().replace(anew));
    CHECK(must(events.poll(30s, [](const oomx::declaration&) {})) > 0);
}

// A second attachment of the map, whose first one then ends, crashes a kernel with the posted v2.
TEST_CASE("A loaded pressure policy is attached once, and cannot take its own place") {
    const std::filesystem::path pin = "/sys/fs/bpf/oomx-pressure";
    const std::string once = "it has been attached before, and a loaded pressure policy can be "
                             "attached once; load it anew";
    pressed_tree tree;
    auto policy = must(oomx::load<pressure_kill>(
        {.watched = {{tree.parent.id(), soon}}, .mode = oomx::mode::shadow}));
    auto events = must(policy.events());
    {
        auto attachment = must(policy.attach());
        must(attachment.pin(pin));

        const auto second = policy.attach();
        const auto itself = attachment.replace(policy);

        CHECK(refusal(second) == "attach policy 'pressure_kill' to the whole system: " + once);
        CHECK(second.error().code() == errc::busy);
        CHECK(refusal(itself) ==
              "replace policy 'pressure_kill' on the whole system by 'pressure_kill': " + once);
        // Nor does a program that finds the policy in force.
        auto back = must(oomx::adopt<pressure_kill>(pin, oomx::cgroup::root()));
        CHECK(refusal(back.policy.attach()).ends_with(once));
        CHECK(must(attachment.in_force()));
        tree.press();
        CHECK(must(events.poll(30s, [](const oomx::declaration&) {})) > 0);
        must(std::move(attachment).detach());
    }
    CHECK(refusal(policy.attach()).ends_with(once));
}

TEST_CASE("Of two watched cgroups one is removed, and the other is watched on") {
    pressed_tree tree;
    auto gone = control_group::make("gone");
    const auto id = gone.id();
    watching policy{
        {.watched = {{id, soon}, {tree.parent.id(), soon}}, .mode = oomx::mode::shadow}};

    gone.remove();

    CHECK(policy.gone() == id);
    tree.press();
    REQUIRE_FALSE(policy.declarations(1).empty());
    CHECK(policy.declarations(1).front().where() == tree.parent.id());
}

TEST_CASE("The whole system is watched, and where declaring would do nothing that is said") {
    auto parent = control_group::make("parent");
    auto victim = hog::start(parent, 1000);
    parent.set("memory.high", 40_MiB);
    watching policy{{.watched = {{oomx::cgroup::root().id(),
                                  {.share = oomx::share::some, .stall = 50ms, .window = 250ms}}},
                     .min_interval = 1h}};

    victim.order(500_MiB);

    const auto& answers = policy.declarations(1);
    REQUIRE_FALSE(answers.empty());
    CHECK(answers.front().where() == oomx::no_cgroup);
    if (answers.front().answer() == answer::failed) {
        CHECK(answers.front().refusal() == EOPNOTSUPP); // the posted series
    } else {
        CHECK(answers.front().answer() == answer::progress);
        CHECK(victim.was_killed());
    }
}

TEST_CASE("All 64 watches fit") {
    auto parent = control_group::make("parent");
    oomx::watches many;
    many.watched.assign(64, {parent.id(), soon});
    CHECK(must(oomx::load<pressure_kill>(many)).attach().has_value());
}

TEST_CASE("A cgroup that is not there is refused at attach, and nothing stays attached") {
    auto parent = control_group::make("parent");
    auto gone = control_group::make("gone");
    const auto id = gone.id();
    gone.remove();
    auto policy = must(oomx::load<pressure_kill>({.watched = {{parent.id(), soon}, {id, soon}}}));
    const auto descriptors = open_descriptors();

    auto refused = policy.attach();

    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == errc::not_found);
    CHECK(
        refusal(refused) ==
        fmt::format("attach policy 'pressure_kill' to the whole system: watch 1, cgroup {}: there "
                    "is no such cgroup (ENOENT); open the cgroup again",
                    std::to_underlying(id)));
    CHECK(open_descriptors() == descriptors);
}

TEST_CASE("A cgroup without the memory controller is not watched") {
    auto parent = control_group::make("parent");
    auto bare = parent.child_without_memory("bare");

    auto refused = must(oomx::load<pressure_kill>({.watched = {{bare.id(), soon}}})).attach();

    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == errc::unsupported);
    CHECK_THAT(refusal(refused), ContainsSubstring("it has no memory controller (ENXIO); write "
                                                   "+memory to its parent's"));
}

TEST_CASE("A short window without CAP_SYS_RESOURCE is refused by name, two seconds are not") {
    auto parent = control_group::make("parent");
    auto child = process::start([&] {
        auto quick = must(oomx::load<pressure_kill>({.watched = {{parent.id(), soon}}}));
        auto slow = must(oomx::load<pressure_kill>({.watched = {{parent.id(), {}}}}));
        if (!give_up(CAP_SYS_RESOURCE)) {
            return 2;
        }
        const auto refused = quick.attach();
        if (refusal(refused).find("CAP_SYS_RESOURCE") == std::string::npos) {
            fmt::print(stderr, "{}\n", refusal(refused));
            return 1;
        }
        return slow.attach() ? 0 : 3;
    });
    REQUIRE(child.ended_within(30s));
    CHECK(child.exit_status() == 0);
}

TEST_CASE("A pinned pressure policy goes on watching and is adopted") {
    const std::filesystem::path pin = "/sys/fs/bpf/oomx-pressure";
    pressed_tree tree;
    {
        auto policy = must(oomx::load<pressure_kill>(
            {.watched = {{tree.parent.id(), soon}}, .mode = oomx::mode::shadow}));
        must(must(policy.attach()).pin(pin));
    }
    {
        auto back = must(oomx::adopt<pressure_kill>(pin, oomx::cgroup::root()));
        auto events = must(back.policy.events());
        CHECK(back.policy.config().watches.watch[0].cgroup_id ==
              std::to_underlying(tree.parent.id()));
        tree.press();
        oomx::cgroup_id pressed{};
        must(events.poll(30s, [&](const oomx::declaration& one) { pressed = one.where(); }));
        CHECK(pressed == tree.parent.id());
        must(std::move(back.attachment).detach());
    }
    CHECK_FALSE(std::filesystem::exists(pin));
}

// On a kernel booted without pressure figures.
TEST_CASE("A kernel that keeps no pressure figures is told how to", "[.][without_psi]") {
    auto parent = control_group::make("parent");
    for (const auto where : {parent.id(), oomx::root_cgroup}) {
        auto refused = must(oomx::load<pressure_kill>({.watched = {{where, soon}}})).attach();
        REQUIRE_FALSE(refused);
        CHECK(refused.error().code() == errc::unsupported);
        CHECK_THAT(refusal(refused), ContainsSubstring("the kernel keeps no pressure figures") &&
                                         ContainsSubstring("boot with psi=1"));
    }
}

// On a kernel without the series.
TEST_CASE("A kernel without bpf_psi is named as the reason", "[.][stock]") {
    auto refused = oomx::load<pressure_kill>({.watched = {{oomx::root_cgroup, soon}}});

    REQUIRE_FALSE(refused);
    CHECK(refused.error().code() == errc::unsupported);
    CHECK_THAT(refusal(refused),
               ContainsSubstring("load policy 'pressure_kill': this kernel has no "
                                 "bpf_psi: its types lack the struct_ops"));
}
