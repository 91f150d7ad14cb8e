// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// One rule, four ways: what a policy records in the kernel, what its native build records of a
// model of the same cgroups, what a plain statement of the rule says; and for badness whom the
// kernel's own killer takes. On random trees of real cgroups and processes; each is a number, and
// so is each failure.
//
// All policies are in shadow mode, one above the other: they are asked in turn at one OOM, and then
// the kernel kills. The OOM is declared, not caused: no allocation moves what they look at.
#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <fmt/format.h>

#include <oomx/native/killer.hpp>
#include <oomx/native/policy.hpp>
#include <oomx/native/runtime.hpp>
#include <oomx/oomx.hpp>
#include <oomx/policies/badness.hpp>
#include <oomx/policies/largest_leaf.hpp>
#include <oomx/policies/tiers.hpp>

#include "../native/tree_model.hpp"
#include "../support/plain_rule.hpp"
#include "../support/random_tree.hpp"
#include "declarer.hpp"
#include "support.hpp"

#ifndef OOMX_REAL_TREES
#define OOMX_REAL_TREES 200
#endif

using namespace oomx::test;
using namespace oomx::literals;
using oomx::native::model;
using oomx::policies::badness;
using oomx::policies::largest_leaf;
using oomx::policies::tiers;

namespace {

/// What user space sees of the cgroups and processes, in pages.
struct snapshot {
    struct cgroup {
        std::uint64_t id, usage, file, shmem;
        auto operator<=>(const cgroup&) const = default;
    };
    struct process {
        pid_t pid;
        std::uint64_t anon, file, shmem, swap, tables;
        auto operator<=>(const process&) const = default;
    };
    std::map<std::string, cgroup> cgroups; // by path in the tree
    std::map<int, process> processes;      // by tree_process::number
    auto operator<=>(const snapshot&) const = default;
};

/// The tree, made of real cgroups and processes. No two processes are of the same size, by more
/// than what the kernel's killer does not see: it takes another than we do of equally bad ones.
class real_tree {
public:
    real_tree(const random_tree& tree, const control_group& above) : tree_{tree} {
        for (const auto& one : tree.cgroups) {
            const auto slash = one.path.rfind('/');
            const auto& parent =
                slash == std::string::npos ? above : cgroups_.at(one.path.substr(0, slash));
            auto& made =
                cgroups_.emplace(one.path, parent.child(one.path.substr(slash + 1))).first->second;
            order_.push_back(&made);
            made.set("memory.min", oomx::bytes{std::uint64_t{one.min_mib} << 20});
            made.set("memory.low", oomx::bytes{std::uint64_t{one.low_mib} << 20});
            made.set("memory.oom.group", one.oom_group ? "1" : "0");
        }
        std::set<oomx::bytes> sizes;
        for (const auto& one : tree.cgroups) {
            for (const auto& process : one.processes) {
                oomx::bytes size{std::uint64_t{process.mib} << 20};
                while (!sizes.insert(size).second) {
                    size = size + 512_KiB;
                }
                auto started = hog::start(cgroups_.at(one.path), process.oom_score_adj);
                started.grow(size);
                hogs_.emplace(process.number, std::move(started));
            }
        }
        // No more than the machine has, which is all that counts of it.
        scope().set(
            "memory.max",
            oomx::bytes{std::uint64_t{std::min(tree.mib_in(tree.scope) * 2 + 64, 384U)} << 20});
    }

    [[nodiscard]] const control_group& scope() const {
        return cgroups_.at(tree_.cgroups[tree_.scope].path);
    }

    [[nodiscard]] const control_group& at(const std::string& path) const {
        return cgroups_.at(path);
    }

    [[nodiscard]] hog& process(int number) { return hogs_.at(number); }

    /// When nothing has moved between two looks.
    [[nodiscard]] snapshot look(const declarer& kernel) const {
        auto before = look_once(kernel);
        for (;;) {
            auto after = look_once(kernel);
            if (after == before) {
                return after;
            }
            before = std::move(after);
        }
    }

private:
    [[nodiscard]] snapshot look_once(const declarer& kernel) const {
        snapshot seen;
        const auto sizes = kernel.sizes();
        for (const auto& [path, group] : cgroups_) {
            const auto cgroup = group.open();
            const auto stat = must(cgroup.memory_stat());
            seen.cgroups[path] = {static_cast<std::uint64_t>(cgroup.id()),
                                  must(cgroup.memory_current()).count() / 4096,
                                  stat.file.count() / 4096, stat.shmem.count() / 4096};
        }
        for (const auto& [number, process] : hogs_) {
            const auto& size = sizes.at(process.pid());
            seen.processes[number] = {process.pid(),     size.anon / 4096, size.file / 4096,
                                      size.shmem / 4096, size.swap / 4096, size.page_tables / 4096};
        }
        return seen;
    }

    const random_tree& tree_;
    std::map<std::string, control_group> cgroups_;
    std::vector<control_group*> order_;
    std::map<int, hog> hogs_;
};

/// Counts anew what children use of their protection, after their usage has changed.
void protect(oomx::native::detail::node& parent) {
    auto& counter = parent.memcg.memory;
    counter.children_min_usage.counter = counter.children_low_usage.counter = 0;
    for (auto* child = parent.first_child; child != nullptr; child = child->next_sibling) {
        const auto& own = child->memcg.memory;
        const auto usage = child->usage();
        counter.children_min_usage.counter += static_cast<long>(std::min(own.min, usage));
        counter.children_low_usage.counter += static_cast<long>(std::min(own.low, usage));
        protect(*child);
    }
}

/// The tree as a model that holds what was seen, with the ids that were seen.
model model_of_seen(const random_tree& tree, const snapshot& seen) {
    auto where = model_of(tree);
    for (const auto& [path, cgroup] : seen.cgroups) {
        auto& node = *where.find(path);
        node.memcg.memory.usage.counter = static_cast<long>(cgroup.usage);
        node.stat[static_cast<std::size_t>(oomx::native::detail::kind::file)] = cgroup.file;
        node.stat[static_cast<std::size_t>(oomx::native::detail::kind::shmem)] = cgroup.shmem;
        where.renumber(node, oomx::cgroup_id{cgroup.id});
    }
    protect(where.root());
    for (auto& task : where.tasks()) {
        namespace kernel = oomx::native::kernel;
        const auto& process = seen.processes.at(std::stoi(task.name));
        task.memory.rss_stat[kernel::MM_FILEPAGES].count = static_cast<__s64>(process.file);
        task.memory.rss_stat[kernel::MM_SHMEMPAGES].count = static_cast<__s64>(process.shmem);
        task.memory.rss_stat[kernel::MM_ANONPAGES].count = static_cast<__s64>(process.anon);
        task.memory.rss_stat[kernel::MM_SWAPENTS].count = static_cast<__s64>(process.swap);
        task.memory.pgtables_bytes.counter = static_cast<long>(process.tables * 4096);
    }
    return where;
}

/// How the plain statement names and measures what is in that model.
plain_place place_of_seen(const snapshot& seen, std::uint64_t scope_max) {
    auto place = place_in_model();
    place.id = [&seen](const std::string& path) { return seen.cgroups.at(path).id; };
    place.swap_mib = 0;
    place.measured = plain_measure{
        .usage = [&seen](const std::string& path) { return seen.cgroups.at(path).usage * 4096; },
        .cache =
            [&seen](const std::string& path) {
                const auto& one = seen.cgroups.at(path);
                return (one.file - std::min(one.file, one.shmem)) * 4096;
            },
        .shmem = [&seen](const std::string& path) { return seen.cgroups.at(path).shmem * 4096; },
        .process =
            [&seen](const tree_process& process) {
                const auto& one = seen.processes.at(process.number);
                return plain_size{one.anon * 4096, one.file * 4096, one.shmem * 4096,
                                  one.swap * 4096, one.tables * 4096};
            },
        .scope_max = scope_max};
    return place;
}

plain_rule rule_for(plain_rule::by policy, std::uint64_t seed) {
    dice dice{seed ^ 0x5a3e};
    plain_rule rule{.policy = policy};
    rule.rails.mode = OOMX_SHADOW;
    if (policy == plain_rule::by::badness) {
        rule.ranking.granularity = OOMX_PROCESS; // the kernel's own
        return rule;
    }
    rule.ranking.level = dice.in_hundred(40) ? dice.below(4) : 0;
    rule.ranking.granularity = dice.in_hundred(50) ? OOMX_PROCESS : OOMX_CGROUP;
    rule.least = dice.in_hundred(30) ? std::uint64_t{dice.below(12)} << 20 : 0;
    return rule;
}

/// A policy that the kernel has verified, for one tree after the other.
template <oomx::oom_policy P>
struct in_kernel {
    oomx::loaded_policy<P> policy = must(oomx::load<P>());
    oomx::events events = must(policy.events());

    /// Nothing is left of the tree before, whose records were read or are not wanted.
    void begin(const plain_rule& rule) {
        must(policy.reconfigure(options_of<P>(rule)));
        must(policy.forget_removed());
        must(events.poll(std::chrono::milliseconds{0}, [](const oomx::decision&) {}));
    }
};

/// A policy as it is in the kernel and as it is built natively.
template <oomx::oom_policy P>
class twice {
public:
    twice(in_kernel<P>& loaded, const random_tree& tree, plain_rule::by by,
          const control_group& where, const real_tree& real, bool prefers)
        : tree_{tree}, rule_{rule_for(by, tree.seed)}, events_{loaded.events},
          native_{must(oomx::native::policy<P>::make(options_of<P>(rule_)))}, where_{where.id()} {
        loaded.begin(rule_);
        for (const auto& one : tree.cgroups) {
            // In the place of the tree: what the kernel does not know of.
            if (one.preference && prefers) {
                const auto said = oomx::preference::from(*one.preference);
                const auto at = real.at(one.path).open();
                must(loaded.policy.prefer(at, said));
                must(native_.prefer(at.id(), said));
            }
        }
        attachment_ = std::make_unique<oomx::attachment>(must(loaded.policy.attach(where.open())));
    }

    /// Whether what it recorded is of what was seen.
    bool saw(const snapshot& seen) {
        record_ = recorded(seen);
        std::map<std::uint64_t, std::uint64_t> usage;
        for (const auto& [path, cgroup] : seen.cgroups) {
            usage[cgroup.id] = cgroup.usage * 4096;
        }
        bool same = record_.scope_usage == usage.at(record_.scope);
        for (std::uint32_t i = 0; i < record_.top_count; ++i) {
            same = same && record_.top[i].usage == usage.at(record_.top[i].cgroup_id);
        }
        for (std::uint32_t i = 0; i < record_.spared_count; ++i) {
            same = same && record_.spared[i].usage == usage.at(record_.spared[i].cgroup_id);
        }
        return same;
    }

    /// Checks that record, and gives the plain answer.
    plain_answer check(const snapshot& seen, std::uint64_t scope_max, bool prefers) {
        const auto& in_kernel = record_;
        const auto natively = decided(seen, scope_max);
        auto place = place_of_seen(seen, scope_max);
        auto tree = tree_;
        if (!prefers) {
            for (auto& one : tree.cgroups) {
                one.preference.reset();
            }
        }
        auto expected = plain_statement{tree, rule_, place}.answer();
        INFO(fmt::format("in the kernel: {}\nnatively: {}\nby the rule: {}",
                         oomx::decision{in_kernel}, oomx::decision{natively},
                         oomx::decision{expected.record}));
        CHECK(same(natively, in_kernel));
        CHECK(same(natively, expected.record));
        return expected;
    }

private:
    /// The first decision, with the pids of the model.
    oomx_decision recorded(const snapshot& seen) {
        std::vector<oomx_decision> records;
        must(events_.poll(std::chrono::milliseconds{0},
                          [&](const oomx::decision& one) { records.push_back(one.raw()); }));
        REQUIRE_FALSE(records.empty());
        auto& record = records.front();
        CHECK(record.attached_to == static_cast<std::uint64_t>(where_));
        record.attached_to = 0;
        for (const auto& [number, process] : seen.processes) {
            if (process.pid == record.victim_pid) {
                record.victim_pid = pid_in_model({.number = number});
                break;
            }
        }
        return record;
    }

    oomx_decision decided(const snapshot& seen, std::uint64_t scope_max) {
        auto where = model_of_seen(tree_, seen);
        oomx::native::detail::oom now{};
        const auto scope = seen.cgroups.at(tree_.cgroups[tree_.scope].path).id;
        now.memcg = &where.find(oomx::cgroup_id{scope})->memcg;
        now.memcg->memory.max = scope_max / 4096;
        now.totalpages = scope_max / 4096;
        oomx::native::detail::runtime running{where, native_, now};
        CHECK_FALSE(running.run(0));
        CHECK(running.fault() == oomx::native::fault::none);
        oomx_decision record{};
        native_.drain_raw([&](std::span<const std::byte> one) {
            REQUIRE(one.size() == sizeof record);
            std::memcpy(&record, one.data(), sizeof record);
        });
        return record;
    }

    static bool same(oomx_decision a, oomx_decision b) {
        for (auto* const one : {&a, &b}) {
            one->time_ns = one->decided_ns = one->took_ns = one->generation = one->tasks = 0;
            std::memset(one->victim_comm, 0, sizeof one->victim_comm);
        }
        return std::memcmp(&a, &b, sizeof a) == 0;
    }

    const random_tree& tree_;
    plain_rule rule_;
    oomx::events& events_;
    oomx::native::policy<P> native_;
    oomx::cgroup_id where_;
    std::unique_ptr<oomx::attachment> attachment_;
    oomx_decision record_{};
};

/// The numbers of those who are dead, once the kernel has done what it began.
std::set<int> dead_of(const random_tree& tree, real_tree& real, const std::set<int>& expected) {
    std::set<int> dead;
    for (const auto& one : tree.cgroups) {
        for (const auto& process : one.processes) {
            auto& hog = real.process(process.number);
            if (expected.contains(process.number) ? hog.was_killed() : !hog.lives()) {
                dead.insert(process.number);
            }
        }
    }
    return dead;
}

/// What the kernel runs, loaded once.
struct kernel_side {
    declarer kernel;
    in_kernel<badness> as_kernel;
    in_kernel<largest_leaf> by_size;
    in_kernel<tiers> by_tier;
};

/// False if something was given back between the look at the tree and the OOM.
bool check_tree(std::uint64_t seed, kernel_side& side) {
    const auto tree = make_random_tree(seed);
    auto outer = control_group::make("outer");
    auto inner = outer.child("inner");
    real_tree real{tree, inner};
    twice<badness> as_kernel{side.as_kernel, tree, plain_rule::by::badness,
                             real.scope(),   real, false};
    twice<largest_leaf> by_size{side.by_size, tree, plain_rule::by::largest_leaf,
                                inner,        real, true};
    twice<tiers> by_tier{side.by_tier, tree, plain_rule::by::tiers, outer, real, true};
    const auto seen = real.look(side.kernel);
    const auto scope_max = must(real.scope().open().memory_max()).amount().count();

    side.kernel.declare(real.scope().id());

    if (!as_kernel.saw(seen) || !by_size.saw(seen) || !by_tier.saw(seen)) {
        return false;
    }
    by_size.check(seen, scope_max, true);
    by_tier.check(seen, scope_max, true);
    const auto expected = as_kernel.check(seen, scope_max, false);
    real.scope().set("memory.max", "max"); // or those that live could not answer
    CHECK(dead_of(tree, real, expected.victims) == expected.victims);
    return true;
}

} // namespace

TEST_CASE("In the kernel, natively and by the rule a policy decides alike, badness as the kernel") {
    const char* const only = std::getenv("OOMX_TREE");
    const std::uint64_t first = only != nullptr ? std::stoull(only) : 0;
    const std::uint64_t last = only != nullptr ? first + 1 : OOMX_REAL_TREES;
    kernel_side kernel;
    int moved = 0;
    for (auto seed = first; seed < last; ++seed) {
        INFO(fmt::format("tree {}", seed));
        while (!check_tree(seed, kernel)) {
            REQUIRE(++moved < 50);
        }
        if ((seed + 1) % 20 == 0) {
            fmt::print("{} of {} trees; {} were made anew, as they moved\n", seed + 1, last, moved);
            std::fflush(stdout);
        }
    }
}
