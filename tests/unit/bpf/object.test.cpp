// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/bpf/object.hpp>

#include <algorithm>
#include <cerrno>
#include <span>
#include <string>
#include <string_view>

#include <bpf/libbpf.h>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_string.hpp>

using Catch::Matchers::ContainsSubstring;
using oomx::errc;

namespace {

/// Behaves as the class that bpftool generates does towards a kernel that answers `Script`.
template <typename Script>
struct skeleton {
    std::span<char> log;
    static inline int alive = 0;

    static skeleton* open(const bpf_object_open_opts* options) {
        if (!Script::opens) {
            Script::complain();
            errno = EINVAL;
            return nullptr;
        }
        ++alive;
        return new skeleton{{options->kernel_log_buf, options->kernel_log_size}};
    }
    static int load(skeleton* self) {
        if (!Script::log.empty()) {
            // Terminated, as the kernel does it: the buffer behind it is nobody's.
            *std::ranges::copy(Script::log, self->log.begin()).out = '\0';
        }
        if (Script::load_result != 0) {
            Script::complain();
        }
        return Script::load_result;
    }
    static void destroy(skeleton* self) {
        --alive;
        delete self;
    }
};

/// What libbpf would say: a warning of its own that names this file.
void make_libbpf_warn() { bpf_object__close(bpf_object__open_file("/nowhere/x.bpf.o", nullptr)); }

struct loads {
    static constexpr bool opens = true;
    static constexpr int load_result = 0;
    static constexpr std::string_view log{};
    static void complain() {}
};

struct unreadable : loads {
    static constexpr bool opens = false;
    static void complain() { make_libbpf_warn(); }
};

struct refused_by_verifier : loads {
    static constexpr int load_result = -EACCES;
    static constexpr std::string_view log = "0: (95) exit\nR0 !read_ok\nprocessed 1 insns\n";
};

struct without_privilege : loads {
    static constexpr int load_result = -EPERM;
};

struct refused_by_libbpf : loads {
    static constexpr int load_result = -ESRCH;
    static void complain() { make_libbpf_warn(); }
};

template <typename Script>
using object = oomx::bpf::object<skeleton<Script>>;

template <typename Script>
oomx::result<void> open_and_load() {
    auto opened = object<Script>::open();
    REQUIRE(opened);
    return opened->load();
}

} // namespace

TEST_CASE("An object that opens and loads is destroyed with its owner") {
    {
        auto opened = object<loads>::open();
        REQUIRE(opened);
        CHECK(opened->native_handle() == opened->operator->());
        CHECK(opened->load());
        CHECK(skeleton<loads>::alive == 1);
    }
    CHECK(skeleton<loads>::alive == 0);
}

TEST_CASE("An object that libbpf cannot open is malformed and carries libbpf's messages") {
    const auto opened = object<unreadable>::open();
    REQUIRE(!opened);
    CHECK(opened.error().code() == errc::malformed);
    CHECK(opened.error().system_error() == EINVAL);
    CHECK_THAT(opened.error().message(), ContainsSubstring("libbpf cannot open the object: ") &&
                                             ContainsSubstring("/nowhere/x.bpf.o") &&
                                             ContainsSubstring("(EINVAL)"));
    CHECK_THAT(opened.error().log(), ContainsSubstring("/nowhere/x.bpf.o"));
}

TEST_CASE("A program the verifier refuses is shown by its last meaningful line") {
    const auto loaded = open_and_load<refused_by_verifier>();
    REQUIRE(!loaded);
    CHECK(loaded.error().code() == errc::rejected);
    CHECK(loaded.error().message() == "the kernel's verifier refused the program: R0 !read_ok "
                                      "(EACCES); see error::log() for its whole log");
    CHECK(loaded.error().log() == refused_by_verifier::log);
}

TEST_CASE("A process without privilege is told what it needs") {
    const auto loaded = open_and_load<without_privilege>();
    REQUIRE(!loaded);
    CHECK(loaded.error().code() == errc::not_permitted);
    CHECK(loaded.error().message() == "this process may not load BPF programs (EPERM); run as "
                                      "root, or with CAP_BPF and CAP_PERFMON");
}

TEST_CASE("Where libbpf gives up before the verifier its own message is shown") {
    const auto loaded = open_and_load<refused_by_libbpf>();
    REQUIRE(!loaded);
    CHECK(loaded.error().code() == errc::rejected);
    CHECK_THAT(loaded.error().message(), ContainsSubstring("libbpf could not load it: ") &&
                                             ContainsSubstring("/nowhere/x.bpf.o") &&
                                             ContainsSubstring("(ESRCH)"));
    CHECK_THAT(loaded.error().log(), ContainsSubstring("/nowhere/x.bpf.o"));
}

TEST_CASE("An object that could not be loaded is destroyed") {
    CHECK(!open_and_load<refused_by_verifier>());
    CHECK(skeleton<refused_by_verifier>::alive == 0);
}
