// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <linux/oom.h>
#include <sys/types.h>
#include <unistd.h>

#include <fmt/format.h>

#include <oomx/cgroup.hpp>
#include <oomx/result.hpp>
#include <oomx/text.hpp>
#include <oomx/unique_fd.hpp>

namespace oomx {

/// Keeps the kernel's own OOM killer, which knows no preference, from the processes of a cgroup and
/// of all below it: they are at oom_score_adj -1000 (fs/proc/base.c, __set_oom_adj()) as long as
/// this object lives. It remembers what they were at, about 64 bytes a process.
///
/// What a member forks is at -1000 by itself. A process that is moved into the cgroup later is not:
/// extend() finds it. The kernel gives the score to those as well that share a member's memory.
/// When the program is killed the scores stay, until the processes end. One thread at a time.
class [[nodiscard]] exemption {
public:
    /// Sets the scores, all of them or none.
    ///
    /// Errors: not_permitted (CAP_SYS_RESOURCE is needed, and to be root for other users'
    /// processes), invalid_argument for the whole system, where the kernel would find nobody to
    /// kill, not_found (the cgroup was removed; or no /proc is mounted), exhausted, system.
    [[nodiscard]] static result<exemption> of(const cgroup& where) {
        if (where.is_root()) {
            return failure(error{errc::invalid_argument, "the kernel would find nobody to kill",
                                 "exempt single cgroups"}
                               .within("exempt the whole system"));
        }
        auto place = where.duplicate();
        if (!place) {
            return pass_on(std::move(place));
        }
        exemption made{std::move(*place)};
        if (auto set = made.extend(); !set) {
            return pass_on(std::move(set));
        }
        return made;
    }

    /// Takes over what the other does, which then does nothing.
    exemption(exemption&& other) noexcept
        : where_{std::move(other.where_)}, members_{std::exchange(other.members_, {})} {}
    exemption(const exemption&) = delete;
    exemption& operator=(const exemption&) = delete;
    exemption& operator=(exemption&&) = delete;
    /// As end(), which also tells of errors.
    ~exemption() { static_cast<void>(end()); }

    /// Sets the scores of those that have come since, all of them or none. Errors: as of().
    [[nodiscard]] result<void> extend() {
        std::vector<pid_t> added;
        auto set = within(take_in(added), [&] {
            return fmt::format("exempt the processes of cgroup {}", where_.path().native());
        });
        if (!set) {
            for (const auto pid : added) {
                if (restore(pid, members_.at(pid))) {
                    members_.erase(pid);
                } // else end() tries again
            }
        }
        return set;
    }

    /// Puts the scores back to what they were, but for those that somebody else has changed
    /// meanwhile. What the members have forked gets the highest of those that the members had. Goes
    /// on after an error, and can be called again. Errors: not_permitted, exhausted, system.
    [[nodiscard]] result<void> end() {
        return within(put_back(), [&] {
            return fmt::format("put back the oom_score_adj of the processes of cgroup {}",
                               where_.path().native());
        });
    }

private:
    static constexpr int spared = OOM_SCORE_ADJ_MIN;

    /// Of a process: its oom_score_adj, and when it started, as its number may be used again.
    struct score {
        int value;
        std::uint64_t started;
    };

    /// A process now. Its directory below /proc is held open: what is written there reaches nobody
    /// else. None where it has ended.
    struct process_now {
        unique_fd directory;
        score is{};

        [[nodiscard]] bool has_ended() const { return !directory; }
    };

    explicit exemption(cgroup where) : where_{std::move(where)} {}

    /// Whoever forks meanwhile has children at -1000 already, or such that the next pass finds.
    [[nodiscard]] result<void> take_in(std::vector<pid_t>& added) {
        const bool nobody_was_set = members_.empty();
        for (int pass = 0;; ++pass) {
            auto found = processes_of(where_);
            if (!found) {
                return pass_on(std::move(found));
            }
            const auto before = added.size();
            for (const auto pid : *found) {
                auto now = look_at(pid);
                if (!now) {
                    return pass_on(std::move(now));
                }
                if (now->has_ended() || is_known(pid, now->is)) {
                    continue;
                }
                const bool has_it = now->is.value == spared;
                if (has_it && (pass > 0 || !nobody_was_set)) {
                    continue; // from its parent
                }
                if (auto set = has_it ? result<void>{} : write_score(pid, *now, spared); !set) {
                    return set;
                }
                members_.insert_or_assign(pid, now->is);
                added.push_back(pid);
            }
            if (added.size() == before) {
                return {};
            }
        }
    }

    [[nodiscard]] result<void> put_back() {
        result<void> outcome{};
        const auto note = [&](result<void> one) {
            if (!one && outcome) {
                outcome = std::move(one);
            }
        };
        std::optional<int> highest;
        for (const auto& [pid, before] : members_) {
            if (before.value != spared) {
                highest = std::max(highest.value_or(before.value), before.value);
            }
            note(restore(pid, before));
        }
        if (highest) {
            note(restore_forked(*highest));
        }
        if (outcome) {
            members_.clear();
        }
        return outcome;
    }

    /// Unless it is gone, or somebody has given it another score.
    [[nodiscard]] static result<void> restore(pid_t pid, const score& before) {
        auto now = look_at(pid);
        if (!now) {
            return pass_on(std::move(now));
        }
        if (now->has_ended() || now->is.started != before.started || now->is.value != spared ||
            before.value == spared) {
            return {};
        }
        return write_score(pid, *now, before.value);
    }

    [[nodiscard]] result<void> restore_forked(int value) const {
        auto found = processes_of(where_);
        if (!found) {
            return found.error().code() == errc::not_found ? result<void>{}
                                                           : pass_on(std::move(found));
        }
        result<void> outcome{};
        for (const auto pid : *found) {
            auto now = look_at(pid);
            if (!now) {
                return pass_on(std::move(now));
            }
            if (!now->has_ended() && now->is.value == spared && !is_known(pid, now->is)) {
                if (auto set = write_score(pid, *now, value); !set) {
                    outcome = std::move(set);
                }
            }
        }
        return outcome;
    }

    [[nodiscard]] bool is_known(pid_t pid, const score& now) const {
        const auto known = members_.find(pid);
        return known != members_.end() && known->second.started == now.started;
    }

    /// With those of all below. What is removed meanwhile has none; a threaded cgroup has threads
    /// only, whose processes are listed above it.
    [[nodiscard]] static result<std::vector<pid_t>> processes_of(const cgroup& where) {
        auto found = where.processes();
        if (!found) {
            return found;
        }
        auto below = where.children();
        if (!below) {
            return pass_on(std::move(below));
        }
        for (const auto& child : *below) {
            auto more = processes_of(child);
            if (more) {
                found->insert(found->end(), more->begin(), more->end());
            } else if (more.error().code() != errc::not_found &&
                       more.error().code() != errc::unsupported) {
                return more;
            }
        }
        return found;
    }

    [[nodiscard]] static result<process_now> look_at(pid_t pid) {
        return within(read_now(pid),
                      [&] { return fmt::format("read oom_score_adj of process {}", pid); });
    }

    [[nodiscard]] static result<process_now> read_now(pid_t pid) {
        const auto path = fmt::format("/proc/{}", pid);
        unique_fd directory{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
        if (!directory) {
            const int cause = errno;
            if (cause == ENOENT && ::access("/proc/self", F_OK) == 0) {
                return process_now{};
            }
            return refused(cause);
        }
        const auto stat = text::read_whole(directory.native_handle(), "stat");
        const auto value = text::read_whole(directory.native_handle(), "oom_score_adj");
        if (!stat || !value) {
            const int cause = (stat ? value : stat).error().system_error();
            if (cause == ESRCH) {
                return process_now{};
            }
            return refused(cause);
        }
        const auto started = start_in(*stat);
        const auto now = score_in(*value);
        if (!started || !now) {
            return failure(text::unexpected(started ? *value : *stat, "what proc(5) says"));
        }
        return process_now{std::move(directory), {*now, *started}};
    }

    /// Field 22 of stat, counted from behind the name, which may hold anything.
    [[nodiscard]] static std::optional<std::uint64_t> start_in(std::string_view stat) {
        std::optional<std::uint64_t> started;
        int field = 2;
        const auto behind_name = stat.rfind(')');
        if (behind_name != std::string_view::npos) {
            text::for_each_word(stat.substr(behind_name + 1), [&](std::string_view word) {
                if (++field == 22) {
                    started = text::number(word);
                }
            });
        }
        return started;
    }

    [[nodiscard]] static std::optional<int> score_in(std::string_view content) {
        const auto word = text::split_at(content, '\n').head;
        const bool negative = word.starts_with('-');
        const auto size = text::number<int>(word.substr(negative ? 1 : 0));
        return size && negative ? std::optional{-*size} : size;
    }

    /// If it has ended meanwhile, that is no error.
    [[nodiscard]] static result<void> write_score(pid_t pid, const process_now& process,
                                                  int value) {
        const unique_fd file{
            ::openat(process.directory.native_handle(), "oom_score_adj", O_WRONLY | O_CLOEXEC)};
        const auto digits = std::to_string(value);
        if (file && ::write(file.native_handle(), digits.data(), digits.size()) >= 0) {
            return {};
        }
        const int cause = errno;
        if (cause == ESRCH || cause == ENOENT) {
            return {};
        }
        return within(result<void>{refused(cause)}, [&] {
            return fmt::format("set oom_score_adj of process {} to {}", pid, value);
        });
    }

    [[nodiscard]] static std::unexpected<error> refused(int cause) {
        switch (cause) {
        case EACCES:
        case EPERM:
            return failure(errc::not_permitted, cause, "refused",
                           "run as root with CAP_SYS_RESOURCE");
        case ENOENT:
            return failure(errc::not_found, cause, "/proc is not there", "mount /proc");
        case EMFILE:
        case ENFILE:
            return failure(errc::exhausted, cause, "no file descriptor is left",
                           "raise RLIMIT_NOFILE");
        default:
            return failure(errc::system, cause, "refused");
        }
    }

    cgroup where_;
    std::map<pid_t, score> members_; // what they were at
};

} // namespace oomx
