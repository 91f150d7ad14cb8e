// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <algorithm>
#include <array>
#include <chrono>
#include <climits>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <deque>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include <sys/types.h>

#include <fmt/format.h>

#include <oomx/bytes.hpp>
#include <oomx/ids.hpp>
#include <oomx/native/kernel_types.hpp>
#include <oomx/preference.hpp>
#include <oomx/result.hpp>

namespace oomx::native {

/// The machine of a model.
struct machine_options {
    bytes ram{std::uint64_t{64} << 30}; ///< what all processes together may hold
    bytes swap{};                       ///< counted, but nothing is swapped out
    std::chrono::nanoseconds uptime =
        std::chrono::hours{1}; ///< CLOCK_MONOTONIC when the model begins

    /// From the kill of a process to the end of its address space.
    std::chrono::nanoseconds dies_after = std::chrono::milliseconds{10};

    /// How long that end takes: its memory is held until then, and the kernel's own killer waits
    /// no longer for it.
    std::chrono::nanoseconds teardown{0};

    /// A process whose last thread has begun to exit is in no list of its cgroup's processes, as in
    /// Linux 7 (css_task_iter_advance(), kernel/cgroup/cgroup.c). Before, that holds for those with
    /// several threads only.
    bool hides_exiting = false;

    /// memory.low and memory.min that children do not claim are theirs by what they use: the mount
    /// option memory_recursiveprot.
    bool recursive_protection = false;

    /// When the OOM reaper takes what a victim holds that has not died by itself until then
    /// (OOM_REAPER_DELAY, mm/oom_kill.c).
    std::chrono::nanoseconds reaped_after = std::chrono::seconds{2};
};

/// A process of a model, as it is described.
struct process_options {
    std::string name = "process";        ///< of which the kernel keeps 15 characters
    bytes anon{};                        ///< charged to its cgroup until it ends
    bytes shmem{};                       ///< shared memory of its own: as anon
    bytes file{};                        ///< the part of the cgroup's page cache that it maps
    bytes swap{};                        ///< swapped out: charged as swap until it ends
    bytes page_tables{};                 ///< charged as kernel memory until it ends
    int oom_score_adj = 0;               ///< -1000 to 1000
    std::optional<pid_t> pid{};          ///< 1 is init; without one it gets the next free one
    std::chrono::nanoseconds started{0}; ///< CLOCK_MONOTONIC
    bool kernel_thread = false;          ///< nobody can kill it
    int threads = 1;                     ///< 1 or more
    bool leader_ended = false;           ///< its first thread has ended, the others live

    /// The process whose address space it uses instead of one of its own (CLONE_VM); it holds
    /// nothing besides.
    std::optional<pid_t> shares_memory_of{};
    bool in_vfork = false; ///< it shares its parent's memory until it calls exec()
    std::optional<std::chrono::nanoseconds> dies_after{}; ///< instead of the machine's
};

/// A cgroup of a model, as it is described.
struct cgroup_options {
    std::optional<bytes> max{};      ///< memory.max; without one there is no limit
    std::optional<bytes> high{};     ///< memory.high; nothing is throttled
    bytes min{};                     ///< memory.min
    bytes low{};                     ///< memory.low
    std::optional<bytes> swap_max{}; ///< memory.swap.max
    bool oom_group = false;          ///< memory.oom.group

    /// What every policy is told of it and of all below it; what instance::prefer() says to one of
    /// them holds instead.
    std::optional<oomx::preference> preference{};

    bytes file{};   ///< page cache; given back before an allocation ends in an OOM
    bytes shmem{};  ///< files in a tmpfs: stay when everybody is dead
    bytes kernel{}; ///< kernel memory besides page tables; stays, too

    bytes anon{}; ///< held by one process more, which has the cgroup's name
    bytes swap{}; ///< of that process, too
    std::vector<process_options> processes{}; ///< in a cgroup without children
};

/// The model's unit of memory.
inline constexpr std::uint64_t page_size = 4096;

namespace detail {

constexpr std::uint64_t pages(bytes amount) {
    return amount.count() / page_size + (amount.count() % page_size != 0 ? 1 : 0);
}

/// The kernel's "max" (PAGE_COUNTER_MAX, include/linux/page_counter.h).
inline constexpr unsigned long no_limit = LONG_MAX / page_size;

constexpr unsigned long limit_in_pages(const std::optional<bytes>& amount) {
    return amount ? std::min<unsigned long>(pages(*amount), no_limit) : no_limit;
}

enum class kind : std::size_t { anon, file, shmem, kernel };

/// Where a process is between life and death.
enum class phase : std::uint8_t {
    alive,
    dying,   ///< killed
    reaped,  ///< killed, and the reaper has taken its anonymous memory
    exiting, ///< its address space is being torn down
    gone,
};

struct node;

/// A process. What the policy reads is the base, which stands for its first thread.
struct task : kernel::task_struct {
    kernel::mm_struct memory{};
    kernel::signal_struct signals{};
    kernel::css_set set{};
    kernel::task_struct second{}; // a thread that has not ended, where the first one has
    task* space = nullptr;        // whose memory it uses: its own, as a rule
    int threads = 1;              // that have not ended
    bool several = false;         // it had more than one
    std::string name;
    node* home = nullptr;
    std::uint64_t charged_anon = 0; // pages
    std::uint64_t charged_shmem = 0;
    std::uint64_t charged_tables = 0;
    std::uint64_t charged_swap = 0;
    detail::phase phase = phase::alive;
    std::string_view killer; // of static storage
    std::chrono::nanoseconds killed_at{0};
    std::chrono::nanoseconds dies_after{0};

    [[nodiscard]] bool is_unkillable() const {
        return tgid == 1 || (flags & PF_KTHREAD) != 0; // oom_unkillable_task()
    }

    [[nodiscard]] bool is_reaped() const {
        return (space->memory.flags & (1UL << MMF_OOM_SKIP)) != 0;
    }

    /// One of its threads has an address space.
    [[nodiscard]] bool has_memory() const { return mm != nullptr || second.mm != nullptr; }

    /// The process of one of its threads.
    static task* of(kernel::task_struct* thread) {
        // Each first one of the model is one.
        // NOLINTNEXTLINE(cppcoreguidelines-pro-type-static-cast-downcast)
        return static_cast<task*>(thread->group_leader);
    }
};

/// A cgroup. What the policy reads is the base, and memcg.
struct node : kernel::cgroup {
    kernel::kernfs_node file{};
    kernel::mem_cgroup memcg{};
    std::string path; // empty for the root
    node* parent = nullptr;
    node* first_child = nullptr;
    node* last_child = nullptr;
    node* next_sibling = nullptr;
    std::vector<task*> tasks;
    std::optional<oomx_preference> preference;
    std::array<std::uint64_t, 4> stat{}; // pages by kind, with what is below
    std::uint64_t cache = 0;             // pages of its own page cache
    long min_usage = 0;                  // pages of what it uses that memory.min covers
    long low_usage = 0;                  // as above, memory.low
    std::int64_t references = 0;         // that a policy holds
    bool unreadable = false;

    [[nodiscard]] std::uint64_t id() const { return file.id; }
    [[nodiscard]] bool is_online() const { return memcg.css.online_cnt.counter > 0; }
    [[nodiscard]] std::uint64_t usage() const {
        return static_cast<std::uint64_t>(memcg.memory.usage.counter);
    }
    [[nodiscard]] bool is_within(const node* top) const {
        const node* at = this;
        while (at != nullptr && at != top) {
            at = at->parent;
        }
        return at != nullptr;
    }

    // Each of the model's is a node.
    // NOLINTNEXTLINE(cppcoreguidelines-pro-type-static-cast-downcast)
    static node* of(kernel::cgroup* cgroup) { return static_cast<node*>(cgroup); }
    static node* of(kernel::cgroup_subsys_state* css) { return of(css->cgroup); }
    static node* of(kernel::mem_cgroup* memcg) { return of(&memcg->css); }
};

/// The next one in pre-order below `top`, in the order in which children were made: the kernel's.
inline node* next_in(const node* top, node* at) {
    if (at->first_child != nullptr) {
        return at->first_child;
    }
    while (at != top) {
        if (at->next_sibling != nullptr) {
            return at->next_sibling;
        }
        at = at->parent;
    }
    return nullptr;
}

/// FNV-1a: the id of a cgroup, so that no answer depends on which was made first.
constexpr std::uint64_t hash(std::string_view path) {
    std::uint64_t value = 0xcbf29ce484222325;
    for (const char c : path) {
        value = (value ^ static_cast<unsigned char>(c)) * 0x100000001b3;
    }
    return value;
}

} // namespace detail

/// Cgroups and processes as the kernel's killer and a policy see them, on a clock that moves only
/// when it is told to. Ids of cgroups follow from their paths alone. One thread at a time.
///
/// Paths are relative to the root, "batch/a"; the root is "/".
class [[nodiscard]] model {
public:
    /// No time of a model is longer, nor all that advance() lets go by: the clock has 64 bits.
    static constexpr std::chrono::nanoseconds longest = std::chrono::hours{10 * 365 * 24};

    /// An empty one: the root cgroup and nobody in it. Error: invalid_argument.
    [[nodiscard]] static result<model> make(const machine_options& machine = {}) {
        constexpr auto none = std::chrono::nanoseconds::zero();
        if (machine.ram.count() == 0) {
            return failure(errc::invalid_argument, "make model: the machine has no memory",
                           "give machine_options::ram");
        }
        if (auto countable = check_sum(0, {machine.ram, machine.swap}); !countable) {
            return within(result<model>{pass_on(std::move(countable))},
                          [] { return std::string{"make model"}; });
        }
        if (std::max({machine.uptime, machine.dies_after, machine.teardown, machine.reaped_after}) >
            longest) {
            return failure(errc::invalid_argument,
                           "make model: one of the machine's times is longer than ten years",
                           "give a shorter one");
        }
        if (machine.uptime <= none || machine.dies_after < none || machine.teardown < none ||
            machine.reaped_after < none) {
            return failure(errc::invalid_argument,
                           "make model: one of the machine's times is negative",
                           "give zero or more, and an uptime above zero");
        }
        return model{machine};
    }

    /// Adds a cgroup below one that is there, and its processes. Errors: invalid_argument,
    /// not_found (its parent), busy (there is one of that name, its parent holds processes, a pid
    /// is taken), exhausted (OOMX_PREFERENCES cgroups have a preference).
    [[nodiscard]] result<cgroup_id> add_cgroup(std::string_view path,
                                               const cgroup_options& options = {}) {
        auto made = within(make_cgroup(path, options),
                           [&] { return fmt::format("add cgroup '{}' to the model", path); });
        for (const auto& process : processes_of(path, options)) {
            if (!made) {
                break;
            }
            if (auto added = add_process(path, process); !added) {
                return pass_on(std::move(added));
            }
        }
        return made;
    }

    /// Adds a process to a cgroup without children, or to the root. Errors: invalid_argument,
    /// not_found (the cgroup), busy (the pid is taken, or the cgroup has children).
    [[nodiscard]] result<pid_t> add_process(std::string_view path,
                                            const process_options& options = {}) {
        return within(make_process(path, options), [&] {
            return fmt::format("add process '{}' to cgroup '{}' of the model", options.name, path);
        });
    }

    /// The processes that a description asks for, the one of `anon` and `swap` first.
    [[nodiscard]] static std::vector<process_options> processes_of(std::string_view path,
                                                                   const cgroup_options& options) {
        std::vector<process_options> all;
        if (options.anon.count() != 0 || options.swap.count() != 0) {
            all.push_back({.name = std::string{path.substr(path.rfind('/') + 1)},
                           .anon = options.anon,
                           .swap = options.swap});
        }
        all.insert(all.end(), options.processes.begin(), options.processes.end());
        return all;
    }

    /// Takes away a cgroup without children and processes, as rmdir does: it is offline, but what
    /// it still charges stays with its parent. Errors: not_found, busy.
    [[nodiscard]] result<void> remove_cgroup(std::string_view path) {
        return within(take_away(path),
                      [&] { return fmt::format("remove cgroup '{}' of the model", path); });
    }

    /// From now on the processes of this cgroup cannot be listed, as where the kernel has no memory
    /// to do so. Error: not_found.
    [[nodiscard]] result<void> make_unreadable(std::string_view path) {
        auto* const at = find(path);
        if (at == nullptr) {
            return within(result<void>{unknown(path)}, [&] {
                return fmt::format("make cgroup '{}' of the model unreadable", path);
            });
        }
        at->unreadable = true;
        return {};
    }

    /// Which id a cgroup of that path has, in any model.
    [[nodiscard]] static cgroup_id id_of(std::string_view path) {
        return is_root(path) ? root_cgroup : cgroup_id{detail::hash(path)};
    }

    /// The path of a cgroup; empty if there is none with that id.
    [[nodiscard]] std::string_view path_of(cgroup_id id) const {
        const auto* const at = find(id);
        if (at == nullptr) {
            return {};
        }
        return at->parent == nullptr ? std::string_view{"/"} : std::string_view{at->path};
    }

    /// memory.current. Error: not_found.
    [[nodiscard]] result<bytes> usage(std::string_view path) const {
        const auto* const at = find(path);
        if (at == nullptr) {
            return within(result<bytes>{unknown(path)},
                          [&] { return fmt::format("read usage of cgroup '{}'", path); });
        }
        return bytes{at->usage() * page_size};
    }

    /// CLOCK_MONOTONIC of the model.
    [[nodiscard]] std::chrono::nanoseconds now() const { return now_; }

    /// Lets time go by: victims die. Error: invalid_argument (it is negative, or too long).
    [[nodiscard]] result<void> advance(std::chrono::nanoseconds by) {
        if (by < std::chrono::nanoseconds::zero() || by > longest - gone_by_) {
            return failure(errc::invalid_argument,
                           "let time go by in the model: it is negative, or ten years are over",
                           "give zero or more, and less than ten years together");
        }
        gone_by_ += by;
        pass(by);
        return {};
    }

    // --- for the rest of this layer ---

    /// As advance(), for times that are bounded otherwise.
    void pass(std::chrono::nanoseconds by) {
        const auto until = now_ + by;
        while (end_one_by(until)) {
        }
        now_ = until;
    }

    /// The root cgroup.
    [[nodiscard]] detail::node& root() { return nodes_->front(); }

    /// Gives a cgroup the id of a real one, for a model that copies what is there. From then on it
    /// is found by that id, and no longer by its path.
    void renumber(detail::node& at, cgroup_id id) {
        by_id_.erase(at.id());
        at.file.id = static_cast<std::uint64_t>(id);
        by_id_.emplace(at.id(), &at);
    }

    /// All processes in the order they were made, the dead among them.
    [[nodiscard]] std::deque<detail::task>& tasks() { return *tasks_; }
    /// As above.
    [[nodiscard]] const std::deque<detail::task>& tasks() const { return *tasks_; }

    /// NULL if there is none.
    [[nodiscard]] detail::node* find(cgroup_id id) {
        const auto found = by_id_.find(static_cast<std::uint64_t>(id));
        return found == by_id_.end() ? nullptr : found->second;
    }
    /// As above.
    [[nodiscard]] const detail::node* find(cgroup_id id) const {
        const auto found = by_id_.find(static_cast<std::uint64_t>(id));
        return found == by_id_.end() ? nullptr : found->second;
    }
    /// As above.
    [[nodiscard]] detail::node* find(std::string_view path) { return find(id_of(path)); }
    /// As above.
    [[nodiscard]] const detail::node* find(std::string_view path) const {
        return find(id_of(path));
    }

    /// NULL if there is none, or none any more.
    [[nodiscard]] detail::task* find_task(pid_t pid) const {
        const auto found = by_pid_.find(pid);
        return found == by_pid_.end() ? nullptr : found->second;
    }

    /// By which it is told apart from other models, and from one that was in its place.
    [[nodiscard]] const std::shared_ptr<const char>& identity() const { return identity_; }

    /// What its machine is.
    [[nodiscard]] const machine_options& machine() const { return machine_; }

    /// Pages that are in use in the whole machine.
    [[nodiscard]] std::uint64_t used() const { return used_; }

    /// Adds anonymous memory to a process, whatever the limits.
    void grow(detail::task& who, std::uint64_t pages) {
        who.space->charged_anon += pages;
        who.space->memory.rss_stat[kernel::MM_ANONPAGES].count += static_cast<__s64>(pages);
        charge(*who.space->home, detail::kind::anon, static_cast<std::int64_t>(pages));
    }

    /// Gives back page cache of a cgroup.
    void drop_cache(detail::node& of, std::uint64_t pages) {
        of.cache -= pages;
        charge(of, detail::kind::file, -static_cast<std::int64_t>(pages));
    }

    /// Begins the death of a process that is alive. Does not allocate.
    void kill(detail::task& victim, std::string_view killer) {
        end_by_itself(victim, killer);
        victim.signals.oom_mm = &victim.space->memory;
    }

    /// As above, but not by the OOM killer: the process ends by itself, or by a signal.
    void end_by_itself(detail::task& process, std::string_view killer) {
        process.phase = detail::phase::dying;
        process.killer = killer;
        process.killed_at = now_;
        process.signals.flags |= SIGNAL_GROUP_EXIT;
        dying_.push_back(&process); // there is room for all
    }

    /// When the next victim ends or is reaped; nothing if nobody is dying.
    [[nodiscard]] std::optional<std::chrono::nanoseconds> next_end() const {
        std::optional<std::chrono::nanoseconds> first;
        for (const auto* const one : dying_) {
            const auto at = due(*one);
            first = first ? std::min(*first, at) : at;
        }
        return first;
    }

private:
    explicit model(const machine_options& machine) : machine_{machine}, now_{machine.uptime} {
        hierarchy_->flags = machine.recursive_protection ? CGRP_ROOT_MEMORY_RECURSIVE_PROT : 0U;
        set_up(nodes_->emplace_back(), nullptr, {}, static_cast<std::uint64_t>(root_cgroup));
    }

    [[nodiscard]] static bool is_root(std::string_view path) { return path.empty() || path == "/"; }

    [[nodiscard]] static std::unexpected<error> unknown(std::string_view path) {
        return failure(errc::not_found, fmt::format("there is no cgroup '{}'", path),
                       "add it first, parents before children");
    }

    [[nodiscard]] static result<void> check_path(std::string_view path) {
        std::string_view left = path;
        while (true) {
            const auto name = left.substr(0, left.find('/'));
            if (name.empty() || name == "." || name == "..") {
                return failure(errc::invalid_argument,
                               "its path has an empty name, '.' or '..' in it",
                               "write it as 'batch/a', without a slash at either end");
            }
            if (name.size() > NAME_MAX || name.contains('\n')) {
                return failure(errc::invalid_argument,
                               "a name in its path is longer than 255 bytes or has a line break",
                               "give one that the kernel would take");
            }
            if (name.size() == left.size()) {
                return {};
            }
            left.remove_prefix(name.size() + 1);
        }
    }

    void set_up(detail::node& made, detail::node* parent, std::string path, std::uint64_t id) {
        made.path = std::move(path);
        made.parent = parent;
        made.file.id = id;
        made.kn = &made.file;
        made.level = parent == nullptr ? 0 : parent->level + 1;
        made.root = hierarchy_.get();
        made.self.cgroup = made.memcg.css.cgroup = &made;
        made.self.online_cnt.counter = made.memcg.css.online_cnt.counter = 1;
        made.memcg.memory.high = made.memcg.memory.max = detail::no_limit;
        made.memcg.swap.high = made.memcg.swap.max = detail::no_limit;
        if (parent != nullptr) {
            made.self.parent = &parent->self;
            made.memcg.css.parent = &parent->memcg.css;
            ++parent->memcg.css.online_cnt.counter;
            (parent->last_child == nullptr ? parent->first_child
                                           : parent->last_child->next_sibling) = &made;
            parent->last_child = &made;
        }
        by_id_.emplace(id, &made);
    }

    [[nodiscard]] result<cgroup_id> make_cgroup(std::string_view path,
                                                const cgroup_options& options) {
        if (is_root(path)) {
            return failure(errc::busy, "the root is there already", "name one below it");
        }
        if (auto valid = check_path(path); !valid) {
            return pass_on(std::move(valid));
        }
        const auto id = id_of(path);
        if (const auto* const there = find(id)) {
            return failure(errc::busy,
                           there->path == path ? std::string{"there is one of that name already"}
                                               : fmt::format("its id is that of '{}'", there->path),
                           "give it another name");
        }
        const auto slash = path.rfind('/');
        const auto above = slash == std::string_view::npos ? "/" : path.substr(0, slash);
        auto* const parent = find(above);
        if (parent == nullptr || !parent->is_online()) {
            return unknown(above);
        }
        if (parent->parent != nullptr && !parent->tasks.empty()) {
            return failure(errc::busy, fmt::format("'{}' holds processes", above),
                           "put them into a child of their own, as cgroup v2 wants it");
        }
        if (auto countable = check_sum(used_, {options.file, options.shmem, options.kernel});
            !countable) {
            return pass_on(std::move(countable));
        }
        auto preference = checked(options.preference);
        if (!preference) {
            return pass_on(std::move(preference));
        }
        auto& made = nodes_->emplace_back();
        made.preference = *preference;
        set_up(made, parent, std::string{path}, static_cast<std::uint64_t>(id));
        made.memcg.memory.max = detail::limit_in_pages(options.max);
        made.memcg.memory.high = detail::limit_in_pages(options.high);
        made.memcg.memory.min = detail::limit_in_pages(options.min);
        made.memcg.memory.low = detail::limit_in_pages(options.low);
        made.memcg.swap.max = detail::limit_in_pages(options.swap_max);
        made.memcg.oom_group = options.oom_group;
        made.cache = detail::pages(options.file);
        charge(made, detail::kind::file, static_cast<std::int64_t>(made.cache));
        charge(made, detail::kind::shmem, static_cast<std::int64_t>(detail::pages(options.shmem)));
        charge(made, detail::kind::kernel,
               static_cast<std::int64_t>(detail::pages(options.kernel)));
        return id;
    }

    /// Whether so much more can be counted: pages, as bytes, in 63 bits.
    [[nodiscard]] static result<void> check_sum(std::uint64_t pages,
                                                std::initializer_list<bytes> more) {
        for (const auto one : more) {
            pages += detail::pages(one);
        }
        if (pages > detail::no_limit) {
            return failure(errc::invalid_argument,
                           "with it the machine has more memory than can be counted",
                           "give smaller sizes, less than 8 EiB together");
        }
        return {};
    }

    /// As the policy reads it. As many cgroups can have one as in the BPF build.
    [[nodiscard]] result<std::optional<oomx_preference>>
    checked(const std::optional<oomx::preference>& said) {
        if (!said) {
            return std::nullopt;
        }
        auto raw = said->raw();
        if (!raw) {
            return pass_on(std::move(raw));
        }
        if (preferences_ == OOMX_PREFERENCES) {
            return failure(errc::exhausted,
                           fmt::format("{} cgroups have a preference already", preferences_),
                           "give preferences to whole subtrees");
        }
        ++preferences_;
        return *raw;
    }

    [[nodiscard]] result<void> check(const process_options& options) const {
        constexpr int least = -1000;
        constexpr int most = 1000;
        if (options.oom_score_adj < least || options.oom_score_adj > most) {
            return failure(errc::invalid_argument,
                           fmt::format("its oom_score_adj is {}", options.oom_score_adj),
                           "give -1000 to 1000");
        }
        if (options.pid && *options.pid < 1) {
            return failure(errc::invalid_argument, fmt::format("its pid is {}", *options.pid),
                           "give 1 or more, or none");
        }
        if (options.pid && by_pid_.contains(*options.pid)) {
            return failure(errc::busy, fmt::format("its pid {} is taken", *options.pid),
                           "give another one, or none");
        }
        if (options.started < std::chrono::nanoseconds::zero() || options.started > now_) {
            return failure(errc::invalid_argument, "it starts before the machine or in the future",
                           fmt::format("give 0 to {} ns", now_.count()));
        }
        if (options.dies_after && (*options.dies_after < std::chrono::nanoseconds::zero() ||
                                   *options.dies_after > longest)) {
            return failure(errc::invalid_argument, "its death takes less than no time or too long",
                           "give zero or more, and at most ten years");
        }
        const auto swapped = static_cast<std::uint64_t>(nodes_->front().memcg.swap.usage.counter);
        if (auto countable = check_sum(swapped, {options.swap}); !countable) {
            return countable;
        }
        if (auto valid = check_threads(options); !valid) {
            return valid;
        }
        return check_sum(used_, {options.anon, options.shmem, options.file, options.page_tables});
    }

    [[nodiscard]] result<void> check_threads(const process_options& options) const {
        if (options.threads < 1 || (options.leader_ended && options.threads < 2)) {
            return failure(errc::invalid_argument,
                           fmt::format("it has {} threads", options.threads),
                           "give one or more, and two or more if the first one has ended");
        }
        if (options.in_vfork && !options.shares_memory_of) {
            return failure(errc::invalid_argument, "it is between vfork() and exec() of nobody",
                           "say whose memory it shares");
        }
        if (options.shares_memory_of) {
            const auto* const other = find_task(*options.shares_memory_of);
            if (other == nullptr || other->mm == nullptr) {
                return failure(errc::not_found,
                               fmt::format("there is no process {} to share memory with",
                                           *options.shares_memory_of),
                               "add that one first, with a first thread that has not ended");
            }
            if (options.anon.count() + options.shmem.count() + options.file.count() +
                    options.swap.count() + options.page_tables.count() >
                0) {
                return failure(errc::invalid_argument,
                               "it has memory of its own beside what it shares",
                               "give the memory to the process that it shares it with");
            }
        }
        return {};
    }

    [[nodiscard]] result<pid_t> make_process(std::string_view path,
                                             const process_options& options) {
        auto* const home = find(path);
        if (home == nullptr || !home->is_online()) {
            return unknown(path);
        }
        if (home->parent != nullptr && home->first_child != nullptr) {
            return failure(errc::busy, "it has children, and cgroup v2 wants processes in leaves",
                           "give it to a child of its own");
        }
        if (auto valid = check(options); !valid) {
            return pass_on(std::move(valid));
        }
        auto& made = tasks_->emplace_back();
        made.pid = made.tgid = options.pid ? *options.pid : free_pid();
        made.flags = options.kernel_thread ? PF_KTHREAD : 0U;
        made.start_time = static_cast<__u64>(options.started.count());
        made.threads = made.signals.live.counter = options.threads - (options.leader_ended ? 1 : 0);
        made.several = options.threads > 1;
        made.signal = &made.signals;
        auto* const sharer =
            options.shares_memory_of ? find_task(*options.shares_memory_of) : nullptr;
        made.space = sharer != nullptr ? sharer->space : &made;
        made.set.dfl_cgrp = home;
        made.cgroups = &made.set;
        made.real_parent = options.in_vfork ? sharer : &made;
        made.group_leader = &made;
        made.vfork_done = options.in_vfork ? reinterpret_cast<kernel::completion*>(&made) : nullptr;
        made.mm = options.kernel_thread ? nullptr : &made.space->memory;
        if (options.leader_ended) {
            made.second = made;
            made.mm = nullptr;
        }
        made.name = options.name;
        std::memcpy(made.comm, made.name.data(), std::min(made.name.size(), sizeof made.comm - 1));
        made.home = home;
        made.signals.oom_score_adj = static_cast<short>(options.oom_score_adj);
        made.dies_after = options.dies_after.value_or(machine_.dies_after);
        fill(made, options);
        home->tasks.push_back(&made);
        by_pid_.emplace(made.pid, &made);
        dying_.reserve(tasks_->size());
        return made.pid;
    }

    void fill(detail::task& made, const process_options& options) {
        const auto counted = [](std::uint64_t pages) { return static_cast<__s64>(pages); };
        auto& memory = made.memory;
        made.charged_anon = detail::pages(options.anon);
        made.charged_shmem = detail::pages(options.shmem);
        made.charged_tables = detail::pages(options.page_tables);
        made.charged_swap = detail::pages(options.swap);
        made.space->memory.mm_users.counter += made.threads;
        if (made.space != &made) {
            return;
        }
        memory.mm_mt.ma_root = &memory; // not empty
        memory.pgtables_bytes.counter = static_cast<long>(made.charged_tables * page_size);
        memory.rss_stat[kernel::MM_ANONPAGES].count = counted(made.charged_anon);
        memory.rss_stat[kernel::MM_SHMEMPAGES].count = counted(made.charged_shmem);
        memory.rss_stat[kernel::MM_FILEPAGES].count = counted(detail::pages(options.file));
        memory.rss_stat[kernel::MM_SWAPENTS].count = counted(made.charged_swap);
        charge(*made.home, detail::kind::anon, counted(made.charged_anon));
        charge(*made.home, detail::kind::shmem, counted(made.charged_shmem));
        charge(*made.home, detail::kind::kernel, counted(made.charged_tables));
        charge_swap(*made.home, counted(made.charged_swap));
    }

    [[nodiscard]] result<void> take_away(std::string_view path) {
        auto* const at = find(path);
        if (at == nullptr || at->parent == nullptr || !at->is_online()) {
            return unknown(path);
        }
        if (!at->tasks.empty() || at->memcg.css.online_cnt.counter > 1) {
            return failure(errc::busy, "it holds processes or has children", "remove those first");
        }
        at->memcg.css.online_cnt.counter = at->self.online_cnt.counter = 0;
        at->memcg.memory.min = at->memcg.memory.low = 0;
        protect(*at);
        --at->parent->memcg.css.online_cnt.counter;
        by_id_.erase(at->id());
        return {};
    }

    [[nodiscard]] pid_t free_pid() {
        while (by_pid_.contains(next_pid_)) {
            ++next_pid_;
        }
        return next_pid_++;
    }

    /// What processes of the root hold is counted, but not charged: as in the kernel.
    void charge(detail::node& to, detail::kind what, std::int64_t pages) {
        used_ += static_cast<std::uint64_t>(pages);
        for (auto* at = &to; at != nullptr; at = at->parent) {
            at->stat[static_cast<std::size_t>(what)] += static_cast<std::uint64_t>(pages);
            if (to.parent != nullptr) {
                at->memcg.memory.usage.counter += pages;
                protect(*at);
            }
        }
    }

    /// propagate_protected_usage(), mm/page_counter.c.
    static void protect(detail::node& changed) {
        if (changed.parent == nullptr) {
            return;
        }
        const auto within = [&](unsigned long protection) {
            return static_cast<long>(std::min<unsigned long>(changed.usage(), protection));
        };
        auto& counter = changed.memcg.memory;
        auto& above = changed.parent->memcg.memory;
        above.children_min_usage.counter += within(counter.min) - changed.min_usage;
        above.children_low_usage.counter += within(counter.low) - changed.low_usage;
        changed.min_usage = within(counter.min);
        changed.low_usage = within(counter.low);
    }

    static void charge_swap(detail::node& to, std::int64_t pages) {
        for (auto* at = &to; at != nullptr && to.parent != nullptr; at = at->parent) {
            at->memcg.swap.usage.counter += pages;
        }
    }

    /// When something changes about a victim.
    [[nodiscard]] std::chrono::nanoseconds due(const detail::task& victim) const {
        const auto ends = victim.killed_at + victim.dies_after;
        switch (victim.phase) {
        case detail::phase::dying:
            return victim.signals.oom_mm == nullptr
                       ? ends
                       : std::min(ends, victim.killed_at + machine_.reaped_after);
        case detail::phase::reaped:
            return ends;
        default:
            return ends + machine_.teardown;
        }
    }

    [[nodiscard]] bool end_one_by(std::chrono::nanoseconds until) {
        const auto first = std::ranges::min_element(dying_, [&](const auto* a, const auto* b) {
            return std::pair{due(*a), a->pid} < std::pair{due(*b), b->pid};
        });
        if (first == dying_.end() || due(**first) > until) {
            return false;
        }
        auto& victim = **first;
        now_ = std::max(now_, due(victim));
        if (victim.phase == detail::phase::exiting) {
            end(victim);
            dying_.erase(first);
        } else if (now_ >= victim.killed_at + victim.dies_after) {
            victim.phase = detail::phase::exiting; // exit_mmap(), mm/mmap.c
            victim.mm = victim.second.mm = nullptr;
            victim.signals.live.counter = 0;
            auto& memory = victim.space->memory;
            memory.mm_users.counter -= victim.threads;
            if (memory.mm_users.counter == 0) {
                memory.flags |= 1UL << MMF_OOM_SKIP;
            }
        } else {
            victim.phase = detail::phase::reaped;
            victim.space->memory.flags |= 1UL << MMF_OOM_SKIP;
            free_anon(*victim.space);
        }
        return true;
    }

    void free_anon(detail::task& victim) {
        charge(*victim.home, detail::kind::anon, -static_cast<std::int64_t>(victim.charged_anon));
        victim.charged_anon = 0;
        victim.memory.rss_stat[kernel::MM_ANONPAGES].count = 0;
    }

    void end(detail::task& victim) {
        auto& space = *victim.space;
        if (space.memory.mm_users.counter == 0 && space.memory.mm_mt.ma_root != nullptr) {
            free_anon(space);
            charge(*space.home, detail::kind::shmem,
                   -static_cast<std::int64_t>(space.charged_shmem));
            charge(*space.home, detail::kind::kernel,
                   -static_cast<std::int64_t>(space.charged_tables));
            charge_swap(*space.home, -static_cast<std::int64_t>(space.charged_swap));
            space.memory.mm_mt.ma_root = nullptr;
        }
        victim.phase = detail::phase::gone;
        std::erase(victim.home->tasks, &victim);
        by_pid_.erase(victim.pid);
    }

    machine_options machine_;
    std::shared_ptr<const char> identity_ = std::make_shared<const char>();
    std::unique_ptr<kernel::cgroup_root> hierarchy_ = std::make_unique<kernel::cgroup_root>();
    std::chrono::nanoseconds now_;
    std::chrono::nanoseconds gone_by_{0}; // of what advance() was given
    std::uint64_t used_ = 0;              // pages
    pid_t next_pid_ = 2;
    int preferences_ = 0;
    // Where they are does not change, also when the model moves.
    std::unique_ptr<std::deque<detail::node>> nodes_ = std::make_unique<std::deque<detail::node>>();
    std::unique_ptr<std::deque<detail::task>> tasks_ = std::make_unique<std::deque<detail::task>>();
    std::unordered_map<std::uint64_t, detail::node*> by_id_;
    std::unordered_map<pid_t, detail::task*> by_pid_;
    std::vector<detail::task*> dying_;
};

} // namespace oomx::native
