// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/bpf/libbpf_messages.hpp>

#include <cstdarg>
#include <string>
#include <thread>

#include <bpf/libbpf.h>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

using Catch::Matchers::ContainsSubstring;
using Catch::Matchers::EndsWith;
using oomx::bpf::libbpf_messages;

namespace {

/// Counts what reaches the callback of an application. libbpf's callback is one for the process and
/// takes no argument of the caller's: hence the static.
class application_callback {
public:
    application_callback() : before_{libbpf_set_print(&count)} { warnings = 0; }
    ~application_callback() { libbpf_set_print(before_); }
    application_callback(const application_callback&) = delete;
    application_callback& operator=(const application_callback&) = delete;

    [[nodiscard]] static int heard() { return warnings; }

private:
    [[gnu::format(printf, 2, 0)]]
    static int count(libbpf_print_level level, const char* /*format*/, va_list /*arguments*/) {
        warnings += level == LIBBPF_DEBUG ? 0 : 1;
        return 0;
    }

    static inline int warnings = 0;
    libbpf_print_fn_t before_;
};

/// libbpf warns that there is no such file.
void make_libbpf_warn(const char* path) { bpf_object__close(bpf_object__open_file(path, nullptr)); }

} // namespace

TEST_CASE("What libbpf says on this thread is captured and not printed") {
    const application_callback application;
    const libbpf_messages messages;
    make_libbpf_warn("/nowhere/a.bpf.o");
    CHECK_THAT(messages.text(), ContainsSubstring("/nowhere/a.bpf.o"));
    CHECK(application_callback::heard() == 0);
}

TEST_CASE("A message is captured whole, however long") {
    const libbpf_messages messages;
    const std::string path = "/nowhere/" + std::string(3000, 'x');
    make_libbpf_warn(path.c_str());
    CHECK_THAT(messages.text(), ContainsSubstring(path) && EndsWith("\n"));
}

TEST_CASE("After the last capture libbpf's callback is the application's own again") {
    const application_callback application;
    const libbpf_print_fn_t own = libbpf_set_print(nullptr);
    libbpf_set_print(own);
    {
        const libbpf_messages messages;
    }
    CHECK(libbpf_set_print(own) == own);
}

TEST_CASE("A capture in which libbpf is silent is empty") {
    const libbpf_messages messages;
    CHECK(messages.text().empty());
}

TEST_CASE("After a capture the application's own callback hears libbpf again") {
    const application_callback application;
    {
        const libbpf_messages messages;
        make_libbpf_warn("/nowhere/a.bpf.o");
    }
    REQUIRE(application_callback::heard() == 0);
    make_libbpf_warn("/nowhere/b.bpf.o");
    CHECK(application_callback::heard() == 1);
}

TEST_CASE("A callback that the application sets between two captures is the one restored") {
    {
        const libbpf_messages first;
    }
    const application_callback application;
    {
        const libbpf_messages second;
    }
    make_libbpf_warn("/nowhere/a.bpf.o");
    CHECK(application_callback::heard() == 1);
}

TEST_CASE("An application that silenced libbpf stays without messages after a capture") {
    const auto before = libbpf_set_print(nullptr);
    {
        const libbpf_messages messages;
    }
    make_libbpf_warn("/nowhere/a.bpf.o");
    libbpf_set_print(before);
    SUCCEED("no null callback was called");
}

TEST_CASE("The inner of two captures takes the messages while it lives") {
    const libbpf_messages outer;
    make_libbpf_warn("/nowhere/a.bpf.o");
    {
        const libbpf_messages inner;
        make_libbpf_warn("/nowhere/b.bpf.o");
        CHECK_THAT(inner.text(), ContainsSubstring("/nowhere/b.bpf.o"));
        CHECK_THAT(inner.text(), !ContainsSubstring("/nowhere/a.bpf.o"));
    }
    make_libbpf_warn("/nowhere/c.bpf.o");
    CHECK_THAT(outer.text(), ContainsSubstring("/nowhere/a.bpf.o"));
    CHECK_THAT(outer.text(), ContainsSubstring("/nowhere/c.bpf.o"));
    CHECK_THAT(outer.text(), !ContainsSubstring("/nowhere/b.bpf.o"));
}

TEST_CASE("What libbpf says on another thread goes to the application's callback") {
    const application_callback application;
    const libbpf_messages messages;
    std::thread{[] { make_libbpf_warn("/nowhere/other.bpf.o"); }}.join();
    CHECK(application_callback::heard() == 1);
    CHECK(messages.text().empty());
}

TEST_CASE("Two threads capture their own messages at the same time") {
    const libbpf_messages here;
    std::string there;
    std::thread{[&] {
        const libbpf_messages messages;
        make_libbpf_warn("/nowhere/there.bpf.o");
        there = messages.text();
    }}.join();
    make_libbpf_warn("/nowhere/here.bpf.o");
    CHECK_THAT(there, ContainsSubstring("/nowhere/there.bpf.o"));
    CHECK_THAT(here.text(), ContainsSubstring("/nowhere/here.bpf.o"));
    CHECK_THAT(here.text(), !ContainsSubstring("there.bpf.o"));
}
