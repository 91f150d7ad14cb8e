// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <array>
#include <cerrno>
#include <stdexcept>
#include <string>
#include <string_view>

#include <fcntl.h>
#include <unistd.h>

#include <oomx/unique_fd.hpp>

namespace oomx::test {

/// What the kernel has logged since this was made.
class kernel_log {
public:
    kernel_log() : device_{::open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC)} {
        if (!device_ || ::lseek(device_.native_handle(), 0, SEEK_END) < 0) {
            throw std::runtime_error{"open /dev/kmsg: refused"};
        }
    }

    /// Line by line, without the prefixes.
    const std::string& text() {
        std::array<char, 8192> record{};
        for (;;) {
            const auto got = ::read(device_.native_handle(), record.data(), record.size());
            if (got < 0 && errno == EPIPE) {
                throw std::runtime_error{"read /dev/kmsg: lines were lost"};
            }
            if (got <= 0) {
                return text_;
            }
            // "priority,sequence,time,flags;message\n"
            const std::string line{record.data(), static_cast<std::size_t>(got)};
            text_ += line.substr(line.find(';') + 1);
        }
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
    unique_fd device_;
    std::string text_;
};

} // namespace oomx::test
