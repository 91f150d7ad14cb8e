// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <filesystem>
#include <utility>

#include <oomx/bpf/link.hpp>
#include <oomx/result.hpp>

namespace oomx {

/// A policy in force somewhere. Dropping it detaches, unless it was pinned.
class [[nodiscard("dropping an attachment detaches the policy")]] attachment {
public:
    explicit attachment(bpf::link link) : link_{std::move(link)} {}

    /// Keeps it in force under a path below a bpffs mount after this process; unlink() the path to
    /// end it. Errors as bpf::link::pin().
    [[nodiscard]] result<void> pin(const std::filesystem::path& path) const {
        return link_.pin(path);
    }

    [[nodiscard]] int native_handle() const { return link_.native_handle(); }

private:
    bpf::link link_;
};

} // namespace oomx
