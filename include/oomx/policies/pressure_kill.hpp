// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <string_view>
#include <utility>

#include <pressure_kill.skel.hpp>

#include <oomx/policy.hpp>
#include <oomx/result.hpp>
#include <oomx/watches.hpp>

namespace oomx::policies {

/// A cgroup that stalls for too long is out of memory, whatever its limits say: the policy declares
/// that, and the OOM policy that is attached there chooses who dies, else the kernel
/// (bpf_templates/pressure_kill.bpf.c).
struct pressure_kill {
    using skeleton = ::pressure_kill_bpf;       ///< the compiled policy
    using config = ::oomx_pressure_kill_config; ///< what it reads
    using options = oomx::watches;              ///< what a program sets

    static constexpr std::string_view name = "pressure_kill"; ///< in records and reports

    /// Makes the config. Error: invalid_argument.
    [[nodiscard]] static result<config> configure(const options& chosen) {
        auto raw = chosen.raw();
        if (!raw) {
            return pass_on(std::move(raw));
        }
        return config{*raw};
    }
};

static_assert(pressure_policy<pressure_kill>);

} // namespace oomx::policies
