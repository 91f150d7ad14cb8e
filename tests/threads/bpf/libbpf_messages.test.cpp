// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/bpf/libbpf_messages.hpp>

#include <string>

#include <bpf/libbpf.h>
#include <catch2/catch_test_macros.hpp>

#include "at_once.hpp"

TEST_CASE("Threads that capture libbpf's messages each get their own and no others") {
    CHECK(oomx::test::at_once([](int thread) {
        const auto path = "/nowhere/" + std::to_string(thread);
        const oomx::bpf::libbpf_messages messages;
        bpf_object__close(bpf_object__open_file(path.c_str(), nullptr));
        const auto first = messages.text().find("/nowhere/");
        return messages.text().find(path) == first && first != std::string::npos;
    }));
}

TEST_CASE("A capture within a capture belongs to its thread") {
    CHECK(oomx::test::at_once([](int) {
        const oomx::bpf::libbpf_messages outer;
        {
            const oomx::bpf::libbpf_messages inner;
            bpf_object__close(bpf_object__open_file("/nowhere", nullptr));
        }
        return outer.text().empty();
    }));
}
