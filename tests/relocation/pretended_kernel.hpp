// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <filesystem>
#include <utility>

namespace oomx::test {

/// While it lives, libbpf finds a kernel with the types in a file, which loads whatever it is
/// given. One at a time.
class [[nodiscard]] pretended_kernel {
public:
    explicit pretended_kernel(std::filesystem::path types) { types_ = std::move(types); }
    ~pretended_kernel() { types_.clear(); }

    pretended_kernel(const pretended_kernel&) = delete;
    pretended_kernel& operator=(const pretended_kernel&) = delete;

    /// The file; empty while there is no such kernel.
    static const std::filesystem::path& types() { return types_; }

private:
    static inline std::filesystem::path types_;
};

} // namespace oomx::test
