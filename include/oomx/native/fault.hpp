// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cstdint>
#include <string_view>

namespace oomx::native {

/// What a policy does that the kernel's verifier would not load. A native build has no verifier:
/// whoever runs it looks at every call.
enum class fault : std::uint8_t {
    none,
    sleeps_under_rcu, ///< a kill or a flush of statistics inside a walk
    rcu_left_open,    ///< returns inside an RCU section, or leaves one that it is not in
    walk_without_rcu, ///< goes on with a walk over cgroups outside an RCU section
    iterator_open,    ///< returns with an iterator that is not destroyed, or destroys one twice
    reference_kept,   ///< returns with a reference to a cgroup or process
    reference_lent,   ///< puts a reference that it does not hold
    task_walk_lent,   ///< lists the processes of a cgroup that it holds no reference to
};

/// In words, after "it".
[[nodiscard]] constexpr std::string_view describe(fault what) {
    switch (what) {
    case fault::none:
        return "did nothing wrong";
    case fault::sleeps_under_rcu:
        return "called a function that sleeps inside an RCU section";
    case fault::rcu_left_open:
        return "did not leave each RCU section once";
    case fault::walk_without_rcu:
        return "went on with a walk over cgroups outside an RCU section";
    case fault::iterator_open:
        return "did not destroy each iterator once";
    case fault::reference_kept:
        return "kept a reference to a cgroup or process";
    case fault::reference_lent:
        return "put a reference that it did not hold";
    case fault::task_walk_lent:
        return "listed the processes of a cgroup without a reference to it";
    }
    return "did something that this library does not name";
}

/// What its author does about it.
[[nodiscard]] constexpr std::string_view remedy(fault what) {
    switch (what) {
    case fault::sleeps_under_rcu:
        return "choose inside the walk and act after it";
    case fault::rcu_left_open:
    case fault::iterator_open:
    case fault::reference_kept:
    case fault::reference_lent:
        return "let the scope release it: oomx/scoped.bpf.h";
    case fault::walk_without_rcu:
        return "walk with oomx_for_each_candidate()";
    case fault::task_walk_lent:
        return "take one with bpf_get_mem_cgroup() first";
    case fault::none:
        break;
    }
    return "";
}

} // namespace oomx::native
