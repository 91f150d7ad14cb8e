// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace oomx {

/// One thing the machine has or has not.
struct capability {
    /// `unknown` is no answer: it could not be told.
    enum class state : std::uint8_t { yes, no, unknown };

    state has = state::unknown; ///< the answer
    std::string because;        ///< why not, or why it could not be told; what was found, for a yes
    std::string remedy;         ///< what to do about a no, or to be able to tell

    /// Whether the machine has it for sure.
    [[nodiscard]] explicit operator bool() const { return has == state::yes; }

    /// Whether asking again would give the same answer.
    [[nodiscard]] bool is_conclusive() const { return has != state::unknown; }
};

} // namespace oomx

/// "yes: found", "no: because; remedy" or "could not tell: because; remedy".
template <>
struct fmt::formatter<oomx::capability> : fmt::formatter<std::string_view> {
    auto format(const oomx::capability& one, fmt::format_context& context) const {
        using enum oomx::capability::state;
        std::string_view has = "could not tell";
        if (one.has != unknown) {
            has = one ? "yes" : "no";
        }
        return fmt::format_to(context.out(), "{}: {}{}{}", has, one.because,
                              one.remedy.empty() ? "" : "; ", one.remedy);
    }
};
