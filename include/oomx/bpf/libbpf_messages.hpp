// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <atomic>
#include <cstdarg>
#include <cstdio>
#include <mutex>
#include <string>
#include <utility>

#include <bpf/libbpf.h>

namespace oomx::bpf {

/// Collects what libbpf says on this thread while it lives, instead of printing it: often the only
/// place where the reason of a failure stands.
///
/// libbpf has one callback for the process. While any capture lives it is one that passes other
/// threads' messages on to the callback it found; the last capture puts that one back. Setting the
/// callback by libbpf_set_print() meanwhile has no lasting effect.
///
/// Any number of threads may capture at the same time, each its own; one capture belongs to the
/// thread that made it. Captures of one thread end in the reverse order of their beginning, as
/// local variables do.
class [[nodiscard]] libbpf_messages {
public:
    libbpf_messages() : outer_{std::exchange(current(), this)} {
        const std::scoped_lock lock{shared().mutex};
        if (shared().captures++ == 0) {
            shared().found = libbpf_set_print(&collect);
        }
    }
    ~libbpf_messages() {
        const std::scoped_lock lock{shared().mutex};
        if (--shared().captures == 0) {
            libbpf_set_print(shared().found);
        }
        current() = outer_;
    }

    libbpf_messages(const libbpf_messages&) = delete;
    libbpf_messages& operator=(const libbpf_messages&) = delete;

    /// What it said so far but for debug messages, each with its newline. Valid while this lives.
    [[nodiscard]] const std::string& text() const { return text_; }

private:
    /// What all threads share, as they share libbpf's callback.
    struct process_state {
        std::mutex mutex;
        int captures = 0;
        std::atomic<libbpf_print_fn_t> found = nullptr;
    };

    static process_state& shared() {
        static process_state state;
        return state;
    }

    static libbpf_messages*& current() {
        thread_local libbpf_messages* capture = nullptr;
        return capture;
    }

    [[gnu::format(printf, 2, 0)]]
    static int collect(libbpf_print_level level, const char* format, va_list arguments) {
        libbpf_messages* const capture = current();
        if (capture == nullptr) {
            const libbpf_print_fn_t found = shared().found;
            return found != nullptr ? found(level, format, arguments) : 0;
        }
        if (level == LIBBPF_DEBUG) {
            return 0;
        }
        va_list again;
        va_copy(again, arguments);
        const int length = std::vsnprintf(nullptr, 0, format, arguments);
        if (length > 0) {
            const auto start = capture->text_.size();
            // One more, for the NUL that vsnprintf() writes.
            capture->text_.resize(start + static_cast<std::size_t>(length) + 1);
            std::vsnprintf(&capture->text_[start], static_cast<std::size_t>(length) + 1, format,
                           again);
            capture->text_.pop_back();
        }
        va_end(again);
        return length;
    }

    libbpf_messages* outer_;
    std::string text_;
};

} // namespace oomx::bpf
