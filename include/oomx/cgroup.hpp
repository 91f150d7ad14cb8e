// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <array>
#include <cerrno>
#include <charconv>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>

#include <fcntl.h>
#include <linux/magic.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <fmt/format.h>

#include <oomx/bytes.hpp>
#include <oomx/ids.hpp>
#include <oomx/result.hpp>
#include <oomx/unique_fd.hpp>

namespace oomx {

/// A cgroup v2 directory, held open: a cgroup that is removed and made again under the same name is
/// another one, and this object stays with the first.
class [[nodiscard]] cgroup {
public:
    /// Opens a directory of a mounted cgroup v2 hierarchy.
    ///
    /// Errors: not_found, not_permitted, not_a_cgroup (also for a cgroup v1 directory).
    [[nodiscard]] static result<cgroup> open(const std::filesystem::path& path);

    /// The whole system: attaching here handles OOMs of the machine, and those of cgroups that
    /// nobody else handled. Needs no mounted hierarchy; has no files to read.
    [[nodiscard]] static cgroup root() {
        return cgroup{unique_fd{}, "the whole system", root_cgroup};
    }

    [[nodiscard]] cgroup_id id() const { return id_; }
    [[nodiscard]] bool is_root() const { return id_ == root_cgroup; }

    /// As it was opened; the directory may have been renamed or removed since.
    [[nodiscard]] const std::filesystem::path& path() const { return path_; }

    /// The same cgroup once more, with a descriptor of its own. Error: system (no descriptor left).
    [[nodiscard]] result<cgroup> duplicate() const {
        if (!directory_) {
            return cgroup{unique_fd{}, path_, id_};
        }
        auto directory = oomx::duplicate(directory_.native_handle());
        if (!directory) {
            return pass_on(std::move(directory));
        }
        return cgroup{std::move(*directory), path_, id_};
    }

    /// One of its files, whole: `read("memory.events")`. Errors: not_found once it is removed.
    [[nodiscard]] result<std::string> read(std::string_view file) const;

    /// memory.current.
    [[nodiscard]] result<bytes> memory_current() const;

    /// Whether the memory controller works on this cgroup itself, not only on an ancestor.
    [[nodiscard]] result<bool> has_memory_controller() const;

    /// The directory's descriptor, still owned here; -1 for root().
    [[nodiscard]] int native_handle() const { return directory_.native_handle(); }

private:
    cgroup(unique_fd directory, std::filesystem::path path, cgroup_id id)
        : directory_{std::move(directory)}, path_{std::move(path)}, id_{id} {}

    static result<cgroup> open_directory(const std::filesystem::path& path);
    static result<void> require_cgroup2(int directory);
    [[nodiscard]] result<std::string> read_file(std::string_view file) const;

    unique_fd directory_;
    std::filesystem::path path_;
    cgroup_id id_;
};

inline result<void> cgroup::require_cgroup2(int directory) {
    struct statfs filesystem{};
    if (::fstatfs(directory, &filesystem) != 0) {
        return failure(errc::system, errno, "its filesystem cannot be asked");
    }
    if (filesystem.f_type == CGROUP2_SUPER_MAGIC) {
        return {};
    }
    if (filesystem.f_type == CGROUP_SUPER_MAGIC) {
        return failure(errc::not_a_cgroup, "it is a cgroup v1 directory",
                       "name one of the cgroup v2 hierarchy, or boot with "
                       "systemd.unified_cgroup_hierarchy=1");
    }
    return failure(errc::not_a_cgroup, "it is no cgroup directory",
                   "name one below the cgroup v2 mount, usually /sys/fs/cgroup");
}

inline result<cgroup> cgroup::open_directory(const std::filesystem::path& path) {
    unique_fd directory{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!directory) {
        const int cause = errno;
        switch (cause) {
        case ENOENT:
            return failure(errc::not_found, cause, "no such directory",
                           "check the path, or make it with mkdir");
        case ENOTDIR:
            return failure(errc::not_a_cgroup, cause, "it is no directory",
                           "name the cgroup's directory, not one of its files");
        case EACCES:
        case EPERM:
            return failure(errc::not_permitted, cause, "no permission",
                           "run as root, or as the cgroup's owner");
        default:
            return failure(errc::system, cause, "refused");
        }
    }
    if (auto checked = require_cgroup2(directory.native_handle()); !checked) {
        return pass_on(std::move(checked));
    }
    struct stat status{};
    if (::fstat(directory.native_handle(), &status) != 0) {
        return failure(errc::system, errno, "its id cannot be read");
    }
    return cgroup{std::move(directory), path, cgroup_id{status.st_ino}};
}

inline result<cgroup> cgroup::open(const std::filesystem::path& path) {
    return within(open_directory(path),
                  [&] { return fmt::format("open cgroup {}", path.native()); });
}

inline result<std::string> cgroup::read_file(std::string_view file) const {
    if (!directory_) {
        return failure(errc::invalid_argument, "cgroup::root() has no files",
                       "open the hierarchy's mount point to read them");
    }
    const unique_fd source{
        ::openat(directory_.native_handle(), std::string{file}.c_str(), O_RDONLY | O_CLOEXEC)};
    std::string text;
    std::array<char, 4096> buffer{};
    ssize_t got = source ? 1 : -1;
    while (got > 0) {
        got = ::read(source.native_handle(), buffer.data(), buffer.size());
        if (got > 0) {
            text.append(buffer.data(), static_cast<std::size_t>(got));
        }
    }
    if (got == 0) {
        return text;
    }
    const int cause = errno;
    // A removed cgroup's files are gone (ENOENT) or, held open, refuse to be read (ENODEV).
    if (cause == ENOENT || cause == ENODEV) {
        return failure(errc::not_found, cause, "the cgroup was removed or lacks the controller",
                       "open it again, or enable the controller in its parent's "
                       "cgroup.subtree_control");
    }
    return failure(errc::system, cause, "refused");
}

inline result<std::string> cgroup::read(std::string_view file) const {
    return within(read_file(file),
                  [&] { return fmt::format("read {} of {}", file, path_.native()); });
}

inline result<bytes> cgroup::memory_current() const {
    constexpr std::string_view file = "memory.current";
    auto text = read(file);
    if (!text) {
        return pass_on(std::move(text));
    }
    std::uint64_t count = 0;
    const char* const end = text->data() + text->size();
    const auto [stop, cause] = std::from_chars(text->data(), end, count);
    if (cause != std::errc{} || stop == end || *stop != '\n') {
        return within(result<bytes>{failure(errc::malformed, "it holds no number of bytes")},
                      [&] { return fmt::format("read {} of {}", file, path_.native()); });
    }
    return bytes{count};
}

inline result<bool> cgroup::has_memory_controller() const {
    auto controllers = read("cgroup.controllers");
    if (!controllers) {
        return pass_on(std::move(controllers));
    }
    // "cpuset memory pids\n": whole words only.
    const std::string words = " " + *controllers;
    return words.find(" memory ") != std::string::npos ||
           words.find(" memory\n") != std::string::npos;
}

} // namespace oomx
