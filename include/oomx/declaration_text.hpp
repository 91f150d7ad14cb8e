// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <chrono>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <oomx/bpf/refusal.hpp>
#include <oomx/declaration.hpp>
#include <oomx/error.hpp>

namespace oomx {

/// What a pressure event came to, as one sentence without its end.
[[nodiscard]] inline std::string describe(const declaration& d) {
    const auto place = d.where() == no_cgroup
                           ? std::string{"the system"}
                           : fmt::format("cgroup {}", std::to_underlying(d.where()));
    switch (d.answer()) {
    case answer::declined:
        return fmt::format("{} declined", d.policy());
    case answer::progress:
        return fmt::format("{} declared {} out of memory", d.policy(), place);
    case answer::no_progress:
        return fmt::format("{} declared {} out of memory, nobody could be killed", d.policy(),
                           place);
    case answer::failed:
        return fmt::format("{} could not declare {} out of memory", d.policy(), place);
    case answer::shadow:
        return fmt::format("{} declined in shadow mode, it would have declared {} out of memory",
                           d.policy(), place);
    case answer::cooling:
        return fmt::format("{} declined so soon after the last OOM it declared, it would have "
                           "declared {} out of memory",
                           d.policy(), place);
    }
    return fmt::format("{} did what this library does not know", d.policy());
}

/// A resource as the kernel's pressure files call it.
[[nodiscard]] constexpr std::string_view describe(resource what) {
    switch (what) {
    case resource::memory:
        return "memory";
    case resource::io:
        return "io";
    case resource::cpu:
        return "cpu";
    }
    return "unknown";
}

/// Pressure in words: "200 ms of full memory stall within 1000 ms".
[[nodiscard]] inline std::string describe(const pressure& what) {
    const auto milliseconds = [](std::chrono::microseconds time) {
        return std::chrono::duration<double, std::milli>{time}.count();
    };
    return fmt::format("{} ms of {} {} stall within {} ms", milliseconds(what.stall),
                       what.share == share::full ? "full" : "some", describe(what.resource),
                       milliseconds(what.window));
}

} // namespace oomx

/// What happened and why; a line more for what went wrong, and one if the watch is over.
template <>
struct fmt::formatter<oomx::declaration> {
    static constexpr auto parse(fmt::format_parse_context& context) { return context.begin(); }

    static auto format(const oomx::declaration& d, fmt::format_context& context) {
        auto out = fmt::format_to(context.out(), "{}; {}", oomx::describe(d),
                                  oomx::describe(d.pressure()));
        if (d.usage() > oomx::bytes{}) {
            out = fmt::format_to(out, ", {} used", d.usage());
        }
        if (d.refusal() != 0) {
            out = fmt::format_to(
                out, "\n  {}", oomx::bpf::refusal_error(oomx::bpf::request::declare, d.refusal()));
        }
        if (d.deaf() != 0) {
            out = fmt::format_to(
                out, "\n  this watch will not fire again: {}",
                oomx::bpf::refusal_error(oomx::bpf::request::create_trigger, d.deaf()));
        }
        return out;
    }
};
