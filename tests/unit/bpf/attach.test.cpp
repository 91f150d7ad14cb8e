// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/bpf/attach.hpp>

#include <array>
#include <bit>
#include <cerrno>
#include <cstdint>
#include <cstring>
#include <filesystem>
#include <functional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fcntl.h>

#include <bpf/libbpf.h>
#include <catch2/catch_test_macros.hpp>
#include <catch2/generators/catch_generators.hpp>
#include <catch2/generators/catch_generators_range.hpp>

#include <oomx/bpf/object.hpp>
#include <oomx/policies/largest_leaf.hpp>

#include "support/btf_fixture.hpp"
#include "support/places_of_kernel.hpp"
#include "support/temporary_directory.hpp"

namespace bpf = oomx::bpf;
namespace test = oomx::test;
using bpf::abi::revision;
using oomx::errc;

namespace {

using policy_object = bpf::object<oomx::policies::largest_leaf::skeleton>;

policy_object opened_policy() {
    auto opened = policy_object::open();
    REQUIRE(opened);
    return std::move(*opened);
}

/// Two members as the series lays them out, of which the second has the size it should have or not.
oomx::btf_view kernel_with_name_of(std::uint32_t bytes) {
    test::btf_fixture types;
    const int handler = types.callback({});
    const int name = types.array(types.integer("char", 1), bytes);
    const int ops = types.structure("bpf_oom_ops", 16 + bytes,
                                    {{"handle_out_of_memory", handler, 8}, {"name", name, 16}});
    types.structure("bpf_struct_ops_bpf_oom_ops", 64 + 16 + bytes, {{"data", ops, 64}});
    return types.take();
}

// The words of a BPF_LINK_CREATE: map, target, attach type, flags, relative; then nothing.
using words = std::array<std::uint32_t, 8>;

words words_of(const bpf::abi::link_create& call) { return std::bit_cast<words>(call); }

/// Stands where the kernel would: keeps what it is asked, and answers with an errno, or a link.
struct recorder {
    int answer = 0;
    std::vector<words>* asked = nullptr;

    bpf::link_attempt operator()(const bpf::abi::link_create& call) const {
        if (asked != nullptr) {
            asked->push_back(words_of(call));
        }
        if (answer != 0) {
            return {oomx::unique_fd{}, answer};
        }
        return {oomx::unique_fd{::open("/dev/null", O_RDONLY | O_CLOEXEC)}, 0};
    }
};

constexpr int map_fd = 4711;
constexpr int cgroup_fd = 9;

std::string refusal_of(int system_error) {
    const auto refused = bpf::link_ops(map_fd, cgroup_fd, revision::v2, recorder{system_error});
    REQUIRE(!refused);
    CHECK(refused.error().system_error() == system_error);
    return refused.error().message();
}

errc code_of(int system_error) {
    return bpf::link_ops(map_fd, cgroup_fd, revision::v2, recorder{system_error}).error().code();
}

} // namespace

TEST_CASE("A policy carries linkable ops of every revision") {
    const auto policy = opened_policy();
    for (const auto which : bpf::abi::revisions) {
        const auto* const ops = bpf::ops_map(policy->maps, which);
        CHECK(bpf_map__type(ops) == BPF_MAP_TYPE_STRUCT_OPS);
        CHECK((bpf_map__map_flags(ops) & 1U << 13U) != 0); // BPF_F_LINK
    }
    CHECK(bpf::ops_map(policy->maps, revision::none) == nullptr);
    CHECK(bpf::ops_map(policy->maps, revision::unknown) == nullptr);
}

TEST_CASE("Exactly the ops that were chosen are loaded") {
    const auto chosen = GENERATE(revision::v2, revision::v3, revision::v4_wip);
    const auto policy = opened_policy();
    bpf::enable_ops(policy->maps, chosen);
    for (const auto which : bpf::abi::revisions) {
        CHECK(bpf_map__autocreate(bpf::ops_map(policy->maps, which)) == (which == chosen));
    }
}

TEST_CASE("The kernel's value has each member where the kernel wants it") {
    const auto policy = opened_policy();
    const auto which = GENERATE(revision::v3, revision::v4_wip);
    const auto value =
        bpf::ops_value(policy->obj, bpf::ops_map(policy->maps, which), kernel_with_name_of(64));
    REQUIRE(value);
    REQUIRE(value->size() == 144);
    const std::string_view name{reinterpret_cast<const char*>(value->data() + 64 + 16)};
    CHECK(name == "largest_leaf");
    unsigned long handler = 0;
    std::memcpy(&handler, value->data() + 64 + 8, sizeof handler);
    CHECK(handler != 0); // a descriptor once it is loaded
    unsigned long before_it = 0;
    std::memcpy(&before_it, value->data() + 64, sizeof before_it);
    CHECK(before_it == 0);
}

TEST_CASE("A member that the kernel lacks is refused") {
    const auto policy = opened_policy();
    const auto value =
        bpf::ops_value(policy->obj, policy->maps.oomx_ops_v2, kernel_with_name_of(64));
    REQUIRE(!value);
    CHECK(value.error().code() == errc::unsupported);
    CHECK(value.error().message() ==
          "this kernel's bpf_oom_ops has no member 'handle_cgroup_offline' of 8 bytes");
}

TEST_CASE("A name that does not fit into the kernel's is refused") {
    const auto policy = opened_policy();
    const auto value =
        bpf::ops_value(policy->obj, policy->maps.oomx_ops_v3, kernel_with_name_of(32));
    REQUIRE(!value);
    CHECK(value.error().message() == "this kernel's bpf_oom_ops has no member 'name' of 64 bytes");
}

TEST_CASE("Ops cannot be published to a kernel that has none") {
    const auto policy = opened_policy();
    const auto published =
        bpf::publish_ops(policy->obj, policy->maps.oomx_ops_v2, test::kernel_without_bpf_oom());
    REQUIRE(!published);
    CHECK(published.error().code() == errc::unsupported);
    CHECK(published.error().message() == "this kernel has no bpf_oom_ops");
}

TEST_CASE("Ops cannot be published to a kernel whose value does not wrap them") {
    const auto policy = opened_policy();
    test::btf_fixture types;
    types.structure("bpf_oom_ops", 80);
    types.structure("bpf_struct_ops_bpf_oom_ops", 128);
    const auto published = bpf::publish_ops(policy->obj, policy->maps.oomx_ops_v2, types.take());
    REQUIRE(!published);
    CHECK(published.error().code() == errc::unsupported);
}

TEST_CASE("A link is asked for once, and is what the kernel answered with") {
    std::vector<words> asked;
    const auto made = bpf::link_ops(map_fd, cgroup_fd, revision::v3, recorder{0, &asked});
    REQUIRE(made);
    CHECK(made->native_handle() >= 0);
    CHECK(asked == std::vector{words{map_fd, cgroup_fd, 44, 1U << 7U}});
}

TEST_CASE("The whole system is no cgroup to v2") {
    std::vector<words> asked;
    REQUIRE(bpf::attach(map_fd, oomx::cgroup::root(), revision::v2, recorder{0, &asked}));
    CHECK(asked == std::vector{words{map_fd, 0, 44, 0, 0}});
}

TEST_CASE("A place that is taken says so, in the words of every revision") {
    CHECK(code_of(EBUSY) == errc::busy);
    CHECK(refusal_of(EBUSY) == "another policy is attached there (EBUSY); detach it first");
    CHECK(code_of(EEXIST) == errc::busy);
    CHECK(refusal_of(EEXIST) == "another policy is attached there (EEXIST); detach it first");
    CHECK(code_of(E2BIG) == errc::exhausted);
    CHECK(refusal_of(E2BIG) == "64 policies are attached there (E2BIG); detach one of them first");
}

TEST_CASE("What v2 says of a place that is taken, v3 says of a cgroup on its way out") {
    const auto refused = bpf::link_ops(map_fd, cgroup_fd, revision::v3, recorder{EBUSY});
    REQUIRE(!refused);
    CHECK(refused.error().code() == errc::not_found);
    CHECK(refused.error().message() == "the cgroup is being removed (EBUSY); none");
}

namespace {

/// Directories in the place of the root, a cgroup in it and another one in that; the whole system.
struct trial_tree {
    test::temporary_directory directory;
    std::vector<oomx::cgroup> places;

    trial_tree() {
        for (const auto* const name : {"root", "root/above", "root/above/it"}) {
            const auto path = directory.path() / name;
            std::filesystem::create_directory(path);
            oomx::unique_fd fd{::open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC)};
            REQUIRE(fd);
            auto place = oomx::cgroup::adopt(std::move(fd), path);
            REQUIRE(place);
            places.push_back(std::move(*place));
        }
        places.push_back(oomx::cgroup::root());
    }

    [[nodiscard]] int fd(std::size_t index) const { return places[index].native_handle(); }

    [[nodiscard]] oomx::result<void> prove(test::places_of_kernel& kernel) const {
        return bpf::prove_cgroup_scope(map_fd, revision::v2, places, std::ref(kernel));
    }
};

constexpr std::size_t all_places = 4;

} // namespace

TEST_CASE("v2 is proven to look at the cgroup wherever two places are free, whichever they are") {
    const trial_tree tree;
    test::places_of_kernel kernel;
    const auto taken = GENERATE(range(0U, 1U << all_places));
    std::size_t free = all_places;
    for (std::size_t i = 0; i < all_places; ++i) {
        if ((taken >> i & 1U) != 0) {
            kernel.take(tree.fd(i));
            --free;
        }
    }
    const auto before = kernel.held();

    const auto proven = tree.prove(kernel);

    CAPTURE(taken);
    CHECK(proven.has_value() == (free >= 2));
    if (!proven) {
        CHECK(proven.error().code() == errc::busy);
    }
    CHECK(kernel.held() == before);
}

TEST_CASE("A kernel of v2 that ignores cgroups is found out, and nothing stays attached") {
    const trial_tree tree;
    test::places_of_kernel kernel;
    kernel.ignores_cgroups = true;

    const auto proven = tree.prove(kernel);

    REQUIRE(!proven);
    CHECK(proven.error().code() == errc::unsupported);
    CHECK(kernel.held() == 0);
}

TEST_CASE("Where all places are taken a kernel of v2 cannot be told, and the error says so") {
    const trial_tree tree;
    test::places_of_kernel kernel;
    kernel.ignores_cgroups = true;
    kernel.take(-1);

    const auto proven = tree.prove(kernel);

    REQUIRE(!proven);
    CHECK(proven.error().code() == errc::busy);
    CHECK(proven.error().message() ==
          "try whether this kernel attaches to cgroups: other policies are attached to the cgroup, "
          "to all above it and to the whole system (EBUSY); detach one of them, and try again");
    CHECK(kernel.held() == 1);
}

TEST_CASE("A kernel of v2 that refuses for another reason has proven nothing") {
    const trial_tree tree;
    test::places_of_kernel kernel;
    kernel.refuses_all_with = GENERATE(EPERM, ENOMEM, EINVAL);

    const auto proven = tree.prove(kernel);

    REQUIRE(!proven);
    CHECK(proven.error().code() != errc::unsupported);
    CHECK(proven.error().system_error() == kernel.refuses_all_with);
}

TEST_CASE("With nowhere to try but the whole system v2 cannot be told") {
    test::places_of_kernel kernel;
    std::vector<oomx::cgroup> nowhere;
    nowhere.push_back(oomx::cgroup::root());

    const auto proven = bpf::prove_cgroup_scope(map_fd, revision::v2, nowhere, std::ref(kernel));

    REQUIRE(!proven);
    CHECK(proven.error().code() == errc::not_found);
    CHECK(kernel.held() == 0);
}

TEST_CASE("v2 is never asked to attach to what is no cgroup") {
    const trial_tree tree;
    std::vector<words> asked;
    CHECK(bpf::prove_cgroup_scope(map_fd, revision::v2, tree.places, recorder{0, &asked}));
    REQUIRE(asked.size() == 2);
    for (const auto& call : asked) {
        CHECK(call[4] != map_fd);
        CHECK(call[4] != 0);
    }
}

TEST_CASE("Later revisions prove by refusing what is no cgroup") {
    std::vector<words> asked;
    const recorder looks{EBADF, &asked};
    CHECK(bpf::prove_cgroup_scope(map_fd, revision::v3, {}, looks));
    CHECK(bpf::prove_cgroup_scope(map_fd, revision::v4_wip, {}, looks));
    CHECK(asked == std::vector{words{map_fd, map_fd, 44, 1U << 7U}, words{map_fd, map_fd, 44}});
}

TEST_CASE("A later kernel that links to what is no cgroup ignores cgroups") {
    const auto which = GENERATE(revision::v3, revision::v4_wip);
    const int answer = GENERATE(0, EBUSY, EEXIST);
    const auto proven = bpf::prove_cgroup_scope(map_fd, which, {}, recorder{answer});
    REQUIRE(!proven);
    CHECK(proven.error().code() == errc::unsupported);
}

TEST_CASE("A later kernel that refuses for another reason has proven nothing") {
    const auto which = GENERATE(revision::v3, revision::v4_wip);
    const int answer = GENERATE(EINVAL, EPERM, ENOMEM);
    const auto proven = bpf::prove_cgroup_scope(map_fd, which, {}, recorder{answer});
    REQUIRE(!proven);
    CHECK(proven.error().code() != errc::unsupported);
    CHECK(proven.error().system_error() == answer);
}
