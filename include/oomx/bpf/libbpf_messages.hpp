// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <array>
#include <cstdarg>
#include <cstdio>
#include <string>
#include <utility>

#include <bpf/libbpf.h>

namespace oomx::bpf {

/// Collects what libbpf says on this thread while it lives, instead of printing it: often the only
/// place where the reason of a failure stands.
///
/// libbpf has one callback for the process. It is replaced for the time of the capture only by one
/// that passes other threads' messages on to the callback it found, so an application's own stays
/// in force.
class [[nodiscard]] libbpf_messages {
public:
    libbpf_messages() : outer_{std::exchange(current(), this)} {
        if (const auto found = libbpf_set_print(&collect); found != &collect) {
            previous() = found;
        }
    }
    ~libbpf_messages() { current() = outer_; }

    libbpf_messages(const libbpf_messages&) = delete;
    libbpf_messages& operator=(const libbpf_messages&) = delete;

    [[nodiscard]] const std::string& text() const { return text_; }

private:
    static libbpf_messages*& current() {
        thread_local libbpf_messages* capture = nullptr;
        return capture;
    }

    static libbpf_print_fn_t& previous() {
        static libbpf_print_fn_t callback = nullptr;
        return callback;
    }

    [[gnu::format(printf, 2, 0)]]
    static int collect(libbpf_print_level level, const char* format, va_list arguments) {
        libbpf_messages* const capture = current();
        if (capture == nullptr) {
            return previous() != nullptr ? previous()(level, format, arguments) : 0;
        }
        if (level == LIBBPF_DEBUG) {
            return 0;
        }
        std::array<char, 1024> line{};
        const int length = std::vsnprintf(line.data(), line.size(), format, arguments);
        capture->text_ += line.data();
        return length;
    }

    libbpf_messages* outer_;
    std::string text_;
};

} // namespace oomx::bpf
