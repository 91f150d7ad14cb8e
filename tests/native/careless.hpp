// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <string_view>
#include <utility>

#include <careless.skel.hpp>

#include <oomx/policy.hpp>
#include <oomx/rails.hpp>
#include <oomx/result.hpp>

namespace oomx::test {

/// tests/native/bpf/careless.bpf.c.
struct careless {
    using skeleton = ::careless_bpf;
    using config = ::oomx_careless_config;

    struct options {
        oomx_careless_how how = OOMX_CARELESS_DECLINES;
    };

    static constexpr std::string_view name = "careless";

    static result<config> configure(const options& chosen) {
        auto rails = oomx::rails{}.raw();
        if (!rails) {
            return pass_on(std::move(rails));
        }
        return config{*rails, chosen.how};
    }
};

} // namespace oomx::test
