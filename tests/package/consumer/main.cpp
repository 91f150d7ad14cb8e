// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
//
// A project outside oomx, with a policy of its own beside a bundled one.
#include <cstddef>
#include <string_view>

#include <tenant.skel.hpp>

#include <oomx/oomx.hpp>
#include <oomx/policies/largest_leaf.hpp>

namespace {

struct tenant {
    using skeleton = ::tenant_bpf;
    using config = ::tenant_config;
    struct options {
        oomx::cgroup_id may_die{};
        oomx::rails rails{};
    };
    static constexpr std::string_view name = "tenant";

    static oomx::result<config> configure(const options& chosen) {
        auto rails = chosen.rails.raw();
        if (!rails) {
            return oomx::pass_on(std::move(rails));
        }
        return config{*rails, std::to_underlying(chosen.may_die)};
    }
};

} // namespace

int main() {
    static_assert(oomx::policy<tenant>);
    std::size_t own = 0;
    std::size_t bundled = 0;
    return tenant::skeleton::elf_bytes(&own) != nullptr && own > 0 &&
                   oomx::policies::largest_leaf::skeleton::elf_bytes(&bundled) != nullptr
               ? 0
               : 1;
}
