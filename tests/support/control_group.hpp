// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>

#include <poll.h>

#include <fmt/format.h>

#include <oomx/bytes.hpp>
#include <oomx/cgroup.hpp>

namespace oomx::test {

/// A cgroup that a test makes; it and all below it are killed and removed with it.
class control_group {
public:
    /// Directly below the mount point, with the memory controller.
    static control_group make(std::string_view name) {
        return control_group{"/sys/fs/cgroup" / std::filesystem::path{name}};
    }

    /// Below this one; from now on this one may hold no process.
    [[nodiscard]] control_group child(std::string_view name) const {
        set("cgroup.subtree_control", "+memory");
        return control_group{path_ / name};
    }

    /// Below this one, but without the memory controller: do not mix with child().
    [[nodiscard]] control_group child_without_memory(std::string_view name) const {
        return control_group{path_ / name};
    }

    control_group(control_group&& other) noexcept : path_{std::exchange(other.path_, {})} {}
    control_group(const control_group&) = delete;
    control_group& operator=(const control_group&) = delete;
    control_group& operator=(control_group&&) = delete;
    ~control_group() { remove(); }

    [[nodiscard]] const std::filesystem::path& path() const { return path_; }
    [[nodiscard]] cgroup open() const { return cgroup::open(path_).value(); }
    [[nodiscard]] cgroup_id id() const { return open().id(); }

    void set(const char* file, std::string_view value) const {
        std::ofstream out{path_ / file};
        out << value << std::flush;
        if (!out) {
            throw std::runtime_error{
                fmt::format("write '{}' to {}: refused", value, (path_ / file).native())};
        }
    }
    void set(const char* file, bytes value) const { set(file, std::to_string(value.count())); }

    /// The number behind a key of memory.events: "oom_kill".
    [[nodiscard]] long event(std::string_view key) const {
        std::ifstream in{path_ / "memory.events"};
        std::string name;
        long count = 0;
        while (in >> name >> count) {
            if (name == key) {
                return count;
            }
        }
        throw std::runtime_error{fmt::format("{}/memory.events has no '{}'", path_.native(), key)};
    }

    /// How many processes are in it, without those below.
    [[nodiscard]] std::ptrdiff_t processes() const {
        std::ifstream in{path_ / "cgroup.procs"};
        return std::count(std::istreambuf_iterator{in}, {}, '\n');
    }

    /// Ends every process in it, waits until they are gone, and removes it and all below it.
    void remove() {
        if (path_.empty() || !std::filesystem::exists(path_)) {
            return;
        }
        set("cgroup.kill", "1");
        wait_until_empty();
        remove_tree(path_);
    }

private:
    explicit control_group(std::filesystem::path path) : path_{std::move(path)} {
        std::filesystem::create_directory(path_);
    }

    /// cgroup.events tells a change of "populated" by POLLPRI.
    void wait_until_empty() const {
        const unique_fd events{::open((path_ / "cgroup.events").c_str(), O_RDONLY | O_CLOEXEC)};
        for (;;) {
            std::string text(256, '\0');
            const auto got = ::pread(events.native_handle(), text.data(), text.size(), 0);
            if (got <= 0 || text.find("populated 0") != std::string::npos) {
                return;
            }
            pollfd changed{events.native_handle(), POLLPRI, 0};
            ::poll(&changed, 1, -1);
        }
    }

    static void remove_tree(const std::filesystem::path& directory) {
        for (const auto& entry : std::filesystem::directory_iterator{directory}) {
            if (entry.is_directory()) {
                remove_tree(entry.path());
            }
        }
        ::rmdir(directory.c_str());
    }

    std::filesystem::path path_;
};

} // namespace oomx::test
