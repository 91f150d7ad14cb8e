// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <algorithm>
#include <array>
#include <cstddef>
#include <filesystem>
#include <map>
#include <set>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

#include "needs.hpp"

namespace oomx::test {

/// What the series adds to a kernel, and the fixtures lack: the VM tests run it.
constexpr std::array<std::string_view, 8> added_by_the_series{
    "struct bpf_oom_ctx",
    "struct bpf_oom_ctx.cgroup_id",
    "struct bpf_struct_ops_link.cgroup",
    "struct psi_trigger.cgroup_id",
    "bpf_oom_kill_process()",
    "bpf_out_of_memory()",
    "bpf_psi_create_trigger()",
    "bpf_task_is_oom_victim()",
};

inline bool is_of_the_series(std::string_view what) {
    return std::ranges::find(added_by_the_series, without_flavour(what)) !=
           added_by_the_series.end();
}

/// The fixtures, oldest kernel first as far as their names tell.
inline std::vector<std::filesystem::path> kernels() {
    std::vector<std::filesystem::path> all;
    for (const auto& file : std::filesystem::directory_iterator{OOMX_TEST_KERNELS}) {
        if (file.path().extension() == ".btf") {
            all.push_back(file.path());
        }
    }
    std::ranges::sort(all);
    return all;
}

/// What several flavours share of which a kernel must have one: "struct mm_struct___flags" for
/// struct mm_struct___flags_word and struct mm_struct___flags_struct. Empty for other names.
inline std::string alternatives_of(std::string_view what) {
    const auto type = what.substr(0, what.find_first_of(".:"));
    const auto flavour = type.find("___");
    const auto last = type.rfind('_');
    return flavour == std::string_view::npos || last < flavour + 3
               ? std::string{}
               : std::string{type.substr(0, last)};
}

/// What keeps an object from running on the kernels of the fixtures, a sentence each: a type,
/// field, value or kfunc that a kernel lacks, or that none has, if it is optional.
inline std::set<std::string> faults_of(std::span<const std::byte> object) {
    std::set<std::string> faults;
    std::map<std::string, bool> optional; // and whether a kernel has it
    for (const auto& kernel : kernels()) {
        const auto name = kernel.stem().string();
        std::map<std::string, bool> alternatives;
        for (const auto& need : needs_of(object, kernel)) {
            if (is_of_the_series(need.what)) {
                continue;
            }
            if (need.optional || need.met) {
                optional[need.what] |= need.met;
            } else {
                faults.insert(fmt::format("{} lacks {}{}", name, need.what, need.more));
            }
            if (const auto group = alternatives_of(need.what); !group.empty()) {
                alternatives[group] |= need.met;
            }
        }
        for (const auto& [group, met] : alternatives) {
            if (!met) {
                faults.insert(fmt::format("{} has none of {}_…", name, group));
            }
        }
    }
    for (const auto& [what, met] : optional) {
        if (!met) {
            faults.insert(fmt::format("no kernel has {}", what));
        }
    }
    return faults;
}

} // namespace oomx::test
