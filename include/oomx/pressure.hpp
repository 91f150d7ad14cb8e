// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>

#include <fmt/format.h>

#include <oomx/ids.hpp>
#include <oomx/pressure.h>
#include <oomx/result.hpp>

namespace oomx {

/// What tasks wait for.
enum class resource : std::uint32_t {
    memory = OOMX_MEMORY, ///< to be given memory, or for what was taken from them
    io = OOMX_IO,         ///< for storage
    cpu = OOMX_CPU,       ///< for a processor
};

/// Which part of the time counts as a stall (Documentation/accounting/psi.rst).
enum class share : std::uint32_t {
    some = OOMX_SOME, ///< at least one task waits
    full = OOMX_FULL, ///< all tasks wait that have anything to do
};

/// How much stall within which time is too much: at most one event a window.
struct pressure {
    oomx::resource resource = oomx::resource::memory; ///< what tasks wait for
    oomx::share share = oomx::share::full;            ///< which part of the time counts
    /// So much of it is too much: up to the window.
    std::chrono::microseconds stall = std::chrono::milliseconds{500};
    /// Up to 10 s; a multiple of 2 s for a process without CAP_SYS_RESOURCE (kernel/sched/psi.c).
    std::chrono::microseconds window = std::chrono::seconds{2};

    /// Alike in all of these.
    friend bool operator==(const pressure&, const pressure&) = default;

    /// As the policy reads it. Error: invalid_argument.
    [[nodiscard]] result<oomx_pressure> raw() const {
        using namespace std::chrono_literals;
        if (window <= 0us || window > 10s) {
            return failure(errc::invalid_argument, "pressure.window is not from 1 us to 10 s",
                           "the kernel takes no other");
        }
        if (stall <= 0us || stall > window) {
            return failure(errc::invalid_argument, "pressure.stall is not from 1 us to the window",
                           "give a part of pressure.window");
        }
        return oomx_pressure{
            static_cast<std::uint32_t>(resource), static_cast<std::uint32_t>(share),
            static_cast<std::uint32_t>(stall.count()), static_cast<std::uint32_t>(window.count())};
    }
};

/// A cgroup, or the whole system, that is waited for to be under pressure.
struct watch {
    cgroup_id where = no_cgroup; ///< no_cgroup and cgroup::root().id() are the whole system
    oomx::pressure pressure{};   ///< what is waited for there

    /// The same place, the same pressure.
    friend bool operator==(const watch&, const watch&) = default;

    /// As the policy reads it. Error: invalid_argument.
    [[nodiscard]] result<oomx_watch> raw() const {
        const auto place = where == root_cgroup ? no_cgroup : where;
        if (place == no_cgroup && pressure.resource == resource::cpu &&
            pressure.share == share::full) {
            return failure(errc::invalid_argument,
                           "the whole system never waits for a processor with all its tasks",
                           "watch a cgroup, or share::some");
        }
        auto watched = pressure.raw();
        if (!watched) {
            return pass_on(std::move(watched));
        }
        return oomx_watch{static_cast<std::uint64_t>(place), *watched};
    }

    /// One of several in the words of an error.
    [[nodiscard]] static std::string name(std::size_t index, cgroup_id where) {
        if (where == no_cgroup || where == root_cgroup) {
            return fmt::format("watch {}, the whole system", index);
        }
        return fmt::format("watch {}, cgroup {}", index, std::to_underlying(where));
    }
};

} // namespace oomx
