// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// What a kill gives back is not what a cgroup holds: the files of a tmpfs outlive their processes.
#include <stdexcept>

#include <sys/mount.h>
#include <unistd.h>

#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include "scene.hpp"

using namespace oomx::test;
using namespace oomx::literals;

namespace {

/// A tmpfs, unmounted with this object.
class tmpfs {
public:
    tmpfs() {
        std::filesystem::create_directory(at_);
        if (::mount("innocents", at_.c_str(), "tmpfs", 0, nullptr) != 0) {
            throw std::runtime_error{"mount a tmpfs: refused"};
        }
    }
    tmpfs(const tmpfs&) = delete;
    tmpfs& operator=(const tmpfs&) = delete;
    ~tmpfs() { ::umount2(at_.c_str(), MNT_DETACH); }

    [[nodiscard]] std::filesystem::path file() const { return at_ / "file"; }

private:
    std::filesystem::path at_{"/run/innocents"};
};

} // namespace

TEST_CASE("Shared memory that dies with its process counts") {
    const auto who = GENERATE(from_range(killers({killer::largest_leaf, killer::badness})));
    scene scene{who, "shared memory that dies with its process"};
    while (scene.next_round()) {
        auto large = scene.add("large", 60_MiB, {.shared_memory = true});
        auto neighbour = scene.add("neighbour", 20_MiB);

        scene.run_out_of_memory(10_MiB);

        CHECK(scene.was_killed(large));
        CHECK(scene.survived(neighbour));
    }
}

// badness takes its neighbours, as the kernel does: it looks at what processes have mapped.
TEST_CASE("Who fills a tmpfs is killed, not its neighbours") {
    const auto who = GENERATE(from_range(killers({killer::largest_leaf})));
    scene scene{who, "a process fills a tmpfs"};
    while (scene.next_round()) {
        const tmpfs files;
        scene.scope().set("memory.max", 120_MiB);
        auto neighbour = scene.add("neighbour", 20_MiB);
        auto other = scene.add("other", 10_MiB);
        auto holder = scene.add("holder", 4_MiB, {.file = files.file()});

        holder.process.order(200_MiB);

        CHECK(scene.was_killed(holder));
        CHECK(scene.survived(neighbour));
        CHECK(scene.survived(other));
        scene.scope().set("memory.max", "max");
    }
}

TEST_CASE(
    "Nobody dies in vain where a tmpfs has the memory: the one process dies whose end helps") {
    const auto who = GENERATE(from_range(killers({killer::largest_leaf, killer::badness})));
    scene scene{who, "a full tmpfs, whose writer is gone"};
    while (scene.next_round()) {
        const tmpfs files;
        auto place = scene.scope().child("holder");
        {
            auto writer = hog::start(place, {.file = files.file()});
            writer.grow(80_MiB);
        }
        auto restarted = hog::start(place);
        auto large = scene.add("large", 40_MiB);
        auto neighbour = scene.add("neighbour", 10_MiB);

        scene.run_out_of_memory(10_MiB);

        CHECK(scene.was_killed(large));
        CHECK(scene.survived(restarted));
        CHECK(scene.survived(neighbour));
    }
}
