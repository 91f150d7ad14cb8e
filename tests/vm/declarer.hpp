// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cstdint>
#include <map>

#include <unistd.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <catch2/catch_test_macros.hpp>
#include <declare.skel.hpp>

#include <oomx/ids.hpp>
#include <oomx/unique_fd.hpp>

namespace oomx::test {

/// What declares an OOM, and sees processes as the kernel's killer does.
class declarer {
public:
    declarer() : program_{declare_bpf::open()} {
        REQUIRE(program_ != nullptr);
        // What oomx::load() tells a policy.
        program_->rodata_oomx->oomx_object = {.identity = 0, .page_size = 4096, .machine_size = 0};
        REQUIRE(declare_bpf::load(program_) == 0);
        sizes_ = bpf_program__attach(program_->progs.process_sizes);
        REQUIRE(sizes_ != nullptr);
    }
    declarer(const declarer&) = delete;
    declarer& operator=(const declarer&) = delete;
    ~declarer() {
        bpf_link__destroy(sizes_);
        declare_bpf::destroy(program_);
    }

    /// By pid.
    [[nodiscard]] std::map<pid_t, process_size> sizes() const {
        const unique_fd from{bpf_iter_create(bpf_link__fd(sizes_))};
        std::map<pid_t, process_size> all;
        process_size one{};
        while (::read(from.native_handle(), &one, sizeof one) == sizeof one) {
            all[static_cast<pid_t>(one.pid)] = one;
        }
        return all;
    }

    /// 1 if somebody was killed.
    int declare(cgroup_id where) {
        program_->bss->target = static_cast<std::uint64_t>(where);
        bpf_link* const link = bpf_map__attach_struct_ops(program_->maps.declare_ops);
        REQUIRE(link != nullptr);
        bpf_link__destroy(link);
        return program_->bss->declared;
    }

private:
    declare_bpf* program_;
    bpf_link* sizes_;
};

} // namespace oomx::test
