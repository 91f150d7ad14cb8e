// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <oomx/bytes.hpp>
#include <oomx/result.hpp>
#include <oomx/text.hpp>

namespace oomx {

/// What a cgroup's memory is used for, its descendants' included: memory.stat.
///
/// The members are what every kernel with cgroup v2 tells and OOM policies ask for; find() has the
/// rest. Safe to read from several threads at once.
struct memory_stat {
    bytes anon;             ///< anonymous memory: heaps, stacks
    bytes file;             ///< page cache, with tmpfs and shared memory
    bytes shmem;            ///< of `file`: tmpfs and shared memory, freed by swapping only
    bytes file_dirty;       ///< of `file`: to be written before it can be freed
    bytes file_writeback;   ///< of `file`: being written
    bytes active_file;      ///< of `file`: lately used
    bytes inactive_file;    ///< of `file`: first to be reclaimed
    bytes slab;             ///< the kernel's own objects
    bytes slab_reclaimable; ///< of `slab`: caches, such as of directory entries

    /// All of the kernel's memory, slab included; nothing where it is not told (before 5.18).
    std::optional<bytes> kernel;

    /// The file as it was read.
    std::string content;

    /// Anything in the file by its name, in the file's own unit: `find("pgmajfault")`. Nothing if
    /// this kernel does not have it.
    [[nodiscard]] std::optional<std::uint64_t> find(std::string_view name) const {
        return text::find_counter(content, name);
    }
};

/// Reads the content of memory.stat.
///
/// Error: malformed.
[[nodiscard]] inline result<memory_stat> parse_memory_stat(std::string_view content) {
    using field = text::field<memory_stat, bytes>;
    auto stat =
        text::parse_counters(content, std::array{
                                          field{"anon", &memory_stat::anon},
                                          field{"file", &memory_stat::file},
                                          field{"shmem", &memory_stat::shmem},
                                          field{"file_dirty", &memory_stat::file_dirty},
                                          field{"file_writeback", &memory_stat::file_writeback},
                                          field{"active_file", &memory_stat::active_file},
                                          field{"inactive_file", &memory_stat::inactive_file},
                                          field{"slab", &memory_stat::slab},
                                          field{"slab_reclaimable", &memory_stat::slab_reclaimable},
                                      });
    if (stat) {
        stat->content = content;
        if (const auto kernel = stat->find("kernel")) {
            stat->kernel = bytes{*kernel};
        }
    }
    return stat;
}

} // namespace oomx
