// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// What the policies and their rails have to say of a random tree, written down once more, plainly:
// neither fast nor bounded, and with no line in common with what it is compared to.
#pragma once

#include <algorithm>
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
    oomx_rails rails{0, 1024, 10'000, OOMX_ENFORCE, 100'000, 0, 0};
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
    std::uint64_t anon = 0;
    std::uint64_t file = 0;
    std::uint64_t shmem = 0;
    std::uint64_t swap = 0;
    std::uint64_t page_tables = 0;

    [[nodiscard]] std::uint64_t rss() const { return anon + file + shmem; }
};

/// What was measured of a tree that is real: bytes.
struct plain_measure {
    std::function<std::uint64_t(const std::string& path)> usage;
    std::function<std::uint64_t(const std::string& path)> cache;
    std::function<std::uint64_t(const std::string& path)> shmem;
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

/// The record but for its times and how much was looked at, and who dies, or would if it were not
/// in shadow mode.
struct plain_answer {
    oomx_decision record{};
    std::set<int> victims; ///< tree_process::number
    std::set<int> dead;    ///< as above: none in shadow mode
};

/// Of one tree by one rule.
class plain_statement {
public:
    plain_statement(const random_tree& tree, const plain_rule& rule, const plain_place& place)
        : tree_{tree}, rule_{rule}, place_{place} {
        for (std::size_t at = 0; at < tree.cgroups.size(); ++at) {
            for (const auto& process : tree.cgroups[at].processes) {
                everybody_.push_back({&process, at});
            }
        }
    }

    [[nodiscard]] plain_answer answer() {
        auto& record = answer_.record;
        record.event = {OOMX_RECORD_VERSION, OOMX_EVENT_DECISION, sizeof record};
        record.min_interval_ns = rule_.rails.min_interval_ns;
        record.max_processes = rule_.rails.max_processes;
        record.max_candidates = rule_.rails.max_candidates;
        record.max_tasks = rule_.rails.max_tasks;
        record.min_relief = rule_.rails.min_relief;
        record.mode = rule_.rails.mode;
        record.granularity = rule_.ranking.granularity;
        std::memcpy(record.policy, rule_.name().data(), rule_.name().size());
        if (!tree_.system_wide) {
            record.scope = place_.id(tree_.cgroups[tree_.scope].path);
            record.scope_usage = usage(tree_.scope);
            record.scope_max = scope_max();
        }
        find_units();
        leave_out();
        judge_units();
        if (eligible_.empty()) {
            record.result = OOMX_RESULT_NO_VICTIM;
        } else {
            choose(eligible_.front());
        }
        fill(record.top, record.top_count, OOMX_TOP, eligible_);
        fill(record.spared, record.spared_count, OOMX_SPARED, spared_);
        return answer_;
    }

    /// Whether a process is spared for others that use its memory: the kernel kills all of them.
    [[nodiscard]] bool is_shared_elsewhere(const tree_process& process) const {
        return std::ranges::any_of(everybody_, [&](const somebody& other) {
            return share(process, *other.process) && !other.process->in_vfork &&
                   (other.home != home_of(process) || other.process->init ||
                    other.process->oom_score_adj == -1000);
        });
    }

    /// Those and all who use their memory, but whom the kernel itself spares.
    [[nodiscard]] std::set<int> with_sharers(const std::set<int>& some) const {
        auto all = some;
        for (const auto& other : everybody_) {
            const auto& process = *other.process;
            if (!process.init && !process.kernel_thread && !process.spent &&
                std::ranges::any_of(some,
                                    [&](int one) { return share(tree_.process(one), process); })) {
                all.insert(process.number);
            }
        }
        return all;
    }

private:
    struct unit {
        std::size_t cgroup;
        oomx_entry entry;
    };

    struct somebody {
        const tree_process* process;
        std::size_t home;
    };

    static constexpr std::uint64_t mib(std::uint64_t count) { return count << 20; }
    static constexpr std::uint64_t page = 4096;

    static constexpr std::uint64_t less(std::uint64_t from, std::uint64_t what) {
        return from - std::min(from, what);
    }

    [[nodiscard]] const tree_cgroup& at(std::size_t place) const { return tree_.cgroups[place]; }

    [[nodiscard]] std::size_t home_of(const tree_process& process) const {
        return std::ranges::find(everybody_, &process, &somebody::process)->home;
    }

    /// Two of them use one address space.
    [[nodiscard]] static bool share(const tree_process& a, const tree_process& b) {
        const auto memory = [](const tree_process& one) {
            return one.memory_of == 0 ? one.number : one.memory_of;
        };
        return a.number != b.number && memory(a) == memory(b);
    }

    [[nodiscard]] bool shares_with_anybody(const tree_process& process) const {
        return std::ranges::any_of(everybody_, [&](const somebody& other) {
            return share(process, *other.process) && !other.process->in_vfork;
        });
    }

    [[nodiscard]] std::vector<std::size_t> children_of(std::size_t place) const {
        std::vector<std::size_t> children;
        for (std::size_t child = 1; child < tree_.cgroups.size(); ++child) {
            if (at(child).parent == place && !at(child).offline) {
                children.push_back(child);
            }
        }
        return children;
    }

    /// Of a cgroup and all below it that were not removed.
    [[nodiscard]] std::vector<std::size_t> parts_of(std::size_t top) const {
        std::vector<std::size_t> parts;
        for (std::size_t place = 0; place < tree_.cgroups.size(); ++place) {
            if (tree_.is_within(place, top) && !at(place).offline) {
                parts.push_back(place);
            }
        }
        return parts;
    }

    [[nodiscard]] bool has_part(std::size_t top, bool tree_cgroup::* what) const {
        return std::ranges::any_of(parts_of(top), [&](std::size_t part) { return at(part).*what; });
    }

    /// Sum of something over a cgroup and all that is or was below it.
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

    // --- what they hold: bytes ---

    [[nodiscard]] std::uint64_t scope_max() const {
        return place_.measured ? place_.measured->scope_max : mib(tree_.scope_mib);
    }

    [[nodiscard]] std::uint64_t usage(std::size_t top) const {
        return place_.measured ? place_.measured->usage(at(top).path)
                               : mib(tree_.mib_in(top)) + cache(top);
    }

    [[nodiscard]] std::uint64_t cache(std::size_t top) const {
        if (place_.measured) {
            return place_.measured->cache(at(top).path);
        }
        return mib(sum(top, [](const tree_cgroup& one) { return one.cache_mib; }));
    }

    [[nodiscard]] std::uint64_t shmem(std::size_t top) const {
        if (place_.measured) {
            return place_.measured->shmem(at(top).path);
        }
        return mib(sum(top, [](const tree_cgroup& one) {
            std::uint32_t all = one.tmpfs_mib;
            for (const auto& process : one.processes) {
                all += process.shmem_mib + (process.spent ? process.mib : 0);
            }
            return all;
        }));
    }

    [[nodiscard]] plain_size size(const tree_process& process) const {
        const auto& owner = process.memory_of == 0 ? process : tree_.process(process.memory_of);
        return place_.measured ? place_.measured->process(owner)
                               : plain_size{.anon = mib(owner.mib),
                                            .shmem = mib(owner.shmem_mib),
                                            .swap = mib(owner.swap_mib)};
    }

    // --- processes ---

    /// Those who count, and that can be listed: not who gives nothing back any more.
    [[nodiscard]] std::vector<const tree_process*> processes(std::size_t top) const {
        std::vector<const tree_process*> all;
        for (const auto part : parts_of(top)) {
            if (at(part).unreadable) {
                continue;
            }
            for (const auto& process : at(part).processes) {
                if (!process.kernel_thread && !process.spent && !process.in_vfork) {
                    all.push_back(&process);
                }
            }
        }
        return all;
    }

    [[nodiscard]] bool is_said_never(std::size_t place) const {
        const auto& said = at(place).preference;
        return said && said->never_kill != 0;
    }

    /// Why this process of a candidate must not die: OOMX_VERDICT_CANDIDATE if it may.
    [[nodiscard]] std::uint32_t why_spared(const tree_process& process) const {
        if (process.init) {
            return OOMX_VERDICT_SPARED_INIT;
        }
        if (process.oom_score_adj == -1000) {
            return OOMX_VERDICT_SPARED_ADJ;
        }
        if (is_below_never(home_of(process))) {
            return OOMX_VERDICT_SPARED_NEVER;
        }
        return is_shared_elsewhere(process) ? OOMX_VERDICT_SPARED_SHARED : OOMX_VERDICT_CANDIDATE;
    }

    /// It, or one above it.
    [[nodiscard]] bool is_below_never(std::size_t place) const {
        while (!is_said_never(place) && place != 0) {
            place = at(place).parent;
        }
        return is_said_never(place);
    }

    /// How many of a candidate are spared for that.
    [[nodiscard]] std::size_t count(std::size_t top, std::uint32_t why) const {
        return static_cast<std::size_t>(
            std::ranges::count_if(processes(top), [&](const tree_process* process) {
                return why_spared(*process) == why;
            }));
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
        const auto children = children_of(place);
        if (at(place).oom_group || children.empty() ||
            (depth > 0 && depth == rule_.ranking.level)) {
            units_.push_back({place, {}});
            return;
        }
        for (const auto child : children) {
            find_units(child, depth + 1);
        }
    }

    /// Beyond max_candidates only the one that holds most is looked at; the others are counted.
    void leave_out() {
        if (units_.size() <= rule_.rails.max_candidates) {
            return;
        }
        const auto beyond = units_.begin() + rule_.rails.max_candidates;
        const auto most = std::ranges::max_element(
            beyond, units_.end(), {}, [&](const unit& one) { return usage(one.cgroup); });
        std::iter_swap(beyond, most);
        const auto left_out = static_cast<__u32>(units_.end() - beyond - 1);
        answer_.record.considered += left_out;
        answer_.record.verdicts[OOMX_VERDICT_OVER_BOUND] += left_out;
        units_.erase(beyond + 1, units_.end());
    }

    [[nodiscard]] std::uint32_t rails_say(std::size_t top) const {
        const bool unreadable = has_part(top, &tree_cgroup::unreadable);
        const auto all = processes(top);
        if (all.empty() && !unreadable) {
            return OOMX_VERDICT_EMPTY;
        }
        if (is_below_never(top)) {
            return OOMX_VERDICT_SPARED_NEVER;
        }
        if (count(top, OOMX_VERDICT_CANDIDATE) > 0) {
            return OOMX_VERDICT_CANDIDATE;
        }
        if (unreadable) {
            return OOMX_VERDICT_UNREADABLE;
        }
        for (const auto why :
             {OOMX_VERDICT_SPARED_INIT, OOMX_VERDICT_SPARED_ADJ, OOMX_VERDICT_SPARED_NEVER}) {
            if (count(top, why) > 0) {
                return why;
            }
        }
        return OOMX_VERDICT_SPARED_SHARED;
    }

    /// Why a candidate that should die together may not: 0 if it may, or should not.
    [[nodiscard]] std::uint32_t why_not_together(std::size_t top) const {
        if (rule_.ranking.granularity == OOMX_PROCESS && !has_part(top, &tree_cgroup::oom_group)) {
            return 0;
        }
        if (has_part(top, &tree_cgroup::unreadable)) {
            return OOMX_VERDICT_UNREADABLE;
        }
        if (processes(top).size() > rule_.rails.max_processes) {
            return OOMX_VERDICT_SPARED_MANY;
        }
        for (const auto why : {OOMX_VERDICT_SPARED_NEVER, OOMX_VERDICT_SPARED_SHARED,
                               OOMX_VERDICT_SPARED_INIT, OOMX_VERDICT_SPARED_ADJ}) {
            if (count(top, why) > 0 || (why == OOMX_VERDICT_SPARED_SHARED && borrows(top))) {
                return why;
            }
        }
        return 0;
    }

    /// With a memory.oom.group of it the kernel would kill a parent that waits in vfork() outside,
    /// or that is spared.
    [[nodiscard]] bool borrows(std::size_t top) const {
        return has_part(top, &tree_cgroup::oom_group) &&
               std::ranges::any_of(everybody_, [&](const somebody& child) {
                   const auto& process = *child.process;
                   if (!process.in_vfork || process.oom_score_adj == -1000 ||
                       at(child.home).unreadable || !tree_.is_within(child.home, top)) {
                       return false;
                   }
                   const auto& parent = tree_.process(process.memory_of);
                   return home_of(parent) != child.home || parent.init ||
                          parent.oom_score_adj == -1000;
               });
    }

    [[nodiscard]] oomx_preference preference(std::size_t place) const {
        while (!at(place).preference && place != 0) {
            place = at(place).parent;
        }
        return at(place).preference.value_or(oomx_preference{});
    }

    // --- the rules ---

    /// What comes back with a kill: neither page cache nor files that nobody has mapped.
    [[nodiscard]] std::uint64_t gain(std::size_t top) const {
        std::uint64_t mapped = 0;
        for (const auto* const process : processes(top)) {
            mapped += size(*process).shmem;
        }
        return less(less(usage(top), cache(top)), less(shmem(top), mapped));
    }

    /// What a cgroup has of its memory.min or memory.low where the scope is reclaimed.
    [[nodiscard]] std::uint64_t protection(std::size_t place,
                                           std::uint32_t tree_cgroup::* setting) const {
        const auto given = [&](std::size_t one) { return mib(at(one).*setting) / page; };
        const auto used = [&](std::size_t one) { return usage(one) / page; };
        const auto claim = [&](std::size_t one) { return std::min(given(one), used(one)); };
        if (!tree_.system_wide && place == tree_.scope) {
            return 0;
        }
        const auto parent = at(place).parent;
        if (tree_.system_wide ? place == 0 : parent == tree_.scope) {
            return given(place) * page;
        }
        const auto parent_has = protection(parent, setting) / page;
        std::uint64_t claimed = 0;
        for (const auto child : children_of(parent)) {
            claimed += claim(child);
        }
        if (claimed > parent_has) {
            return claim(place) * parent_has / claimed * page;
        }
        const auto unclaimed = less(std::min(parent_has, used(parent)), claimed);
        const auto unprotected = less(used(parent), claimed);
        const auto share = tree_.recursive_protection && unprotected > 0
                               ? unclaimed * (used(place) - claim(place)) / unprotected
                               : 0;
        return (claim(place) + share) * page;
    }

    [[nodiscard]] std::uint64_t score(const unit& one) const {
        switch (rule_.policy) {
        case plain_rule::by::largest_leaf: {
            const auto size = gain(one.cgroup);
            return size < rule_.least ? 0 : size;
        }
        case plain_rule::by::badness:
            return badness(*worst(one.cgroup));
        default: {
            const auto over =
                less(usage(one.cgroup), std::max(protection(one.cgroup, &tree_cgroup::min_mib),
                                                 protection(one.cgroup, &tree_cgroup::low_mib)));
            const std::uint64_t tier = preference(one.cgroup).tier;
            return tier == 0 || over == 0 || over < rule_.least ? 0 : tier << 48 | over;
        }
        }
    }

    /// Counted from the middle, because a process may be better than none.
    [[nodiscard]] std::uint64_t badness(const tree_process& process) const {
        const auto pages = std::max<std::uint64_t>(scope_size() / page, 1);
        const auto held = size(process);
        return (std::uint64_t{1} << 62) + (held.rss() + held.swap + held.page_tables) / 1024 +
               static_cast<std::uint64_t>(process.oom_score_adj) * (pages / 1000) * 4;
    }

    /// Whom of a candidate to kill, if only one: for badness its rule, else the largest.
    [[nodiscard]] const tree_process* worst(std::size_t top) const {
        const auto rank = [&](const tree_process& one) {
            const auto held = size(one);
            const auto score =
                rule_.policy == plain_rule::by::badness ? badness(one) : held.rss() + held.swap;
            return std::tuple{score, held.rss(), -place_.pid(one)};
        };
        const tree_process* found = nullptr;
        for (const auto* const one : processes(top)) {
            if (why_spared(*one) == OOMX_VERDICT_CANDIDATE &&
                (found == nullptr || rank(*one) > rank(*found))) {
                found = one;
            }
        }
        return found;
    }

    /// What a kill of a candidate, or of one of it, gives back. A memory.oom.group dies together.
    [[nodiscard]] std::uint64_t frees(std::size_t top, bool one) const {
        if (!one || has_part(top, &tree_cgroup::oom_group)) {
            return gain(top);
        }
        const auto held = size(*worst(top));
        return held.anon + held.shmem + held.page_tables;
    }

    [[nodiscard]] std::uint64_t least_relief() const {
        return scope_size() / 1000 * rule_.rails.min_relief;
    }

    /// The scope cannot hold more than the machine has.
    [[nodiscard]] std::uint64_t scope_size() const {
        const auto ram = mib(place_.ram_mib);
        const auto most = tree_.system_wide ? ram : std::min(ram, scope_max());
        return most + mib(place_.swap_mib);
    }

    // --- the record ---

    void judge_units() {
        auto& record = answer_.record;
        for (auto& one : units_) {
            auto& entry = one.entry;
            const auto said = preference(one.cgroup);
            entry.cgroup_id = place_.id(at(one.cgroup).path);
            entry.usage = usage(one.cgroup);
            entry.processes = static_cast<__u32>(processes(one.cgroup).size());
            entry.verdict = rails_say(one.cgroup);
            entry.tier = said.tier;
            entry.preference = said.preference;
            if (entry.verdict == OOMX_VERDICT_CANDIDATE) {
                entry.only_process = why_not_together(one.cgroup);
                entry.score = score(one);
                entry.verdict =
                    entry.score == 0 ? OOMX_VERDICT_SPARED_POLICY : OOMX_VERDICT_CANDIDATE;
            }
            ++record.considered;
            ++record.verdicts[entry.verdict];
            if (entry.verdict == OOMX_VERDICT_CANDIDATE) {
                eligible_.push_back(one);
            } else if (entry.verdict != OOMX_VERDICT_EMPTY || entry.usage > 0) {
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

    /// The rails spare a chosen one only where the kernel would kill more than the one process
    /// that may die.
    [[nodiscard]] bool dies_with_others(const unit& one) const {
        const auto why = one.entry.only_process;
        return has_part(one.cgroup, &tree_cgroup::oom_group) && why != 0 &&
               why != OOMX_VERDICT_SPARED_INIT && why != OOMX_VERDICT_SPARED_ADJ;
    }

    void choose(unit& victim) {
        auto& record = answer_.record;
        const bool spared = dies_with_others(victim);
        const bool one = rule_.ranking.granularity == OOMX_PROCESS ||
                         (victim.entry.only_process != 0 && !spared);
        const auto verdict = spared ? victim.entry.only_process : __u32{OOMX_VERDICT_CHOSEN};
        record.victim = victim.entry.cgroup_id;
        record.victim_score = victim.entry.score;
        record.victim_usage = victim.entry.usage;
        record.granularity = one ? OOMX_PROCESS : OOMX_CGROUP;
        const bool little = !spared && frees(victim.cgroup, one) < least_relief();
        record.result = spared                            ? OOMX_RESULT_SPARED
                        : little                          ? OOMX_RESULT_TOO_LITTLE
                        : rule_.rails.mode == OOMX_SHADOW ? OOMX_RESULT_SHADOW
                                                          : OOMX_RESULT_KILLED;
        --record.verdicts[OOMX_VERDICT_CANDIDATE];
        ++record.verdicts[verdict];
        victim.entry.verdict = verdict;
        if (one) {
            name_process(*worst(victim.cgroup));
        }
        if (spared || little) {
            return;
        }
        const auto chosen =
            one ? one_of(*worst(victim.cgroup)) : numbers_of(processes(victim.cgroup));
        answer_.victims = with_sharers(chosen);
        if (rule_.rails.mode != OOMX_SHADOW) {
            record.killed = one ? 1 : static_cast<__u32>(chosen.size());
            answer_.dead = answer_.victims;
        }
    }

    void name_process(const tree_process& one) {
        auto& record = answer_.record;
        record.victim_pid = place_.pid(one);
        const auto comm = (place_.comm ? place_.comm(one) : std::string{})
                              .substr(0, sizeof record.victim_comm - 1);
        std::memcpy(record.victim_comm, comm.data(), comm.size());
    }

    [[nodiscard]] static std::set<int> numbers_of(const std::vector<const tree_process*>& some) {
        std::set<int> numbers;
        for (const auto* const one : some) {
            numbers.insert(one->number);
        }
        return numbers;
    }

    /// It, and with it its memory.oom.group but whom the kernel spares.
    [[nodiscard]] std::set<int> one_of(const tree_process& process) const {
        std::set<int> all{process.number};
        if (const auto group = oom_group_of(process)) {
            for (const auto* const member : processes(*group)) {
                if (!member->init && member->oom_score_adj != -1000) {
                    all.insert(member->number);
                }
            }
        }
        return all;
    }

    /// The topmost memory.oom.group from the process to the scope.
    [[nodiscard]] std::optional<std::size_t> oom_group_of(const tree_process& process) const {
        for (std::size_t place = 0; place < tree_.cgroups.size(); ++place) {
            if (at(place).oom_group && tree_.is_within(home_of(process), place) &&
                (tree_.system_wide || tree_.is_within(place, tree_.scope))) {
                return place; // parents come first
            }
        }
        return std::nullopt;
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
    std::vector<somebody> everybody_;
    std::vector<unit> units_;
    std::vector<unit> eligible_;
    std::vector<unit> spared_;
};

} // namespace oomx::test
