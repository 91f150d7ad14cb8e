// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <chrono>
#include <cstdint>

#include <fmt/format.h>

#include <oomx/config.h>
#include <oomx/result.hpp>

namespace oomx {

/// Whether a policy acts.
enum class mode : std::uint32_t {
    enforce = OOMX_ENFORCE, ///< decide, record and kill
    shadow = OOMX_SHADOW,   ///< decide and record, kill nothing, decline
};

/// The limits no policy can leave, whatever its own rule says. Always in force besides: kernel
/// threads, process 1 and processes with oom_score_adj -1000 are spared; so is what a preference
/// says never to kill; so is a process whose memory a process elsewhere shares; nothing outside the
/// OOM's scope is touched; nobody is killed while an earlier victim is dying. A cgroup that holds
/// such a process does not die whole: it loses one other process. A plain value.
struct rails {
    /// Between two kills for the same scope; an OOM that comes sooner is left to the parent or the
    /// kernel.
    std::chrono::nanoseconds min_interval{0};

    /// A cgroup with more processes does not die whole: it loses one of them.
    std::uint32_t max_processes = 1024;

    /// One decision looks at no more cgroups, up to OOMX_CANDIDATES; the others are counted, as
    /// over_bound. The one of them that holds most is looked at all the same.
    std::uint32_t max_candidates = OOMX_CANDIDATES;

    /// One decision looks at no more processes; a cgroup that it comes to later is over_bound, but
    /// for the one that holds most.
    std::uint32_t max_tasks = 100'000;

    /// In thousandths of what the scope may hold: a kill that would free less is left to the parent
    /// or the kernel. What is held counts, but for page cache and files in a tmpfs that no victim
    /// has mapped. A victim of whose cgroup a process needs memory just now dies whatever it holds.
    std::uint32_t min_relief = 0;

    /// Whether it kills, or only says whom it would have killed.
    oomx::mode mode = oomx::mode::enforce;

    /// Alike in all of these.
    friend bool operator==(const rails&, const rails&) = default;

    /// As the policy reads them. Error: invalid_argument.
    [[nodiscard]] result<oomx_rails> raw() const {
        if (min_interval < std::chrono::nanoseconds::zero()) {
            return failure(errc::invalid_argument, "rails.min_interval is negative",
                           "give zero or more");
        }
        if (max_processes == 0) {
            return failure(errc::invalid_argument,
                           "rails.max_processes is 0: nobody could be killed",
                           "give one or more, or use shadow mode");
        }
        if (max_candidates == 0) {
            return failure(errc::invalid_argument,
                           "rails.max_candidates is 0: nobody could be looked at",
                           "give one or more");
        }
        if (max_candidates > OOMX_CANDIDATES) {
            return failure(errc::invalid_argument,
                           fmt::format("rails.max_candidates is {}", max_candidates),
                           fmt::format("give {} or less", OOMX_CANDIDATES));
        }
        if (max_tasks == 0) {
            return failure(errc::invalid_argument,
                           "rails.max_tasks is 0: nobody could be looked at", "give one or more");
        }
        if (min_relief > 1000) {
            return failure(errc::invalid_argument,
                           fmt::format("rails.min_relief is {} thousandths", min_relief),
                           "give 1000 or less");
        }
        if (mode != mode::enforce && mode != mode::shadow) {
            return failure(errc::invalid_argument, "rails.mode is neither enforce nor shadow",
                           "give one of the two");
        }
        return oomx_rails{.min_interval_ns = static_cast<std::uint64_t>(min_interval.count()),
                          .max_processes = max_processes,
                          .max_candidates = max_candidates,
                          .mode = static_cast<std::uint32_t>(mode),
                          .max_tasks = max_tasks,
                          .min_relief = min_relief,
                          .reserved = 0};
    }
};

} // namespace oomx
