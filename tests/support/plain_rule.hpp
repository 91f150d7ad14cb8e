// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// What the policies and their rails have to say of a random tree, written down once more, plainly:
// neither fast nor bounded, and with no line in common with what it is compared to.
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <tuple>
#include <vector>

#include <oomx/candidate.h>
#include <oomx/config.h>
#include <oomx/decision.h>

#include "random_tree.hpp"

namespace oomx::test {

/// Which policy, and its options.
struct plain_rule {
    enum class by { largest_leaf, badness, tiers };

    by policy = by::largest_leaf;
    oomx_rails rails{0, 1024, 10'000, OOMX_ENFORCE, 0};
    oomx_ranking ranking{0, OOMX_CGROUP};
    std::uint64_t least = 0; ///< min_usage or min_over, bytes

    [[nodiscard]] std::string_view name() const {
        return policy == by::largest_leaf ? "largest_leaf"
               : policy == by::badness    ? "badness"
                                          : "tiers";
    }
};

/// What a process holds: bytes.
struct plain_size {
    std::uint64_t rss = 0;
    std::uint64_t swap = 0;
    std::uint64_t page_tables = 0;
};

/// What was measured of a tree that is real: bytes.
struct plain_measure {
    std::function<std::uint64_t(const std::string& path)> usage;
    std::function<std::uint64_t(const std::string& path)> cache;
    std::function<plain_size(const tree_process&)> process;
    std::uint64_t scope_max = 0;
};

/// Where the tree is: its names become ids there.
struct plain_place {
    std::function<std::uint64_t(const std::string& path)> id;
    std::function<int(const tree_process&)> pid;
    std::function<std::string(const tree_process&)> comm{}; ///< without it: empty
    std::uint64_t ram_mib = 0;
    std::uint64_t swap_mib = 0;
    std::optional<plain_measure> measured{}; ///< without it the sizes are those of the tree
};

/// The record but for its times, and who dies, or would if it were not in shadow mode.
struct plain_answer {
    oomx_decision record{};
    std::set<int> victims; ///< tree_process::number
    std::set<int> dead;    ///< as above: none in shadow mode
};

/// Of one tree by one rule.
class plain_statement {
public:
    plain_statement(const random_tree& tree, const plain_rule& rule, const plain_place& place)
        : tree_{tree}, rule_{rule}, place_{place} {}

    [[nodiscard]] plain_answer answer() {
        auto& record = answer_.record;
        record.event = {OOMX_RECORD_VERSION, OOMX_EVENT_DECISION, sizeof record};
        record.min_interval_ns = rule_.rails.min_interval_ns;
        record.max_processes = rule_.rails.max_processes;
        record.max_candidates = rule_.rails.max_candidates;
        record.mode = rule_.rails.mode;
        record.granularity = rule_.ranking.granularity;
        std::memcpy(record.policy, rule_.name().data(), rule_.name().size());
        if (!tree_.system_wide) {
            record.scope = place_.id(tree_.cgroups[tree_.scope].path);
            record.scope_usage = usage(tree_.scope);
            record.scope_max = scope_max();
        }
        find_units();
        judge_units();
        if (eligible_.empty()) {
            record.result = OOMX_RESULT_NO_VICTIM;
        } else {
            kill(eligible_.front());
        }
        fill(record.top, record.top_count, OOMX_TOP, eligible_);
        fill(record.spared, record.spared_count, OOMX_SPARED, spared_);
        return answer_;
    }

private:
    struct unit {
        std::size_t cgroup;
        oomx_entry entry;
    };

    static constexpr std::uint64_t mib(std::uint64_t count) { return count << 20; }

    [[nodiscard]] const tree_cgroup& at(std::size_t place) const { return tree_.cgroups[place]; }

    [[nodiscard]] bool has_children(std::size_t place) const {
        for (std::size_t child = 1; child < tree_.cgroups.size(); ++child) {
            if (at(child).parent == place && !at(child).offline) {
                return true;
            }
        }
        return false;
    }

    /// Sum of something over a cgroup and all below it.
    template <typename Each>
    [[nodiscard]] std::uint64_t sum(std::size_t top, Each each) const {
        std::uint64_t all = 0;
        for (std::size_t place = 0; place < tree_.cgroups.size(); ++place) {
            if (tree_.is_within(place, top)) {
                all += static_cast<std::uint64_t>(each(at(place)));
            }
        }
        return all;
    }

    [[nodiscard]] std::uint64_t scope_max() const {
        return place_.measured ? place_.measured->scope_max : mib(tree_.scope_mib);
    }

    [[nodiscard]] std::uint64_t usage(std::size_t top) const {
        return place_.measured ? place_.measured->usage(at(top).path)
                               : mib(tree_.mib_in(top)) + cache(top);
    }

    [[nodiscard]] plain_size size(const tree_process& process) const {
        return place_.measured ? place_.measured->process(process)
                               : plain_size{.rss = mib(process.mib), .swap = mib(process.swap_mib)};
    }

    [[nodiscard]] std::uint64_t cache(std::size_t top) const {
        if (place_.measured) {
            return place_.measured->cache(at(top).path);
        }
        return mib(sum(top, [](const tree_cgroup& one) { return one.cache_mib; }));
    }

    /// Those who count, and that can be listed: not who gives nothing back any more.
    [[nodiscard]] std::vector<const tree_process*> processes(std::size_t top) const {
        std::vector<const tree_process*> all;
        for (std::size_t place = 0; place < tree_.cgroups.size(); ++place) {
            if (!tree_.is_within(place, top) || at(place).unreadable) {
                continue;
            }
            for (const auto& process : at(place).processes) {
                if (!process.kernel_thread && !process.spent) {
                    all.push_back(&process);
                }
            }
        }
        return all;
    }

    [[nodiscard]] static bool is_killable(const tree_process& process) {
        return !process.init && !process.kernel_thread && process.oom_score_adj != -1000;
    }

    // --- candidates ---

    void find_units() {
        if (!tree_.system_wide) {
            find_units(tree_.scope, 0);
            return;
        }
        // The root is above all; as all inner cgroups it is no candidate.
        find_units(0, 1);
    }

    void find_units(std::size_t place, std::uint32_t depth) {
        if (at(place).oom_group || !has_children(place) ||
            (depth > 0 && depth == rule_.ranking.level)) {
            units_.push_back({place, {}});
            return;
        }
        for (std::size_t child = 1; child < tree_.cgroups.size(); ++child) {
            if (at(child).parent == place && !at(child).offline) {
                find_units(child, depth + 1);
            }
        }
    }

    [[nodiscard]] std::uint32_t rails_say(const unit& one) const {
        const auto all = processes(one.cgroup);
        const auto killable = std::ranges::count_if(
            all, [](const tree_process* process) { return is_killable(*process); });
        const bool by_cgroup = rule_.ranking.granularity == OOMX_CGROUP;
        const bool whole = by_cgroup || at(one.cgroup).oom_group;
        if (sum(one.cgroup, [](const tree_cgroup& part) {
                return part.unreadable && !part.offline ? 1 : 0;
            }) > 0) {
            return OOMX_VERDICT_UNREADABLE;
        }
        if (all.empty()) {
            return OOMX_VERDICT_EMPTY;
        }
        if (is_never_killed(one.cgroup)) {
            return OOMX_VERDICT_SPARED_NEVER;
        }
        if (std::ranges::any_of(all, &tree_process::init) && (whole || killable == 0)) {
            return OOMX_VERDICT_SPARED_INIT;
        }
        if (std::ranges::any_of(
                all, [](const tree_process* process) { return process->oom_score_adj == -1000; }) &&
            (by_cgroup || killable == 0)) {
            return OOMX_VERDICT_SPARED_ADJ;
        }
        const bool together = whole || sum(one.cgroup, [](const tree_cgroup& part) {
                                           return part.oom_group && !part.offline ? 1 : 0;
                                       }) > 0;
        if (together && all.size() > rule_.rails.max_processes) {
            return OOMX_VERDICT_SPARED_MANY;
        }
        return OOMX_VERDICT_CANDIDATE;
    }

    /// It, one above it or one below it.
    [[nodiscard]] bool is_never_killed(std::size_t top) const {
        for (std::size_t place = 0; place < tree_.cgroups.size(); ++place) {
            const auto& said = at(place).preference;
            if (said && said->never_kill != 0 && !at(place).offline &&
                (tree_.is_within(place, top) || tree_.is_within(top, place))) {
                return true;
            }
        }
        return false;
    }

    [[nodiscard]] oomx_preference preference(std::size_t place) const {
        while (!at(place).preference && place != 0) {
            place = at(place).parent;
        }
        return at(place).preference.value_or(oomx_preference{});
    }

    // --- the rules ---

    [[nodiscard]] std::uint64_t score(const unit& one) const {
        switch (rule_.policy) {
        case plain_rule::by::largest_leaf: {
            const auto size = usage(one.cgroup) - cache(one.cgroup);
            return size < rule_.least ? 0 : size;
        }
        case plain_rule::by::badness:
            return badness(*worst(one.cgroup));
        default: {
            const auto protection = mib(std::max(at(one.cgroup).min_mib, at(one.cgroup).low_mib));
            const auto over = usage(one.cgroup) - std::min(usage(one.cgroup), protection);
            const std::uint64_t tier = preference(one.cgroup).tier;
            return tier == 0 || over == 0 || over < rule_.least ? 0 : tier << 48 | over;
        }
        }
    }

    /// Counted from the middle, because a process may be better than none.
    [[nodiscard]] std::uint64_t badness(const tree_process& process) const {
        const auto most = tree_.system_wide ? mib(place_.ram_mib) : scope_max();
        const auto pages = std::max<std::uint64_t>((most + mib(place_.swap_mib)) / 4096, 1);
        const auto [rss, swap, page_tables] = size(process);
        return (std::uint64_t{1} << 62) + (rss + swap + page_tables) / 1024 +
               static_cast<std::uint64_t>(process.oom_score_adj) * (pages / 1000) * 4;
    }

    /// Whom of a cgroup to kill, if only one: for badness its rule, else the largest.
    [[nodiscard]] const tree_process* worst(std::size_t top) const {
        const auto rank = [&](const tree_process& one) {
            const auto held = size(one);
            const auto score =
                rule_.policy == plain_rule::by::badness ? badness(one) : held.rss + held.swap;
            return std::tuple{score, held.rss, -place_.pid(one)};
        };
        const tree_process* found = nullptr;
        for (const auto* const one : processes(top)) {
            if (is_killable(*one) && (found == nullptr || rank(*one) > rank(*found))) {
                found = one;
            }
        }
        return found;
    }

    // --- the record ---

    void judge_units() {
        auto& record = answer_.record;
        for (auto& one : units_) {
            auto& entry = one.entry;
            const auto said = preference(one.cgroup);
            entry = {place_.id(at(one.cgroup).path),
                     0,
                     usage(one.cgroup),
                     static_cast<__u32>(processes(one.cgroup).size()),
                     rails_say(one),
                     said.tier,
                     said.preference};
            if (entry.verdict == OOMX_VERDICT_CANDIDATE) {
                entry.score = score(one);
                entry.verdict =
                    entry.score == 0 ? OOMX_VERDICT_SPARED_POLICY : OOMX_VERDICT_CANDIDATE;
            }
            ++record.considered;
            ++record.verdicts[entry.verdict];
            if (entry.verdict == OOMX_VERDICT_CANDIDATE) {
                eligible_.push_back(one);
            } else if (entry.verdict != OOMX_VERDICT_EMPTY) {
                spared_.push_back(one);
            }
        }
        record.eligible = static_cast<__u32>(eligible_.size());
        const auto first = [](const unit& a, const unit& b) {
            return std::tuple{b.entry.score, b.entry.usage, a.entry.cgroup_id} <
                   std::tuple{a.entry.score, a.entry.usage, b.entry.cgroup_id};
        };
        std::ranges::sort(eligible_, first);
        std::ranges::sort(spared_, first);
    }

    void kill(unit& victim) {
        auto& record = answer_.record;
        record.victim = victim.entry.cgroup_id;
        record.victim_score = victim.entry.score;
        record.victim_usage = victim.entry.usage;
        record.result = rule_.rails.mode == OOMX_SHADOW ? OOMX_RESULT_SHADOW : OOMX_RESULT_KILLED;
        --record.verdicts[OOMX_VERDICT_CANDIDATE];
        ++record.verdicts[OOMX_VERDICT_CHOSEN];
        victim.entry.verdict = OOMX_VERDICT_CHOSEN;
        if (rule_.ranking.granularity == OOMX_CGROUP) {
            for (const auto* const one : processes(victim.cgroup)) {
                answer_.victims.insert(one->number);
            }
        } else {
            kill_one(victim);
        }
        if (rule_.rails.mode != OOMX_SHADOW) {
            record.killed = rule_.ranking.granularity == OOMX_PROCESS
                                ? 1
                                : static_cast<__u32>(answer_.victims.size());
            answer_.dead = answer_.victims;
        }
    }

    void kill_one(const unit& victim) {
        const auto* const one = worst(victim.cgroup);
        auto& record = answer_.record;
        record.victim_pid = place_.pid(*one);
        const auto comm = (place_.comm ? place_.comm(*one) : std::string{})
                              .substr(0, sizeof record.victim_comm - 1);
        std::memcpy(record.victim_comm, comm.data(), comm.size());
        answer_.victims.insert(one->number);
        if (const auto group = oom_group_of(*one)) {
            for (const auto* const member : processes(*group)) {
                if (is_killable(*member)) {
                    answer_.victims.insert(member->number);
                }
            }
        }
    }

    /// The topmost memory.oom.group from the process to the scope.
    [[nodiscard]] std::optional<std::size_t> oom_group_of(const tree_process& process) const {
        std::optional<std::size_t> group;
        for (std::size_t place = 0; place < tree_.cgroups.size(); ++place) {
            const bool holds = sum(place, [&](const tree_cgroup& part) {
                                   return std::ranges::count(part.processes, process.number,
                                                             &tree_process::number);
                               }) > 0;
            if (holds && at(place).oom_group && !group &&
                (tree_.system_wide || tree_.is_within(place, tree_.scope))) {
                group = place; // parents come first
            }
        }
        return group;
    }

    static void fill(oomx_entry* list, __u32& count, std::size_t most,
                     const std::vector<unit>& from) {
        for (const auto& one : from) {
            if (count < most) {
                list[count++] = one.entry;
            }
        }
    }

    const random_tree& tree_;
    const plain_rule& rule_;
    const plain_place& place_;
    plain_answer answer_;
    std::vector<unit> units_;
    std::vector<unit> eligible_;
    std::vector<unit> spared_;
};

} // namespace oomx::test
