// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cstring>
#include <string>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace oomx {

/// What kind of thing went wrong: what a program branches on.
enum class errc {
    unsupported,      ///< this kernel or machine cannot do it
    not_permitted,    ///< this process may not do it
    not_found,        ///< the cgroup or file is not there, or not there any more
    not_a_cgroup,     ///< the path is something else than a cgroup v2 directory
    busy,             ///< somebody else holds the place
    rejected,         ///< the kernel's verifier refused the program
    invalid_argument, ///< a value is out of its range
    malformed,        ///< data read is not in the form it should be in
    system,           ///< any other refused system call: see system_error()
};

/// "EBUSY", or "errno 524" for a number that the C library does not know, such as the kernel's
/// ENOTSUPP.
[[nodiscard]] inline std::string errno_name(int number) {
    const char* const name = ::strerrorname_np(number);
    return name != nullptr ? name : fmt::format("errno {}", number);
}

/// Why something failed: what was attempted, on what, the cause and the remedy.
///
/// The innermost layer makes it with a cause and a remedy; each layer that knows a verb and an
/// object wraps it with within().
class [[nodiscard]] error {
public:
    error(errc code, std::string cause, std::string remedy = {})
        : code_{code}, cause_{std::move(cause)}, remedy_{std::move(remedy)} {}

    /// The same, for a refused system call.
    error(errc code, int system_error, std::string cause, std::string remedy = {})
        : code_{code}, system_error_{system_error}, cause_{std::move(cause)},
          remedy_{std::move(remedy)} {}

    /// Says what was being done: "attach policy 'x' to /sys/fs/cgroup/y".
    error within(std::string doing) && {
        context_.push_back(std::move(doing));
        return std::move(*this);
    }

    /// Keeps the verifier's log, whole; `line` is the one to show.
    error with_log(std::string log, std::string line) && {
        log_ = std::move(log);
        cause_ += fmt::format(": {}", line);
        return std::move(*this);
    }

    [[nodiscard]] errc code() const { return code_; }

    /// The errno of the refused system call, 0 where there was none.
    [[nodiscard]] int system_error() const { return system_error_; }

    /// The verifier's log as the kernel gave it, empty where no program was refused.
    [[nodiscard]] const std::string& log() const { return log_; }

    /// One line: "verb object: cause (ERRNO); remedy".
    [[nodiscard]] std::string message() const {
        std::string text;
        for (auto doing = context_.rbegin(); doing != context_.rend(); ++doing) {
            text += *doing + ": ";
        }
        text += cause_;
        if (system_error_ != 0) {
            text += fmt::format(" ({})", errno_name(system_error_));
        }
        if (!remedy_.empty()) {
            text += "; " + remedy_;
        }
        return text;
    }

private:
    errc code_;
    int system_error_ = 0;
    std::string cause_;
    std::string remedy_;
    std::vector<std::string> context_; // innermost first
    std::string log_;
};

} // namespace oomx

template <>
struct fmt::formatter<oomx::error> : fmt::formatter<std::string_view> {
    auto format(const oomx::error& error, fmt::format_context& context) const {
        return fmt::formatter<std::string_view>::format(error.message(), context);
    }
};
