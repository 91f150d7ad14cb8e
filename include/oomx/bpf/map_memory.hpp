// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cerrno>
#include <memory>
#include <utility>

#include <sys/mman.h>

#include <oomx/result.hpp>

namespace oomx::bpf {

/// The one value of a BPF map of global variables, as memory shared with the programs that use it.
/// Keeps the map alive. Thread-safe but for moves, and other processors write to it at any time:
/// read and write it by atomics.
template <typename T>
class [[nodiscard]] map_memory {
public:
    /// Maps it. The map's value must be a T: that is the caller's to know.
    [[nodiscard]] static result<map_memory> open(int map_fd) {
        void* const start =
            ::mmap(nullptr, sizeof(T), PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
        if (start == MAP_FAILED) {
            const int cause = errno;
            return failure(error{errc::system, cause, "refused"}.within("map a BPF map's memory"));
        }
        return map_memory{static_cast<T*>(start)};
    }

    /// The map's value, which the kernel's side reads and writes at the same time.
    [[nodiscard]] T* get() const { return value_.get(); }

    /// The same.
    [[nodiscard]] T* operator->() const { return value_.get(); }

private:
    struct unmap {
        void operator()(T* value) const { ::munmap(value, sizeof(T)); }
    };

    explicit map_memory(T* value) : value_{value} {}

    std::unique_ptr<T, unmap> value_;
};

} // namespace oomx::bpf
