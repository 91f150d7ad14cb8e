// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <filesystem>
#include <fstream>
#include <initializer_list>
#include <string_view>
#include <utility>

#include <fcntl.h>

#include <oomx/cgroup.hpp>
#include <oomx/unique_fd.hpp>

#include "temporary_directory.hpp"

namespace oomx::test {

/// A tree of plain directories that looks like cgroups to what reads it; removed with its scope.
class fake_cgroup {
public:
    using files = std::initializer_list<std::pair<std::string_view, std::string_view>>;

    explicit fake_cgroup(files content = {}) { write(path(), content); }

    /// Makes one below it, and those in between.
    void add(std::string_view name, files content = {}) const { write(path() / name, content); }

    [[nodiscard]] const std::filesystem::path& path() const { return directory_.path(); }

    [[nodiscard]] cgroup open() const {
        return cgroup::adopt(unique_fd{::open(path().c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)},
                             path())
            .value();
    }

private:
    /// Every cgroup has a cgroup.controllers.
    static void write(const std::filesystem::path& directory, files content) {
        std::filesystem::create_directories(directory);
        std::ofstream{directory / "cgroup.controllers"};
        for (const auto& [name, text] : content) {
            std::ofstream{directory / name} << text;
        }
    }

    temporary_directory directory_;
};

} // namespace oomx::test
