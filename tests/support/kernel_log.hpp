// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <array>
#include <cerrno>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <ctime>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <oomx/unique_fd.hpp>

namespace oomx::test {

/// What the kernel has logged since this was made.
///
/// The kernel leaves out the report of an OOM kill once there were ten within five seconds (oom_rs
/// in mm/oom_kill.c), but for one line. So that none is missing, making this waits until there were
/// few enough kills; or requests for one, which the posted series reports as well.
class kernel_log {
public:
    kernel_log() : device_{::open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC)} {
        if (!device_) {
            throw std::runtime_error{"open /dev/kmsg: refused"};
        }
        wait_until_reports_are_complete();
    }

    /// Line by line, without the prefixes.
    const std::string& text() {
        for (std::string line = next(); !line.empty(); line = next()) {
            text_ += line.substr(line.find(';') + 1);
        }
        return text_;
    }

    bool says(const char* words) { return text().find(words) != std::string::npos; }

    /// The process that the first kill named in the log ended, 0 if there is none. Without a policy
    /// this is what there is to test: the kernel's killer takes innocent siblings too while the
    /// first victim's memory is being given back.
    pid_t first_killed() {
        constexpr std::string_view words = "Killed process ";
        const auto at = text().find(words);
        return at == std::string::npos ? 0 : std::stoi(text_.substr(at + words.size()));
    }

private:
    using microseconds = std::chrono::microseconds;

    /// "priority,sequence,time,flags;message\n", or nothing at the end.
    std::string next() {
        std::array<char, 8192> record{};
        const auto got = ::read(device_.native_handle(), record.data(), record.size());
        if (got < 0 && errno == EPIPE) {
            throw std::runtime_error{"read /dev/kmsg: lines were lost"};
        }
        return got <= 0 ? std::string{} : std::string(record.data(), static_cast<std::size_t>(got));
    }

    /// The log's clock, near enough.
    static microseconds now() {
        timespec time{};
        ::clock_gettime(CLOCK_MONOTONIC, &time);
        return std::chrono::duration_cast<microseconds>(std::chrono::seconds{time.tv_sec} +
                                                        std::chrono::nanoseconds{time.tv_nsec});
    }

    static microseconds time_of(const std::string& line) {
        const auto at = line.find(',', line.find(',') + 1) + 1;
        std::int64_t time = 0;
        std::from_chars(line.data() + at, line.data() + line.size(), time);
        return microseconds{time};
    }

    void wait_until_reports_are_complete() {
        constexpr std::size_t few = 5;
        std::vector<microseconds> kills;
        for (std::string line = next(); !line.empty(); line = next()) {
            if (line.find("Killed process") != std::string::npos ||
                line.find("is already exiting") != std::string::npos) {
                kills.push_back(time_of(line));
            }
        }
        if (kills.size() > few) {
            const auto free = kills[kills.size() - few - 1] + std::chrono::seconds{6};
            if (const auto left = free - now(); left > microseconds::zero()) {
                ::poll(nullptr, 0, static_cast<int>(left.count() / 1000) + 1);
            }
        }
    }

    unique_fd device_;
    std::string text_;
};

} // namespace oomx::test
