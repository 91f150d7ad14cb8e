// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <utility>
#include <vector>

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <oomx/bpf/abi.hpp>
#include <oomx/bpf/attach.hpp>
#include <oomx/unique_fd.hpp>

namespace oomx::test {

/// Stands where a kernel with v2 would: knows by the descriptors it is given which places are
/// taken, and by the links that are closed which are free again.
class places_of_kernel {
public:
    bool ignores_cgroups = false;
    int refuses_all_with = 0; ///< an errno, or 0

    /// Somebody else attaches to that directory, or system-wide for no directory.
    void take(int directory) { elsewhere_.push_back(link(place_of(directory))); }

    /// What BPF_LINK_CREATE does.
    bpf::link_attempt operator()(const bpf::abi::link_create& call) {
        if (refuses_all_with != 0) {
            return {unique_fd{}, refuses_all_with};
        }
        const auto fd = static_cast<int>(call.relative_fd);
        const auto place = ignores_cgroups ? 0 : place_of(fd == 0 ? -1 : fd);
        if (is_taken(place)) {
            return {unique_fd{}, EBUSY};
        }
        return {link(place), 0};
    }

    /// How many links there are that nobody has closed.
    [[nodiscard]] std::size_t held() {
        return static_cast<std::size_t>(
            std::ranges::count_if(ends_, [](const auto& one) { return is_open(one.second); }));
    }

private:
    /// The inode of a directory, as the kernel's id of a cgroup is; 0 for the whole system.
    static std::uint64_t place_of(int directory) {
        struct stat status{};
        return directory >= 0 && ::fstat(directory, &status) == 0 ? status.st_ino : 0;
    }

    /// A link is the reading end of a pipe: the writing end tells when it is closed.
    unique_fd link(std::uint64_t place) {
        int ends[2]{};
        if (::pipe2(ends, O_CLOEXEC) != 0) {
            return unique_fd{};
        }
        ends_.emplace_back(place, ends[1]);
        return unique_fd{ends[0]};
    }

    static bool is_open(const unique_fd& writing_end) {
        pollfd end{writing_end.native_handle(), POLLOUT, 0};
        return ::poll(&end, 1, 0) == 1 && (end.revents & POLLERR) == 0;
    }

    [[nodiscard]] bool is_taken(std::uint64_t place) const {
        return std::ranges::any_of(
            ends_, [&](const auto& one) { return one.first == place && is_open(one.second); });
    }

    std::vector<std::pair<std::uint64_t, unique_fd>> ends_;
    std::vector<unique_fd> elsewhere_;
};

} // namespace oomx::test
