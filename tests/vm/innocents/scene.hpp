// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <csignal>
#include <cstdlib>
#include <functional>
#include <memory>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <unistd.h>

#include <catch2/catch_message.hpp>
#include <fmt/format.h>

#include <oomx/oomx.hpp>
#include <oomx/policies/badness.hpp>
#include <oomx/policies/largest_leaf.hpp>
#include <oomx/policies/tiers.hpp>

#include "../support.hpp"

namespace oomx::test {

/// Who decides in a scene: a bundled policy, or with none of them the kernel.
enum class killer { largest_leaf, badness, tiers, kernel };

constexpr std::string_view name_of(killer who) {
    switch (who) {
    case killer::largest_leaf:
        return policies::largest_leaf::name;
    case killer::badness:
        return policies::badness::name;
    case killer::tiers:
        return policies::tiers::name;
    case killer::kernel:
        break;
    }
    return "kernel";
}

/// With whom a case is tried: the usual ones, or the one that OOMX_KILLER names. "kernel" shows
/// what happens without a policy.
inline std::vector<killer> killers(std::vector<killer> usual) {
    const char* const only = std::getenv("OOMX_KILLER");
    if (only == nullptr) {
        return usual;
    }
    for (const auto one : {killer::largest_leaf, killer::badness, killer::tiers, killer::kernel}) {
        if (only == name_of(one)) {
            return {one};
        }
    }
    throw std::runtime_error{fmt::format("find killer '{}' of OOMX_KILLER: there is none", only)};
}

/// How often each case is tried: some innocents die in races.
inline int rounds() {
    const char* const said = std::getenv("OOMX_ROUNDS");
    return said != nullptr ? std::stoi(said) : 3;
}

/// A cgroup and the process in it that holds its memory.
struct tenant {
    control_group group;
    hog process;
};

/// A cgroup whose tenants run out of memory, and who decides there. Tries a case in rounds, and
/// prints who died in them.
///
///     scene scene{killer::badness, "a case"};
///     while (scene.next_round()) {
///         auto large = scene.add("large", 60_MiB);
///         scene.run_out_of_memory(10_MiB);
///         CHECK(scene.was_killed(large));
///     }
class scene {
public:
    scene(killer who, std::string what, const oomx::rails& rails = {},
          const oomx::ranking& ranking = {})
        : what_{std::move(what)}, who_{who}, decisions_{decide(rails, ranking)} {}
    scene(const scene&) = delete;
    scene& operator=(const scene&) = delete;
    ~scene() {
        fmt::print("{:<60} {:<12} {:>2} rounds, killed: {} of {} victims, {} of {} innocents\n",
                   what_, name_of(who_), round_, victims_killed_, victims_, innocents_killed_,
                   innocents_);
    }

    bool next_round() {
        if (round_ == rounds()) {
            return false;
        }
        round_++;
        return true;
    }

    [[nodiscard]] const control_group& scope() const { return scope_; }

    [[nodiscard]] tenant add(std::string_view name, bytes size, const hog_options& options = {}) {
        return add_below(scope_, name, size, options);
    }

    static tenant add_below(const control_group& parent, std::string_view name, bytes size,
                            const hog_options& options = {}) {
        auto group = parent.child(name);
        auto process = hog::start(group, options);
        process.grow(size);
        return {std::move(group), std::move(process)};
    }

    /// The scope may hold that much less than it does, until it does.
    void run_out_of_memory(bytes by) const { run_out_of_memory(scope_, by); }

    /// The same for a cgroup of the scene. Whoever claims an OOM for ever and frees nothing would
    /// hold the write up for ever; the alarm ends the write.
    static void run_out_of_memory(const control_group& where, bytes by) {
        struct sigaction nothing{};
        nothing.sa_handler = [](int) {};
        ::sigaction(SIGALRM, &nothing, nullptr);
        ::alarm(20);
        where.set("memory.max", bytes{must(where.open().memory_current()).count() - by.count()});
        ::alarm(0);
        where.set("memory.max", "max");
    }

    /// Whether there was an OOM at all: a victim that dies by itself may be faster.
    [[nodiscard]] long ooms() const { return scope_.event("oom"); }

    /// Whether who had to die was killed; waits for its end. Who still answers was not.
    bool was_killed(tenant& victim) { return was_killed(victim.process); }
    bool was_killed(hog& victim) {
        victims_++;
        const bool killed = !victim.lives() && victim.was_killed();
        victims_killed_ += killed ? 1 : 0;
        return explained(killed);
    }

    /// Whether who had to live does, and nobody beside it was killed.
    bool survived(tenant& innocent) {
        return survived(innocent.process.lives() && innocent.group.event("oom_kill") == 0);
    }
    bool survived(hog& innocent) { return survived(innocent.lives()); }
    bool survived(process& innocent) { return survived(innocent.alive()); }
    bool survived(bool lives) {
        innocents_++;
        innocents_killed_ += lives ? 0 : 1;
        return explained(lives);
    }

private:
    /// What was decided until now, for who reads of a failure. Holds the policy in force.
    std::function<std::string()> decide(const oomx::rails& rails, const oomx::ranking& ranking) {
        switch (who_) {
        case killer::largest_leaf:
            return decide<policies::largest_leaf>({.ranking = ranking, .rails = rails});
        case killer::badness:
            return decide<policies::badness>({.ranking = ranking, .rails = rails});
        case killer::tiers:
            return decide<policies::tiers>({.ranking = ranking, .rails = rails});
        case killer::kernel:
            break;
        }
        return [] { return std::string{"the kernel decides"}; };
    }

    template <oom_policy P>
    std::function<std::string()> decide(const typename P::options& options) {
        auto loaded = must(load<P>(options));
        must(loaded.prefer(scope_.open(), {.tier = 1}));
        return [policy = std::make_shared<deciding<P>>(std::move(loaded), scope_.open())] {
            const auto counted = policy->counters();
            return fmt::format("{}\nhandled {}, declined {}, waited {}",
                               fmt::join(policy->decisions(), "\n"), counted.handled,
                               counted.declined, counted.waited);
        };
    }

    bool explained(bool as_expected) const {
        if (!as_expected) {
            UNSCOPED_INFO(
                fmt::format("round {} of {}, {}: {}", round_, what_, name_of(who_), decisions_()));
        }
        return as_expected;
    }

    std::string what_;
    killer who_;
    control_group scope_ = control_group::make("scope");
    std::function<std::string()> decisions_;
    int round_ = 0;
    int victims_ = 0;
    int victims_killed_ = 0;
    int innocents_ = 0;
    int innocents_killed_ = 0;
};

} // namespace oomx::test
