// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// What `./dev demo` shows: the example 01_attach_bundled at work on a real OOM in a cgroup tree.
//
//     demo PATH_OF_01_ATTACH_BUNDLED
#include <array>
#include <cstdio>
#include <string>
#include <vector>

#include <sys/utsname.h>

#include <fmt/format.h>

#include "support.hpp"

using namespace oomx::test;
using namespace oomx::literals;

namespace {

struct leaf {
    control_group group;
    int oom_score_adj;
    oomx::bytes size;
    hog process = hog::start(group, oom_score_adj);

    void show(bool alive) {
        fmt::print("  {:<28} cgroup {:<4} {:>9}   oom_score_adj {:>5}   {}\n",
                   group.path().lexically_relative("/sys/fs/cgroup").native(),
                   std::to_underlying(group.id()), must(group.open().memory_current()),
                   oom_score_adj, alive ? "lives" : "killed");
    }
};

/// A program whose output is shown behind a bar.
class shown_program {
public:
    shown_program(const char* path, const char* argument)
        : process_{process::start([&] {
              ::dup2(out_[1], STDOUT_FILENO);
              ::dup2(out_[1], STDERR_FILENO);
              ::execl(path, path, argument, nullptr);
              return 127;
          })} {
        ::close(out_[1]);
    }
    ~shown_program() { ::fclose(lines_); }
    shown_program(const shown_program&) = delete;
    shown_program& operator=(const shown_program&) = delete;

    bool show_line() {
        std::array<char, 512> line{};
        if (std::fgets(line.data(), line.size(), lines_) == nullptr) {
            return false;
        }
        fmt::print("  | {}", line.data());
        return true;
    }

    /// Interrupts it and shows the rest. False if it did not end well.
    bool finish() {
        process_.kill(SIGINT);
        while (show_line()) {
        }
        return process_.ended_within(std::chrono::seconds{10}) && process_.exit_status() == 0;
    }

private:
    static std::array<int, 2> make_pipe() {
        std::array<int, 2> ends{};
        if (::pipe2(ends.data(), O_CLOEXEC) != 0) {
            throw std::runtime_error{"make a pipe: refused"};
        }
        return ends;
    }

    std::array<int, 2> out_ = make_pipe();
    process process_;
    std::FILE* lines_ = ::fdopen(out_[0], "r");
};

bool run(const char* example) {
    utsname kernel{};
    ::uname(&kernel);
    fmt::print("Linux {}: {}\n\n", kernel.release,
               oomx::probe().bpf_oom ? "has bpf_oom" : oomx::probe().bpf_oom.because);

    auto demo = control_group::make("demo");
    auto web = demo.child("web");
    auto batch = demo.child("batch");
    std::vector<leaf> leaves;
    leaves.reserve(4);
    leaves.push_back({web.child("frontend"), 1000, 10_MiB});
    leaves.push_back({web.child("database"), -1000, 40_MiB});
    leaves.push_back({batch.child("report"), 0, 30_MiB});
    leaves.push_back({batch.child("index"), 0, 20_MiB});

    fmt::print("Four leaves below the cgroup demo:\n");
    for (auto& leaf : leaves) {
        leaf.process.grow(leaf.size);
        leaf.show(true);
    }

    fmt::print("\n$ {} {}\n", std::filesystem::path{example}.filename().native(),
               demo.path().native());
    shown_program agent{example, demo.path().c_str()};
    if (!agent.show_line()) {
        return false;
    }
    fmt::print("\n$ echo 80M > {}/memory.max\n", demo.path().native());
    demo.set("memory.max", 80_MiB);
    if (!agent.finish()) {
        return false;
    }

    fmt::print("\nAfterwards:\n");
    std::size_t living = 0;
    for (auto& leaf : leaves) {
        const bool alive = leaf.process.lives();
        living += alive ? 1 : 0;
        leaf.show(alive);
    }
    return living == 3;
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 2) {
        fmt::print(stderr, "usage: demo PATH_OF_01_ATTACH_BUNDLED\n");
        return 2;
    }
    // The output of children and ours are one text.
    std::setvbuf(stdout, nullptr, _IOLBF, 0);
    if (!run(argv[1])) {
        fmt::print(stderr, "demo: that is not what should have happened: one of four dies\n");
        return 1;
    }
    return 0;
}
