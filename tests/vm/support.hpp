// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <iterator>
#include <utility>
#include <vector>

#include <oomx/oomx.hpp>

#include "../support/control_group.hpp"
#include "../support/hog.hpp"
#include "../support/kernel_log.hpp"
#include "../support/must.hpp"
#include "../support/process.hpp"

namespace oomx::test {

/// The text of the error that should be there.
template <typename T>
std::string refusal(const result<T>& outcome) {
    return outcome ? "no error" : outcome.error().message();
}

/// How many file descriptors this process holds.
inline std::ptrdiff_t open_descriptors() {
    return std::distance(std::filesystem::directory_iterator{"/proc/self/fd"}, {});
}

/// A policy in force, and what it decided.
template <policy P>
class deciding {
public:
    explicit deciding(const cgroup& where, const typename P::options& options = {})
        : deciding{must(load<P>(options)), where} {}

    deciding(loaded_policy<P> loaded, const cgroup& where)
        : loaded_{std::move(loaded)}, stream_{must(loaded_.events())},
          attachment_{must(loaded_.attach(where))} {}

    /// All decisions until now. The kernel writes a decision before the allocation that ran out of
    /// memory goes on, so whatever has an effect to be seen is here.
    std::vector<decision> decisions() {
        must(stream_.poll(std::chrono::milliseconds{0},
                          [&](const decision& one) { seen_.push_back(one); }));
        return seen_;
    }

    /// How many OOM events it was asked about, by their ends.
    [[nodiscard]] oomx::counters counters() const { return loaded_.counters(); }

private:
    loaded_policy<P> loaded_;
    events stream_;
    attachment attachment_;
    std::vector<decision> seen_;
};

} // namespace oomx::test
