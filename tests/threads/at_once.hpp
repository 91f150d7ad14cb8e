// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <latch>
#include <thread>
#include <vector>

namespace oomx::test {

/// Four threads that begin together and each do `work(thread)` so many times, `thread` being 0 to
/// 3; returns when all have ended. Catch2's checks are for one thread: `work` says by its value
/// whether all was as it should be, and so does this.
template <typename Work>
bool at_once(const Work& work, int rounds = 100) {
    constexpr int count = 4;
    std::latch start{count};
    std::vector<char> well(count, 1);
    {
        std::vector<std::jthread> threads;
        for (int thread = 0; thread < count; ++thread) {
            threads.emplace_back([&, thread] {
                start.arrive_and_wait();
                for (int round = 0; round < rounds; ++round) {
                    if (!work(thread)) {
                        well[static_cast<std::size_t>(thread)] = 0;
                    }
                }
            });
        }
    }
    return well == std::vector<char>(count, 1);
}

} // namespace oomx::test
