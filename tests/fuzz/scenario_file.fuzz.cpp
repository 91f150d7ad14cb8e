// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// Scenario files: read, made into a model, and played under the kernel's own rule and under
// policies.
#include <oomx/native/scenario_file.hpp>

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <oomx/native/scenario.hpp>
#include <oomx/policies/badness.hpp>
#include <oomx/policies/tiers.hpp>

#include "fuzz/require.hpp"

using namespace oomx::native;
using oomx::errc;
using oomx::test::require;

namespace {

/// More processes say nothing new, but may take a minute of simulated milliseconds to look at.
constexpr std::size_t most_played = 32;

bool names_a_line(std::string_view message) {
    constexpr std::string_view begin = "read scenario fuzz.toml: line ";
    return message.starts_with(begin) && message.size() > begin.size() &&
           message[begin.size()] >= '1' && message[begin.size()] <= '9';
}

template <typename P>
oomx::native::policy<P> make() {
    auto made = oomx::native::policy<P>::make();
    require(made.has_value());
    return std::move(*made);
}

void play(const scenario& what, std::initializer_list<attach> policies) {
    const auto after = simulate(what, policies);
    if (!after) {
        // Nobody lives there, or nobody any more; or victims take too long to die.
        require(after.error().code() == errc::not_found || after.error().code() == errc::exhausted);
        return;
    }
    require(fmt::format("{}", *after).empty() ==
            (after->fates().empty() && after->decisions().empty()));
    for (const auto& one : after->fates()) {
        require(one.lives == one.killed_by.empty());
        require(one.killed_at >= what.machine.uptime || one.lives);
    }
}

} // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    const auto read = parse_scenario({reinterpret_cast<const char*>(data), size}, "fuzz.toml");
    if (!read) {
        require(names_a_line(read.error().message()));
        return 0;
    }
    const auto made = model_of(*read);
    require(made.has_value());
    if (made->tasks().size() > most_played) {
        return 0;
    }
    play(*read, {});
    auto everywhere = make<oomx::policies::badness>();
    auto inside = make<oomx::policies::tiers>();
    play(*read, {{"/", everywhere}});
    if (!read->tree.empty()) {
        play(*read, {{read->tree.front().name, inside}, {"/", everywhere}});
    }
    return 0;
}
