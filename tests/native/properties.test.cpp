// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// What holds of every policy on every tree. Each tree is a number, and so is each failure: run it
// again with that one.
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <iterator>
#include <numeric>
#include <set>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>

#include <oomx/decision_text.hpp>
#include <oomx/native/killer.hpp>
#include <oomx/native/policy.hpp>
#include <oomx/native/runtime.hpp>
#include <oomx/policies/badness.hpp>
#include <oomx/policies/largest_leaf.hpp>
#include <oomx/policies/tiers.hpp>

#include "support/plain_rule.hpp"
#include "support/random_tree.hpp"
#include "tree_model.hpp"
#include "vm/bpf/policies.hpp"

#ifndef OOMX_TREES
#define OOMX_TREES 100000
#endif

using namespace oomx::test;
using oomx::native::instance;
using oomx::native::model;
using oomx::native::detail::oom;
using oomx::native::detail::phase;
using oomx::native::detail::runtime;

namespace {

/// What came of one OOM.
struct outcome {
    oomx_decision record{};
    std::size_t records = 0;
    std::set<int> dead;
    bool claimed = false;
    oomx::native::fault fault{};
};

/// The options of a rule, different from tree to tree.
plain_rule random_rule(plain_rule::by policy, std::uint64_t seed) {
    dice dice{seed ^ 0x0a7e5};
    plain_rule rule{.policy = policy};
    rule.rails.max_processes = dice.in_hundred(30) ? 1 + dice.below(4) : 1024;
    rule.rails.min_relief = dice.in_hundred(20) ? dice.below(300) : 0;
    rule.rails.mode = dice.in_hundred(10) ? OOMX_SHADOW : OOMX_ENFORCE;
    rule.ranking.level = dice.in_hundred(40) ? dice.below(4) : 0;
    rule.ranking.granularity = dice.in_hundred(50) ? OOMX_PROCESS : OOMX_CGROUP;
    if (policy != plain_rule::by::badness) {
        rule.least = dice.in_hundred(30) ? std::uint64_t{dice.below(12)} << 20 : 0;
    }
    return rule;
}

/// The OOM of the tree's scope, as the kernel hands it to a policy.
oom oom_of(const random_tree& tree, model& where) {
    oom now{};
    now.asked_by = "policy";
    now.as_posted = tree.seed % 2 == 1; // the rails hold whatever the kernel would do
    if (tree.system_wide) {
        now.totalpages = (tree_ram_mib + tree_swap_mib) * 256;
        return now;
    }
    now.memcg = &where.find(tree.cgroups[tree.scope].path)->memcg;
    now.constraint = oomx::native::kernel::CONSTRAINT_MEMCG;
    now.totalpages = now.memcg->memory.max + tree_swap_mib * 256;
    return now;
}

outcome decide(const random_tree& tree, instance& policy, model& where) {
    auto now = oom_of(tree, where);
    runtime running{where, policy, now};
    outcome came;
    came.claimed = running.run(0) && now.memory_freed;
    came.fault = running.fault();
    policy.drain_raw([&](std::span<const std::byte> record) {
        ++came.records;
        if (record.size() == sizeof came.record) {
            std::memcpy(&came.record, record.data(), sizeof came.record);
        }
    });
    for (const auto& process : where.tasks()) {
        if (process.phase != phase::alive && process.killer != killed_before) {
            came.dead.insert(std::stoi(process.name));
        }
    }
    return came;
}

/// The record without what the plain statement does not know.
oomx_decision timeless(oomx_decision record) {
    record.time_ns = record.decided_ns = record.took_ns = record.generation = record.tasks = 0;
    return record;
}

bool same(const oomx_decision& a, const oomx_decision& b) {
    const auto one = timeless(a);
    const auto other = timeless(b);
    return std::memcmp(&one, &other, sizeof one) == 0;
}

/// Every cgroup that was looked at has one verdict.
bool counts_add_up(const oomx_decision& record) {
    return std::accumulate(std::begin(record.verdicts), std::end(record.verdicts),
                           std::uint64_t{0}) == record.considered;
}

/// What is wrong with an outcome; empty if it is as it has to be.
std::string flaw_of(const outcome& came, const plain_answer& expected) {
    if (came.fault != oomx::native::fault::none) {
        return fmt::format("it {}", describe(came.fault));
    }
    if (came.records != 1) {
        return fmt::format("it leaves {} records", came.records);
    }
    if (came.claimed != !expected.dead.empty()) {
        return came.claimed ? "it claims an OOM that it does nothing about"
                            : "it declines though somebody is eligible";
    }
    if (!same(came.record, expected.record)) {
        return fmt::format("it records\n{}\n  and should\n{}", oomx::decision{came.record},
                           oomx::decision{expected.record});
    }
    if (!counts_add_up(came.record)) {
        return "not every cgroup it looked at has one verdict";
    }
    if (came.dead != expected.dead) {
        return fmt::format("it killed {} processes and not {}", came.dead.size(),
                           expected.dead.size());
    }
    return {};
}

/// Why a process may not die, whatever the rule: by the tree alone. Empty if it may.
std::string why_spared(const random_tree& tree, std::size_t home, const tree_process& process) {
    if (process.init || process.kernel_thread || process.oom_score_adj == -1000) {
        return "whom nobody may kill";
    }
    if (!tree.system_wide && !tree.is_within(home, tree.scope)) {
        return "outside the scope";
    }
    for (std::size_t above = 0; above < tree.cgroups.size(); ++above) {
        const auto& said = tree.cgroups[above].preference;
        if (said && said->never_kill != 0 && tree.is_within(home, above)) {
            return "below never_kill";
        }
    }
    return {};
}

/// What is wrong with these dead: that somebody is among them who may not die. Who is between
/// vfork() and exec() dies with the process whose memory it uses.
std::string spared_who_died(const random_tree& tree, const plain_rule& rule,
                            const std::set<int>& dead) {
    const auto place = place_in_model();
    const plain_statement statement{tree, rule, place};
    if (rule.rails.mode == OOMX_SHADOW && !dead.empty()) {
        return "somebody died in shadow mode";
    }
    for (std::size_t at = 0; at < tree.cgroups.size(); ++at) {
        for (const auto& process : tree.cgroups[at].processes) {
            if (!dead.contains(process.number)) {
                continue;
            }
            if (process.in_vfork) {
                if (!dead.contains(process.memory_of)) {
                    return fmt::format("process {} died between vfork() and exec(), and its "
                                       "parent did not",
                                       process.number);
                }
                continue;
            }
            if (const auto why = why_spared(tree, at, process); !why.empty()) {
                return fmt::format("process {} died, {}", process.number, why);
            }
            if (statement.is_shared_elsewhere(process)) {
                return fmt::format("process {} died, whose memory others use", process.number);
            }
        }
    }
    return {};
}

/// How many address spaces went with these dead.
std::size_t memories_of(const random_tree& tree, const std::set<int>& dead) {
    std::set<int> memories;
    for (const int number : dead) {
        const auto& process = tree.process(number);
        memories.insert(process.memory_of == 0 ? number : process.memory_of);
    }
    return memories.size();
}

/// The kernel asks again before the victims are gone: what is wrong with the answer to that.
std::string flaw_of_waiting(const random_tree& tree, instance& policy, model& where,
                            const std::set<int>& dead) {
    const auto again = decide(tree, policy, where);
    if (again.record.result != OOMX_RESULT_WAITING || !again.claimed) {
        return "it does not wait for its victim";
    }
    if (again.dead != dead) {
        return "it kills while its victim is dying";
    }
    return {};
}

template <typename P>
oomx::native::policy<P> policy_for(const random_tree& tree, const typename P::options& options) {
    auto policy = oomx::native::policy<P>::make(options);
    REQUIRE(policy);
    for (const auto& cgroup : tree.cgroups) {
        if (cgroup.preference && !policy->prefer(model::id_of(cgroup.path),
                                                 oomx::preference::from(*cgroup.preference))) {
            FAIL("a preference was refused");
        }
    }
    return std::move(*policy);
}

template <typename P>
void check_tree(std::uint64_t seed, plain_rule::by by) {
    const auto tree = make_random_tree(seed, {.extras = true});
    auto rule = random_rule(by, seed);
    const bool in_order = dice{seed ^ 0x0de5}.in_hundred(15); // which are first shows, then
    if (in_order) {
        rule.rails.max_candidates = 1 + static_cast<std::uint32_t>(seed % 5);
    }
    const auto place = place_in_model();
    const auto expected = plain_statement{tree, rule, place}.answer();

    auto policy = policy_for<P>(tree, options_of<P>(rule));
    auto where = model_of(tree);
    const auto came = decide(tree, policy, where);
    auto flaw = flaw_of(came, expected);
    if (flaw.empty()) {
        flaw = spared_who_died(tree, rule, came.dead);
    }
    if (flaw.empty() && !came.dead.empty()) {
        flaw = flaw_of_waiting(tree, policy, where, came.dead);
    }
    if (flaw.empty() && !in_order) {
        auto other_policy = policy_for<P>(tree, options_of<P>(rule));
        auto other = model_of(tree, true);
        const auto again = decide(tree, other_policy, other);
        if (!same(came.record, again.record) || came.dead != again.dead) {
            flaw = fmt::format("it records\n{}\n  and when made in another order\n{}",
                               oomx::decision{came.record}, oomx::decision{again.record});
        }
    }
    if (!flaw.empty()) {
        FAIL(fmt::format("{} on tree {}: {}", rule.name(), seed, flaw));
    }
}

/// Takes away what the rails spare processes for, and the kernel does not: users of their memory.
void unshare(random_tree& tree) {
    const plain_rule rule;
    const auto place = place_in_model();
    const plain_statement statement{tree, rule, place};
    std::set<int> users;
    for (const auto& cgroup : tree.cgroups) {
        for (const auto& process : cgroup.processes) {
            if (!process.in_vfork && statement.is_shared_elsewhere(process)) {
                users.insert(process.memory_of == 0 ? process.number : process.memory_of);
            }
        }
    }
    for (auto& cgroup : tree.cgroups) {
        for (auto& process : cgroup.processes) {
            if (users.contains(process.memory_of)) {
                process.memory_of = 0;
                process.in_vfork = false;
            }
        }
    }
}

template <typename P>
void check_trees(plain_rule::by by) {
    for (std::uint64_t seed = 0; seed < OOMX_TREES; ++seed) {
        check_tree<P>(seed, by);
    }
    SUCCEED();
}

} // namespace

TEST_CASE("largest_leaf decides as its rule says, within its rails, on any tree") {
    check_trees<oomx::policies::largest_leaf>(plain_rule::by::largest_leaf);
}

TEST_CASE("badness decides as its rule says, within its rails, on any tree") {
    check_trees<oomx::policies::badness>(plain_rule::by::badness);
}

TEST_CASE("tiers decides as its rule says, within its rails, on any tree") {
    check_trees<oomx::policies::tiers>(plain_rule::by::tiers);
}

TEST_CASE("badness chooses whom the kernel's own rule chooses on any tree") {
    std::size_t compared = 0;
    for (std::uint64_t seed = 0; seed < OOMX_TREES; ++seed) {
        auto tree = make_random_tree(seed, {.extras = true});
        for (auto& cgroup : tree.cgroups) {
            cgroup.preference.reset();
            cgroup.unreadable = false;
            for (auto& process : cgroup.processes) {
                process.init = false; // the rails spare who shares its memory
            }
        }
        unshare(tree); // as above
        auto policy = oomx::native::policy<oomx::policies::badness>::make();
        REQUIRE(policy);
        auto where = model_of(tree);
        auto alone = model_of(tree);
        auto now = oom_of(tree, alone);
        // Of equally bad ones each takes another.
        oomx::native::detail::selection kernel{now.totalpages};
        look_at_all(now.memcg == nullptr ? alone.root()
                                         : *oomx::native::detail::node::of(now.memcg),
                    kernel);

        const auto came = decide(tree, *policy, where);

        const auto* const chosen =
            came.record.victim_pid == 0 ? nullptr : where.find_task(came.record.victim_pid);
        if ((chosen == nullptr) != (kernel.worst() == nullptr)) {
            FAIL(fmt::format("tree {}: one of them kills nobody", seed));
        }
        if (chosen == nullptr) {
            continue;
        }
        ++compared;
        const auto* const same = alone.find_task(chosen->tgid);
        if (badness(*same, now.totalpages) != badness(*kernel.worst(), now.totalpages)) {
            FAIL(fmt::format("tree {}: badness kills {}, the kernel {}", seed, chosen->name,
                             kernel.worst()->name));
        }
    }
    CHECK(compared > OOMX_TREES / 4);
}

TEST_CASE(
    "Under any bounds every cgroup of any tree has one verdict, and nobody dies who may not") {
    std::size_t left_out = 0;
    for (std::uint64_t seed = 0; seed < OOMX_TREES; ++seed) {
        const auto tree = make_random_tree(seed, {.extras = true});
        auto rule = random_rule(plain_rule::by::largest_leaf, seed);
        const auto place = place_in_model();
        const auto all = plain_statement{tree, rule, place}.answer().record.considered;
        dice dice{seed ^ 0xb0d5};
        rule.rails.max_candidates = 1 + dice.below(6);
        rule.rails.max_tasks = 1 + dice.below(8);
        auto policy = policy_for<oomx::policies::largest_leaf>(
            tree, options_of<oomx::policies::largest_leaf>(rule));
        auto where = model_of(tree);

        const auto came = decide(tree, policy, where);

        auto flaw = spared_who_died(tree, rule, came.dead);
        if (came.fault != oomx::native::fault::none) {
            flaw = fmt::format("it {}", describe(came.fault));
        } else if (came.record.considered != all || !counts_add_up(came.record)) {
            flaw = fmt::format("of {} cgroups it considers {}", all, came.record.considered);
        }
        if (!flaw.empty()) {
            FAIL(fmt::format("tree {}: {}\n{}", seed, flaw, oomx::decision{came.record}));
        }
        left_out += came.record.verdicts[OOMX_VERDICT_OVER_BOUND];
    }
    CHECK(left_out > 0);
}

TEST_CASE("A hostile policy kills nobody on any tree whom the rails spare") {
    std::size_t killed = 0;
    for (std::uint64_t seed = 0; seed < OOMX_TREES; ++seed) {
        const auto tree = make_random_tree(seed, {.extras = true});
        auto rule = random_rule(plain_rule::by::largest_leaf, seed);
        dice dice{seed ^ 0xbad};
        if (dice.in_hundred(20)) {
            rule.rails.max_tasks = 1 + dice.below(6);
        }
        const auto any = [&] {
            return model::id_of(tree.cgroups[dice.below(tree.cgroups.size())].path);
        };
        auto policy = policy_for<hostile>(
            tree, {.how = static_cast<oomx_hostile_how>(dice.below(OOMX_HOSTILE_LOOK)),
                   .target = dice.in_hundred(5) ? oomx::root_cgroup : any(),
                   .second = any(),
                   .pid = static_cast<int>(dice.below(20)),
                   .rails = rails_of(rule)});
        auto where = model_of(tree);

        const auto came = decide(tree, policy, where);

        auto flaw = came.fault == oomx::native::fault::none
                        ? spared_who_died(tree, rule, came.dead)
                        : fmt::format("it {}", describe(came.fault));
        const auto memories = memories_of(tree, came.dead);
        if (flaw.empty() && memories > rule.rails.max_processes) {
            flaw = fmt::format("{} processes died at once", memories);
        }
        if (flaw.empty() && !counts_add_up(came.record)) {
            flaw = "not every cgroup it looked at has one verdict";
        }
        if (flaw.empty() && came.claimed != !came.dead.empty()) {
            flaw = "it claims an OOM without a kill, or declines one with it";
        }
        if (!flaw.empty()) {
            FAIL(
                fmt::format("hostile on tree {}: {}\n{}", seed, flaw, oomx::decision{came.record}));
        }
        killed += came.dead.size();
    }
    CHECK(killed > 0);
}
