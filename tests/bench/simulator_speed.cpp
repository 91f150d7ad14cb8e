// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// How many OOMs a second the simulator has decided by each policy, in trees of 100 and of 10,000
// cgroups: from the OOM to the record, in shadow mode, so that the tree stays as it is.
#include <chrono>
#include <cstddef>
#include <cstdlib>
#include <string>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include <oomx/native/runtime.hpp>
#include <oomx/policies/badness.hpp>
#include <oomx/policies/largest_leaf.hpp>
#include <oomx/policies/tiers.hpp>

namespace native = oomx::native;
using namespace oomx::literals;
using native::detail::oom;

namespace {

template <typename T>
T must(oomx::result<T>&& got) {
    if (!got) {
        fmt::print(stderr, "{}\n", got.error());
        std::exit(EXIT_FAILURE);
    }
    return std::move(*got);
}

/// Groups of ten leaves with one process each, below a cgroup that is over its limit.
native::model tree_of(std::size_t cgroups) {
    auto made = must(native::model::make());
    must(made.add_cgroup("top", {.max = 1_MiB}));
    std::string group;
    for (std::size_t n = 1; n < cgroups; ++n) {
        const auto in_group = (n - 1) % 11;
        if (in_group == 0) {
            group = fmt::format("top/{}", n);
            must(made.add_cgroup(group));
        } else {
            must(made.add_cgroup(fmt::format("{}/{}", group, in_group),
                                 {.anon = oomx::bytes{(n * 7919 % 1000 + 1) << 12}}));
        }
    }
    return made;
}

template <typename P>
double decisions_per_second(native::model& where, std::chrono::nanoseconds for_so_long) {
    typename P::options options{};
    options.rails.mode = oomx::mode::shadow;
    auto policy = must(native::policy<P>::make(options));
    if (!policy.prefer("top", {.tier = 1})) {
        std::exit(EXIT_FAILURE);
    }
    std::size_t count = 0;
    const auto begin = std::chrono::steady_clock::now();
    std::chrono::nanoseconds took{0};
    while (took < for_so_long || count < 3) {
        oom now{};
        now.memcg = &where.find("top")->memcg;
        now.constraint = native::kernel::CONSTRAINT_MEMCG;
        now.totalpages = now.memcg->memory.max;
        native::detail::runtime running{where, policy, now};
        static_cast<void>(running.run(0));
        static_cast<void>(must(policy.drain([&](const oomx::decision& one) {
            if (one.outcome() != oomx::outcome::shadow) {
                fmt::print(stderr, "{} chose nobody\n", P::name);
                std::exit(EXIT_FAILURE);
            }
        })));
        ++count;
        took = std::chrono::steady_clock::now() - begin;
    }
    return static_cast<double>(count) / std::chrono::duration<double>(took).count();
}

} // namespace

int main(int argc, char** argv) {
    const bool quick = argc > 1 && std::string_view{argv[1]} == "--quick";
    const auto time = quick ? std::chrono::milliseconds{1} : std::chrono::seconds{1};
    fmt::print("{:<44} {:>12} {:>12} {:>12}\n", "decisions a second", "largest_leaf", "badness",
               "tiers");
    for (const std::size_t cgroups : {std::size_t{100}, std::size_t{10'000}}) {
        auto where = tree_of(cgroups);
        fmt::print("{:<44} {:>12.0f} {:>12.0f} {:>12.0f}\n",
                   fmt::format("simulator, {} cgroups", cgroups),
                   decisions_per_second<oomx::policies::largest_leaf>(where, time),
                   decisions_per_second<oomx::policies::badness>(where, time),
                   decisions_per_second<oomx::policies::tiers>(where, time));
    }
    return EXIT_SUCCESS;
}
