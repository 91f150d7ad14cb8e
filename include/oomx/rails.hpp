// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <chrono>
#include <cstdint>

#include <oomx/config.h>
#include <oomx/result.hpp>

namespace oomx {

/// Whether a policy acts.
enum class mode : std::uint32_t {
    enforce = OOMX_ENFORCE, ///< decide, record and kill
    shadow = OOMX_SHADOW,   ///< decide and record, kill nothing, decline
};

/// The limits no policy can leave, whatever its own rule says. Always in force besides: kernel
/// threads, process 1 and processes with oom_score_adj -1000 are spared, and where a cgroup dies
/// whole that holds one, so is the cgroup; so is what a preference says never to kill; nothing
/// outside the OOM's scope is touched; nobody is killed while an earlier victim is dying. A plain
/// value.
struct rails {
    /// Between two kills; an OOM that comes sooner is left to the parent or the kernel.
    std::chrono::nanoseconds min_interval{0};

    /// A cgroup with more processes is spared.
    std::uint32_t max_processes = 1024;

    /// One decision looks at no more cgroups; the others are counted, as over_bound, and live.
    std::uint32_t max_candidates = 10'000;

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
        if (mode != mode::enforce && mode != mode::shadow) {
            return failure(errc::invalid_argument, "rails.mode is neither enforce nor shadow",
                           "give one of the two");
        }
        return oomx_rails{static_cast<std::uint64_t>(min_interval.count()), max_processes,
                          max_candidates, static_cast<std::uint32_t>(mode), 0};
    }
};

} // namespace oomx
