// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/btf_view.hpp>

#include <cstdint>
#include <optional>
#include <utility>

#include <sys/resource.h>

#include <catch2/catch_test_macros.hpp>

#include "support/btf_fixture.hpp"

using oomx::test::btf_fixture;

TEST_CASE("A struct is found by its name") {
    btf_fixture types;
    types.structure("page", 64);
    const auto kernel = types.take();
    CHECK(kernel.find_struct("page"));
    CHECK(!kernel.find_struct("folio"));
}

TEST_CASE("A typedef or an integer of the name is no struct") {
    btf_fixture types;
    types.alias("page", types.integer("int", 4));
    const auto kernel = types.take();
    CHECK(!kernel.find_struct("page"));
    CHECK(!kernel.find_struct("int"));
}

TEST_CASE("A struct knows its size and the offsets of its members in bytes") {
    btf_fixture types;
    const int number = types.integer("int", 4);
    types.structure("pair", 12, {{"first", number, 0}, {"second", number, 8}});
    const auto kernel = types.take();
    const auto pair = kernel.find_struct("pair");
    REQUIRE(pair);
    CHECK(pair->size() == 12);
    CHECK(pair->offset_of("first") == 0);
    CHECK(pair->offset_of("second") == 8);
    CHECK(pair->has("second"));
}

TEST_CASE("A member that is not there has no offset") {
    btf_fixture types;
    types.structure("pair", 8, {{"first", types.integer("int", 4), 0}});
    const auto kernel = types.take();
    const auto pair = kernel.find_struct("pair");
    REQUIRE(pair);
    CHECK(!pair->has("third"));
    CHECK(pair->offset_of("third") == std::nullopt);
    CHECK(pair->callback_parameter("third", 0) == std::nullopt);
}

TEST_CASE("A struct without members has none") {
    btf_fixture types;
    types.structure("empty", 0);
    const auto kernel = types.take();
    const auto empty = kernel.find_struct("empty");
    REQUIRE(empty);
    CHECK(!empty->has(""));
}

TEST_CASE("A callback's parameters are named by the structs they point to") {
    btf_fixture types;
    const int task = types.pointer_to_struct("task_struct");
    const int handler = types.callback({task, types.pointer_to_struct("page")});
    types.structure("ops", 8, {{"run", handler, 0}});
    const auto kernel = types.take();
    const auto ops = kernel.find_struct("ops");
    REQUIRE(ops);
    CHECK(ops->callback_parameter("run", 0) == "task_struct");
    CHECK(ops->callback_parameter("run", 1) == "page");
}

TEST_CASE("A callback has no parameter behind its last one") {
    btf_fixture types;
    types.structure("ops", 8, {{"run", types.callback({}), 0}});
    const auto kernel = types.take();
    const auto ops = kernel.find_struct("ops");
    REQUIRE(ops);
    CHECK(ops->callback_parameter("run", 0) == std::nullopt);
}

TEST_CASE("A callback's parameter that is no pointer to a struct has no name") {
    btf_fixture types;
    const int number = types.integer("int", 4);
    const int handler = types.callback({number, types.pointer_to(number), types.pointer_to(0)});
    types.structure("ops", 8, {{"run", handler, 0}});
    const auto kernel = types.take();
    const auto ops = kernel.find_struct("ops");
    REQUIRE(ops);
    CHECK(ops->callback_parameter("run", 0) == std::nullopt);
    CHECK(ops->callback_parameter("run", 1) == std::nullopt);
    CHECK(ops->callback_parameter("run", 2) == std::nullopt);
}

TEST_CASE("A member that is no callback has no parameters") {
    btf_fixture types;
    const int number = types.integer("int", 4);
    types.structure("ops", 16, {{"flags", number, 0}, {"next", types.pointer_to(number), 8}});
    const auto kernel = types.take();
    const auto ops = kernel.find_struct("ops");
    REQUIRE(ops);
    CHECK(ops->callback_parameter("flags", 0) == std::nullopt);
    CHECK(ops->callback_parameter("next", 0) == std::nullopt);
}

TEST_CASE("Typedefs and const are seen through on the way to a callback's parameter") {
    btf_fixture types;
    const int page = types.alias("page_t", types.constant(types.structure("page", 64)));
    const int parameter = types.constant(types.alias("page_ref", types.pointer_to(page)));
    const int handler = types.alias("handler_fn", types.function({parameter}));
    const int member = types.constant(types.alias("handler_t", types.pointer_to(handler)));
    types.structure("ops", 8, {{"run", member, 0}});
    const auto kernel = types.take();
    const auto ops = kernel.find_struct("ops");
    REQUIRE(ops);
    CHECK(ops->callback_parameter("run", 0) == "page");
}

TEST_CASE("A struct stays valid while its view moves") {
    btf_fixture types;
    types.structure("page", 64);
    auto kernel = types.take();
    const auto page = kernel.find_struct("page");
    const auto moved = std::move(kernel);
    REQUIRE(page);
    CHECK(page->size() == 64);
    CHECK(moved.native_handle() != nullptr);
}

TEST_CASE("A callback's parameter whose typedefs lead in a circle has no name") {
    btf_fixture types;
    // Each call adds one type, numbered from 1: the second refers to the third, and back.
    const int pointer = types.pointer_to(2);
    types.alias("a", 3);
    types.alias("b", 2);
    types.structure("ops", 8, {{"run", types.callback({pointer}), 0}, {"self", 2, 8}});
    const auto kernel = types.take();
    const auto ops = kernel.find_struct("ops");
    REQUIRE(ops);
    CHECK(ops->callback_parameter("run", 0) == std::nullopt);
    CHECK(ops->callback_parameter("self", 0) == std::nullopt);
}

TEST_CASE("A struct knows its own number and those of its members") {
    btf_fixture types;
    const int number = types.integer("int", 4);
    const int id = types.structure("pair", 8, {{"first", number, 0}, {"second", number, 4}});
    const auto kernel = types.take();
    const auto pair = kernel.find_struct("pair");
    REQUIRE(pair);
    CHECK(pair->id() == static_cast<std::uint32_t>(id));
    CHECK(pair->index_of("second") == 1);
    CHECK(pair->index_of("third") == std::nullopt);
}

TEST_CASE("A function is found by its name and its parameters are counted") {
    btf_fixture types;
    types.structure("bpf_out_of_memory", 8);
    const int id = types.kernel_function("bpf_out_of_memory", 4);
    types.kernel_function("bpf_rcu_read_lock", 0);
    const auto kernel = types.take();
    const auto found = kernel.find_function("bpf_out_of_memory");
    REQUIRE(found);
    CHECK(found->id == static_cast<std::uint32_t>(id));
    CHECK(found->parameters == 4);
    CHECK(kernel.find_function("bpf_rcu_read_lock")->parameters == 0);
    CHECK(!kernel.find_function("bpf_wq_init"));
}

TEST_CASE("A typedef is found by its name, and nothing else is one") {
    btf_fixture types;
    types.alias("btf_trace_psi_avgs_work", types.integer("int", 4));
    const auto kernel = types.take();
    CHECK(kernel.has_typedef("btf_trace_psi_avgs_work"));
    CHECK(!kernel.has_typedef("int"));
}

TEST_CASE("Without a file descriptor left nothing is known of the kernel's types") {
    rlimit limits{};
    REQUIRE(::getrlimit(RLIMIT_NOFILE, &limits) == 0);
    const rlimit none{0, limits.rlim_max};
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &none) == 0);

    const auto kernel = oomx::btf_view::kernel();

    REQUIRE(::setrlimit(RLIMIT_NOFILE, &limits) == 0);
    REQUIRE_FALSE(kernel);
    CHECK(kernel.error().code() == oomx::errc::exhausted);
    CHECK(kernel.error().message() ==
          "read the kernel's types: no file descriptor is left (EMFILE); raise RLIMIT_NOFILE");
}
