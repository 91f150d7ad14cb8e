// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// What the kernel's verifier makes of the bundled policies, from the clang that builds them and
// from the newest packaged one, and how large they are. Prints the table for docs/performance.md.
#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <sys/utsname.h>

#include <bpf/bpf.h>
#include <catch2/catch_test_macros.hpp>
#include <catch2/matchers/catch_matchers_floating_point.hpp>
#include <fmt/format.h>

#include <oomx/oomx.hpp>
#include <oomx/policies/badness.hpp>
#include <oomx/policies/largest_leaf.hpp>
#include <oomx/policies/pressure_kill.hpp>
#include <oomx/policies/tiers.hpp>

#ifdef OOMX_TEST_NEWEST_CLANG
#include <badness_newest.skel.hpp>
#include <largest_leaf_newest.skel.hpp>
#include <pressure_kill_newest.skel.hpp>
#include <tiers_newest.skel.hpp>
#endif

#include "../support/document.hpp"

using namespace oomx::policies;
using Catch::Matchers::WithinRel;

namespace {

struct figures {
    std::uint32_t instructions; ///< that the verifier followed, in all programs of a policy
    std::uintmax_t bytes;       ///< of its object, with BTF and without debug information
};

struct measurement {
    std::string policy;
    std::string clang; ///< its version
    oomx::result<figures> found;
};

/// What the programs took that were loaded after this one and are there: the kernel numbers them.
std::uint32_t instructions_after(std::uint32_t program) {
    std::uint32_t sum = 0;
    while (::bpf_prog_get_next_id(program, &program) == 0) {
        const oomx::unique_fd descriptor{::bpf_prog_get_fd_by_id(program)};
        bpf_prog_info info{};
        std::uint32_t size = sizeof info;
        if (::bpf_prog_get_info_by_fd(descriptor.native_handle(), &info, &size) != 0) {
            throw std::runtime_error{
                fmt::format("ask for program {}: the kernel refused", program)};
        }
        sum += info.verified_insns;
    }
    return sum;
}

std::uintmax_t stripped_size(std::span<const std::byte> object) {
    std::ofstream{"/tmp/object"}.write(reinterpret_cast<const char*>(object.data()),
                                       static_cast<std::streamsize>(object.size()));
    if (std::system("llvm-strip-19 -g /tmp/object") != 0) {
        throw std::runtime_error{"strip an object: llvm-strip-19 failed"};
    }
    return std::filesystem::file_size("/tmp/object");
}

template <oomx::policy P>
oomx::result<figures> measure() {
    std::uint32_t last = 0;
    while (::bpf_prog_get_next_id(last, &last) == 0) {
    }
    typename P::options options{};
    if constexpr (oomx::pressure_policy<P>) {
        options.watched.emplace_back();
    }
    const auto loaded = oomx::load<P>(options);
    if (!loaded) {
        return oomx::failure(loaded.error());
    }
    return figures{instructions_after(last),
                   stripped_size(oomx::bpf::object<typename P::skeleton>::bytes())};
}

template <oomx::policy... P>
void measure_into(std::vector<measurement>& all, std::string_view clang) {
    (all.emplace_back(std::string{P::name}, std::string{clang}, measure<P>()), ...);
}

/// "12,345", and back.
std::string with_commas(std::uintmax_t number) {
    auto digits = fmt::format("{}", number);
    for (auto at = digits.size(); at > 3;) {
        at -= 3;
        digits.insert(at, 1, ',');
    }
    return digits;
}

double number_in(std::string cell) {
    std::erase(cell, ',');
    return std::stod(cell);
}

/// "6.12" of 6.12.117-oomx.
std::string running_kernel() {
    utsname now{};
    ::uname(&now);
    const std::string release = now.release;
    return release.substr(0, release.find('.', release.find('.') + 1));
}

/// The table of docs/performance.md.
void print_table(const std::vector<measurement>& all) {
    fmt::print(
        "| policy | clang | Linux | instructions | bytes |\n| --- | --- | --- | --- | --- |\n");
    for (const auto& [policy, clang, found] : all) {
        if (found) {
            fmt::print("| {} | {} | {} | {} | {} |\n", policy, clang, running_kernel(),
                       with_commas(found->instructions), with_commas(found->bytes));
        }
    }
}

#ifdef OOMX_TEST_NEWEST_CLANG
constexpr std::string_view newest_clang = OOMX_TEST_NEWEST_CLANG;

/// The policy, as another compiler made it.
template <oomx::policy P, typename Skeleton>
struct compiled_as : P {
    using skeleton = Skeleton;
};
#else
constexpr std::string_view newest_clang;
#endif

const std::vector<measurement>& measured() {
    static const auto once = [] {
        std::vector<measurement> all;
        measure_into<badness, largest_leaf, pressure_kill, tiers>(all, OOMX_TEST_CLANG);
#ifdef OOMX_TEST_NEWEST_CLANG
        measure_into<compiled_as<badness, ::badness_newest_bpf>,
                     compiled_as<largest_leaf, ::largest_leaf_newest_bpf>,
                     compiled_as<pressure_kill, ::pressure_kill_newest_bpf>,
                     compiled_as<tiers, ::tiers_newest_bpf>>(all, newest_clang);
#endif
        print_table(all);
        return all;
    }();
    return once;
}

/// With the same major version: another patch release makes little difference to a policy.
bool same_compiler(std::string_view a, std::string_view b) {
    return a.substr(0, a.find('.')) == b.substr(0, b.find('.'));
}

void check_accepted(std::string_view by) {
    for (const auto& [policy, clang, found] : measured()) {
        if (clang == by && !found) {
            constexpr std::size_t shown = 4000;
            const auto& log = found.error().log();
            FAIL_CHECK("clang " << clang << ": " << found.error().message() << "\n"
                                << log.substr(log.size() - std::min(log.size(), shown)));
        }
    }
}

void check_documented(std::string_view by) {
    auto table = oomx::test::document{"performance.md"}.table_of("What the verifier reads");
    REQUIRE(table.size() > 1);
    std::erase_if(table, [&](const auto& row) {
        return !same_compiler(row.at(1), by) || row.at(2) != running_kernel();
    });
    if (table.empty()) {
        SKIP("docs/performance.md has no figures of clang " << by << " on Linux "
                                                            << running_kernel());
    }
    for (const auto& [policy, clang, found] : measured()) {
        if (clang != by || !found) {
            continue;
        }
        INFO(policy << " from clang " << clang << "; docs/performance.md should have what is "
                    << "printed above");
        const auto row = std::ranges::find(table, policy, [](const auto& each) { return each[0]; });
        REQUIRE(row != table.end());
        CHECK_THAT(found->instructions, WithinRel(number_in(row->at(3)), 0.10));
        CHECK_THAT(static_cast<double>(found->bytes), WithinRel(number_in(row->at(4)), 0.05));
    }
}

} // namespace

TEST_CASE("The verifier accepts every policy of the default clang at the documented cost",
          "[default]") {
    check_accepted(OOMX_TEST_CLANG);
    check_documented(OOMX_TEST_CLANG);
}

TEST_CASE("The verifier accepts every policy of the newest clang at the documented cost",
          "[newest]") {
    if (newest_clang.empty()) {
        SKIP("no clang newer than 19 is installed");
    }
    check_accepted(newest_clang);
    check_documented(newest_clang);
}
