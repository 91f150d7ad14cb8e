// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cstring>
#include <string>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>

namespace oomx {

/// What kind of thing went wrong: what a program branches on.
enum class errc {
    unsupported = 1,  ///< this kernel or machine cannot do it
    not_permitted,    ///< this process may not do it
    not_found,        ///< the cgroup or file is not there, or not there any more
    not_a_cgroup,     ///< the path is something else than a cgroup v2 directory
    busy,             ///< somebody else holds the place
    rejected,         ///< the kernel's verifier refused the program
    invalid_argument, ///< a value is out of its range
    malformed,        ///< data read is not in the form it should be in
    exhausted,        ///< memory, descriptors or room of a fixed size ran out
    mismatch,         ///< what is there is not what it was taken for
    system,           ///< any other refused system call: see system_error()
};

/// The category of errc as a std::error_code.
class errc_category_type final : public std::error_category {
public:
    /// "oomx".
    [[nodiscard]] const char* name() const noexcept override { return "oomx"; }

    /// The kind of failure in words, without object, cause and remedy, which only an error has.
    [[nodiscard]] std::string message(int code) const override {
        switch (errc{code}) {
        case errc::unsupported:
            return "not supported by this kernel or machine";
        case errc::not_permitted:
            return "not permitted";
        case errc::not_found:
            return "not found";
        case errc::not_a_cgroup:
            return "not a cgroup v2 directory";
        case errc::busy:
            return "taken by somebody else";
        case errc::rejected:
            return "rejected by the kernel";
        case errc::invalid_argument:
            return "value out of range";
        case errc::malformed:
            return "malformed data";
        case errc::exhausted:
            return "memory, descriptors or room ran out";
        case errc::mismatch:
            return "not what it was taken for";
        case errc::system:
            return "refused system call";
        }
        return "unknown";
    }

    /// So that `error.std_code() == std::errc::device_or_resource_busy` holds for errc::busy.
    [[nodiscard]] std::error_condition default_error_condition(int code) const noexcept override {
        switch (errc{code}) {
        case errc::unsupported:
            return std::errc::not_supported;
        case errc::not_permitted:
            return std::errc::operation_not_permitted;
        case errc::not_found:
            return std::errc::no_such_file_or_directory;
        case errc::not_a_cgroup:
            return std::errc::not_a_directory;
        case errc::busy:
            return std::errc::device_or_resource_busy;
        case errc::invalid_argument:
            return std::errc::invalid_argument;
        case errc::exhausted:
            return std::errc::not_enough_memory;
        default:
            return {code, *this};
        }
    }
};

/// The one object of that category.
[[nodiscard]] inline const std::error_category& errc_category() {
    static const errc_category_type category;
    return category;
}

/// Found by std::error_code's constructor.
[[nodiscard]] inline std::error_code make_error_code(errc code) {
    return {static_cast<int>(code), errc_category()};
}

/// "EBUSY", or "errno 524" for a number that the C library does not know, such as the kernel's
/// ENOTSUPP.
[[nodiscard]] inline std::string errno_name(int number) {
    const char* const name = ::strerrorname_np(number);
    return name != nullptr ? name : fmt::format("errno {}", number);
}

/// Why something failed: what was attempted, on what, the cause and the remedy.
///
/// The innermost layer makes it with a cause and a remedy; each layer that knows a verb and an
/// object wraps it with within(). Thread-safe but for moves and assignment.
class [[nodiscard]] error {
public:
    /// For what no system call refused.
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

    /// The kind, for a program to branch on.
    [[nodiscard]] errc code() const { return code_; }

    /// The errno of the refused system call, 0 where there was none.
    [[nodiscard]] int system_error() const { return system_error_; }

    /// code() for programs that collect std::error_code; the errno stays in system_error().
    [[nodiscard]] std::error_code std_code() const { return make_error_code(code_); }

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

/// Makes an errc convertible to std::error_code.
template <>
struct std::is_error_code_enum<oomx::errc> : std::true_type {};

/// Prints message(). Takes the width and alignment of a string.
template <>
struct fmt::formatter<oomx::error> : fmt::formatter<std::string_view> {
    auto format(const oomx::error& error, fmt::format_context& context) const {
        return fmt::formatter<std::string_view>::format(error.message(), context);
    }
};
