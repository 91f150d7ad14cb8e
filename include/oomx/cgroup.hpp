// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <algorithm>
#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <system_error>
#include <type_traits>
#include <utility>
#include <vector>

#include <dirent.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <sys/vfs.h>
#include <unistd.h>

#include <fmt/format.h>

#include <oomx/bytes.hpp>
#include <oomx/cgroup_errors.hpp>
#include <oomx/cgroup_files.hpp>
#include <oomx/cgroup_mounts.hpp>
#include <oomx/ids.hpp>
#include <oomx/limit.hpp>
#include <oomx/memory_events.hpp>
#include <oomx/memory_stat.hpp>
#include <oomx/pressure_stat.hpp>
#include <oomx/result.hpp>
#include <oomx/text.hpp>
#include <oomx/unique_fd.hpp>

namespace oomx {

/// A cgroup v2 directory, held open: a cgroup that is removed and made again under the same name is
/// another one, and this object stays with the first.
///
/// Every read asks the kernel anew. Errors of all that reads: not_found once the cgroup is removed,
/// and for a file that it lacks; malformed for content in another form than the kernel documents;
/// invalid_argument for root(). Const members may be called from several threads at once.
class [[nodiscard]] cgroup {
public:
    /// Opens a directory of a mounted cgroup v2 hierarchy.
    ///
    /// Errors: not_found, not_permitted, not_a_cgroup (also for a cgroup v1 directory; the text
    /// says where v2 is).
    [[nodiscard]] static result<cgroup> open(const std::filesystem::path& path);

    /// The whole system: attaching here handles OOMs of the machine, and those of cgroups that
    /// nobody else handled. Needs no mounted hierarchy; has no files to read and no children: the
    /// directory of the hierarchy's mount point has those.
    [[nodiscard]] static cgroup root() {
        return cgroup{unique_fd{}, "the whole system", root_cgroup};
    }

    /// Opens the one with this id, wherever it is; path() is where that is now. Needs a mounted
    /// hierarchy and CAP_DAC_READ_SEARCH.
    ///
    /// Errors: not_found, once it is removed, or where the mount does not show it; not_permitted;
    /// not_a_cgroup, where no hierarchy is mounted.
    [[nodiscard]] static result<cgroup> open(cgroup_id id);

    /// Takes over a directory that was opened elsewhere, without a check that it is a cgroup: one
    /// that was handed over a socket, or a made-up tree in a test. `path` is for messages.
    ///
    /// Errors: system; not_a_cgroup for the topmost directory of another filesystem, which has the
    /// number of the root cgroup.
    [[nodiscard]] static result<cgroup> adopt(unique_fd directory, std::filesystem::path path);

    // --- which one it is ---

    /// Never that of another cgroup before the next boot.
    [[nodiscard]] cgroup_id id() const { return id_; }

    /// Whether it is the whole system: root(), or the directory of the hierarchy's root.
    [[nodiscard]] bool is_root() const { return id_ == root_cgroup; }

    /// As it was opened; the directory may have been removed since.
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

    /// The directory's descriptor, still owned here; -1 for root().
    [[nodiscard]] int native_handle() const { return directory_.native_handle(); }

    // --- its place in the hierarchy ---

    /// One below it: `child("batch.slice")`, `child("batch.slice/job1")`. Whatever the name, it
    /// leads nowhere else: `..`, absolute names and symbolic links are refused.
    ///
    /// Errors: invalid_argument, not_found, not_permitted, not_a_cgroup for a file; unsupported
    /// before Linux 5.6.
    [[nodiscard]] result<cgroup> child(std::string_view name) const;

    /// Those directly below it, all open at once, in the order of their names. One that is removed
    /// meanwhile is left out, any other failure to open one is an error.
    ///
    /// Errors: as for child(); exhausted where the process may not open so many files.
    [[nodiscard]] result<std::vector<cgroup>> children() const;

    /// The one above it.
    ///
    /// Errors: as for child(); not_found for the topmost one of the mount.
    [[nodiscard]] result<cgroup> parent() const;

    // --- what it holds ---

    /// The processes in it, those of its descendants not included; ascending.
    ///
    /// Errors: not_permitted if one of them is outside this process's pid namespace, where it has
    /// no number; unsupported for a threaded cgroup.
    [[nodiscard]] result<std::vector<pid_t>> processes() const {
        return read("cgroup.procs", parse_processes);
    }

    /// The controllers that work on it: those that its parent has enabled for its children.
    [[nodiscard]] result<std::set<std::string, std::less<>>> controllers() const {
        return read("cgroup.controllers", parse_names);
    }

    /// Whether the memory controller works on this cgroup itself, not only on an ancestor.
    [[nodiscard]] result<bool> has_memory_controller() const;

    /// Fails where it does not, and says what to do: what a policy is told of a cgroup is of no
    /// effect then. The whole system needs none. Error besides: unsupported.
    [[nodiscard]] result<void> require_memory_controller() const;

    // --- its memory: Documentation/admin-guide/cgroup-v2.rst, "Memory Interface Files" ---

    /// What it and its descendants use.
    [[nodiscard]] result<bytes> memory_current() const {
        return read("memory.current", parse_bytes);
    }
    /// Never reclaimed below this, come what may.
    [[nodiscard]] result<limit> memory_min() const { return read("memory.min", parse_limit); }
    /// Not reclaimed below this while there is other memory to reclaim.
    [[nodiscard]] result<limit> memory_low() const { return read("memory.low", parse_limit); }
    /// Throttled and reclaimed above this.
    [[nodiscard]] result<limit> memory_high() const { return read("memory.high", parse_limit); }
    /// Out of memory above this.
    [[nodiscard]] result<limit> memory_max() const { return read("memory.max", parse_limit); }
    /// What it and its descendants have in swap.
    [[nodiscard]] result<bytes> memory_swap_current() const {
        return read("memory.swap.current", parse_bytes);
    }
    /// What they may have there.
    [[nodiscard]] result<limit> memory_swap_max() const {
        return read("memory.swap.max", parse_limit);
    }
    /// Whether the OOM killer takes the whole cgroup with one of its processes.
    [[nodiscard]] result<bool> memory_oom_group() const {
        return read("memory.oom.group", parse_flag);
    }
    /// How often it or a descendant met a bound.
    [[nodiscard]] result<oomx::memory_events> memory_events() const {
        return read("memory.events", parse_memory_events);
    }
    /// How often it met its own bounds.
    [[nodiscard]] result<oomx::memory_events> memory_events_local() const {
        return read("memory.events.local", parse_memory_events);
    }
    /// What its memory is used for.
    [[nodiscard]] result<oomx::memory_stat> memory_stat() const {
        return read("memory.stat", parse_memory_stat);
    }

    // --- its pressure ---

    /// How much its tasks stand still for want of memory. Error: unsupported where the kernel does
    /// not count that.
    [[nodiscard]] result<pressure_stat> memory_pressure() const {
        return read("memory.pressure", parse_pressure_stat);
    }
    /// The same for input and output.
    [[nodiscard]] result<pressure_stat> io_pressure() const {
        return read("io.pressure", parse_pressure_stat);
    }
    /// The same for processors.
    [[nodiscard]] result<pressure_stat> cpu_pressure() const {
        return read("cpu.pressure", parse_pressure_stat);
    }

    // --- anything else ---

    /// One of its files, whole: `read("cgroup.stat")`.
    [[nodiscard]] result<std::string> read(std::string_view file) const;

    /// One of its files, read by a function from std::string_view to a result:
    /// `read("memory.peak", parse_bytes)`. Its errors say which file of which cgroup.
    template <typename Parse>
    [[nodiscard]] std::invoke_result_t<Parse, std::string_view> read(std::string_view file,
                                                                     Parse parse) const;

private:
    cgroup(unique_fd directory, std::filesystem::path path, cgroup_id id)
        : directory_{std::move(directory)}, path_{std::move(path)}, id_{id} {}

    static result<cgroup> open_directory(const std::filesystem::path& path);
    static result<cgroup> open_handle(cgroup_id id);
    static result<void> require_cgroup2(int directory);

    [[nodiscard]] unique_fd open_from_here(const std::string& name, std::uint64_t resolve) const;
    [[nodiscard]] result<cgroup> open_child(std::string_view name) const;
    [[nodiscard]] result<cgroup> open_parent() const;
    [[nodiscard]] result<std::vector<cgroup>> open_children() const;
    [[nodiscard]] result<std::vector<std::string>> child_names() const;
    [[nodiscard]] result<std::string> read_file(std::string_view file) const;
    [[nodiscard]] result<void> require_directory() const;

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
    return failure(errc::not_a_cgroup,
                   filesystem.f_type == CGROUP_SUPER_MAGIC ? "it is a cgroup v1 directory"
                                                           : "it is no cgroup directory",
                   find_cgroup_mounts().remedy());
}

inline result<cgroup> cgroup::adopt(unique_fd directory, std::filesystem::path path) {
    struct stat status{};
    if (::fstat(directory.native_handle(), &status) != 0) {
        return failure(errc::system, errno, fmt::format("read the id of cgroup {}", path.native()));
    }
    const cgroup_id id{status.st_ino};
    // Other filesystems number their topmost directory so, too, and the root is the whole system.
    if (id == root_cgroup) {
        if (auto checked = require_cgroup2(directory.native_handle()); !checked) {
            return within(result<cgroup>{pass_on(std::move(checked))},
                          [&] { return fmt::format("adopt cgroup {}", path.native()); });
        }
    }
    return cgroup{std::move(directory), std::move(path), id};
}

inline result<cgroup> cgroup::open_directory(const std::filesystem::path& path) {
    unique_fd directory{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!directory) {
        return failure(cgroup_open_error(errno));
    }
    if (auto checked = require_cgroup2(directory.native_handle()); !checked) {
        return pass_on(std::move(checked));
    }
    return adopt(std::move(directory), path);
}

inline result<cgroup> cgroup::open(const std::filesystem::path& path) {
    return within(open_directory(path),
                  [&] { return fmt::format("open cgroup {}", path.native()); });
}

/// The kernel's name for a cgroup that does not change: its id, as a file handle (FILEID_KERNFS,
/// include/linux/exportfs.h).
inline result<cgroup> cgroup::open_handle(cgroup_id id) {
    constexpr int fileid_kernfs = 0xfe;
    const auto mounts = find_cgroup_mounts();
    if (!mounts.v2) {
        return failure(errc::not_a_cgroup, "there is no hierarchy to look in", mounts.remedy());
    }
    const unique_fd mount{::open(mounts.v2->c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!mount) {
        return failure(cgroup_open_error(errno));
    }
    struct { // a file_handle with its bytes
        unsigned int size;
        int type;
        cgroup_id id;
    } handle{sizeof id, fileid_kernfs, id};
    static_assert(offsetof(decltype(handle), id) == offsetof(file_handle, f_handle));
    unique_fd directory{::open_by_handle_at(mount.native_handle(),
                                            reinterpret_cast<file_handle*>(&handle),
                                            O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
    if (!directory) {
        const int cause = errno;
        if (cause == ESTALE) {
            return failure(errc::not_found, cause, "the cgroup was removed",
                           "none: its id is never used again");
        }
        if (cause == EPERM) {
            return failure(errc::not_permitted, cause, "this process may not open files by id",
                           "run as root, or with CAP_DAC_READ_SEARCH");
        }
        return failure(cgroup_open_error(cause));
    }
    std::error_code refused;
    auto path = std::filesystem::read_symlink(
        fmt::format("/proc/self/fd/{}", directory.native_handle()), refused);
    if (refused) {
        return failure(errc::system, refused.value(), "its path cannot be read");
    }
    return adopt(std::move(directory), std::move(path));
}

inline result<cgroup> cgroup::open(cgroup_id id) {
    if (id == no_cgroup || id == unknown_cgroup) {
        return failure(errc::invalid_argument, "open cgroup: no cgroup has that id",
                       "give one that a cgroup or a decision has");
    }
    return within(open_handle(id),
                  [&] { return fmt::format("open cgroup {}", std::to_underlying(id)); });
}

inline result<void> cgroup::require_directory() const {
    if (!directory_) {
        return failure(errc::invalid_argument, "cgroup::root() has no directory",
                       "open the hierarchy's mount point, usually /sys/fs/cgroup");
    }
    return {};
}

/// Within this mount: what is mounted on a cgroup is none, and what the mount is on is none. None,
/// with its errno, if it is refused.
inline unique_fd cgroup::open_from_here(const std::string& name, std::uint64_t resolve) const {
    open_how how{};
    how.flags = O_RDONLY | O_DIRECTORY | O_CLOEXEC;
    how.resolve = RESOLVE_NO_XDEV | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS | resolve;
    return unique_fd{static_cast<int>(
        ::syscall(SYS_openat2, directory_.native_handle(), name.c_str(), &how, sizeof how))};
}

inline result<cgroup> cgroup::open_child(std::string_view name) const {
    if (auto checked = require_directory(); !checked) {
        return pass_on(std::move(checked));
    }
    // openat2() lets no name escape; that "." and "a/.." are no children is said here.
    const error no_name{errc::invalid_argument, "that is no name of a cgroup below it",
                        "give it as child/grandchild"};
    if (name.empty() || name.contains('\0')) {
        return failure(no_name);
    }
    for (auto rest = name; !rest.empty();) {
        const auto [part, behind] = text::split_at(rest, '/');
        if (part.empty() || part == "." || part == "..") {
            return failure(no_name);
        }
        rest = behind;
    }
    unique_fd directory = open_from_here(std::string{name}, RESOLVE_BENEATH);
    if (!directory) {
        const int cause = errno;
        return cause == EXDEV || cause == ELOOP
                   ? failure(errc::invalid_argument, cause, "it leads out of the hierarchy",
                             "name a cgroup, not a link or what is mounted on one")
                   : failure(cgroup_open_error(cause));
    }
    return adopt(std::move(directory), path_ / name);
}

inline result<cgroup> cgroup::child(std::string_view name) const {
    return within(open_child(name),
                  [&] { return fmt::format("open cgroup {:?} below {}", name, path_.native()); });
}

/// Sorted: the kernel's order is that of a hash.
inline result<std::vector<std::string>> cgroup::child_names() const {
    if (auto checked = require_directory(); !checked) {
        return pass_on(std::move(checked));
    }
    // A descriptor of its own: reading a directory moves its position.
    const unique_fd position = open_from_here(".", 0);
    if (!position) {
        return failure(cgroup_open_error(errno));
    }
    std::vector<std::string> names;
    alignas(dirent64) std::array<char, 4096> buffer{};
    // Not readdir(), for which a removed directory is an empty one.
    ssize_t got = 0;
    while ((got = ::getdents64(position.native_handle(), buffer.data(), buffer.size())) > 0) {
        for (ssize_t at = 0; at < got;) {
            const auto* const entry = reinterpret_cast<const dirent64*>(buffer.data() + at);
            const std::string_view name = entry->d_name;
            // Cgroup v2 always tells the type.
            if (entry->d_type == DT_DIR && name != "." && name != "..") {
                names.emplace_back(name);
            }
            at += entry->d_reclen;
        }
    }
    if (got < 0) {
        return failure(cgroup_open_error(errno));
    }
    std::ranges::sort(names);
    return names;
}

inline result<std::vector<cgroup>> cgroup::open_children() const {
    auto names = child_names();
    if (!names) {
        return pass_on(std::move(names));
    }
    std::vector<cgroup> children;
    for (const auto& name : *names) {
        auto opened = child(name);
        if (opened) {
            children.push_back(std::move(*opened));
        } else if (opened.error().code() != errc::not_found) {
            return pass_on(std::move(opened));
        }
    }
    return children;
}

inline result<std::vector<cgroup>> cgroup::children() const {
    return within(open_children(),
                  [&] { return fmt::format("open the children of cgroup {}", path_.native()); });
}

inline result<cgroup> cgroup::open_parent() const {
    if (auto checked = require_directory(); !checked) {
        return pass_on(std::move(checked));
    }
    unique_fd directory = open_from_here("..", 0);
    if (!directory) {
        const int cause = errno;
        return cause == EXDEV ? failure(errc::not_found, "it is the topmost cgroup of this mount")
                              : failure(cgroup_open_error(cause));
    }
    // Asked of the kernel, as a path may have led here by symbolic links.
    std::error_code unknown;
    auto path = std::filesystem::read_symlink(
        fmt::format("/proc/self/fd/{}", directory.native_handle()), unknown);
    return adopt(std::move(directory), unknown ? path_ / ".." : std::move(path));
}

inline result<cgroup> cgroup::parent() const {
    return within(open_parent(),
                  [&] { return fmt::format("open the parent of cgroup {}", path_.native()); });
}

inline result<std::string> cgroup::read_file(std::string_view file) const {
    if (auto checked = require_directory(); !checked) {
        return pass_on(std::move(checked));
    }
    if (file.contains('/') || file.contains('\0')) {
        return failure(errc::invalid_argument, "that is no name of a file in it",
                       "open the cgroup that has the file");
    }
    auto content = text::read_whole(directory_.native_handle(), std::string{file});
    if (!content) {
        return failure(cgroup_read_error(directory_.native_handle(), id_, file,
                                         content.error().system_error()));
    }
    return content;
}

inline result<std::string> cgroup::read(std::string_view file) const {
    return within(read_file(file),
                  [&] { return fmt::format("read {} of {}", file, path_.native()); });
}

template <typename Parse>
std::invoke_result_t<Parse, std::string_view> cgroup::read(std::string_view file,
                                                           Parse parse) const {
    auto content = read(file);
    if (!content) {
        return pass_on(std::move(content));
    }
    return within(parse(std::string_view{*content}),
                  [&] { return fmt::format("read {} of {}", file, path_.native()); });
}

inline result<bool> cgroup::has_memory_controller() const {
    auto names = controllers();
    if (!names) {
        return pass_on(std::move(names));
    }
    return names->contains("memory");
}

inline result<void> cgroup::require_memory_controller() const {
    if (is_root()) {
        return {};
    }
    auto controlled = has_memory_controller();
    if (!controlled) {
        return pass_on(std::move(controlled));
    }
    if (!*controlled) {
        return failure(errc::unsupported, "it has no memory controller",
                       "write +memory to its parent's cgroup.subtree_control");
    }
    return {};
}

} // namespace oomx
