// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <cstdint>
#include <string_view>

#include <oomx/config.h>
#include <oomx/load.hpp>
#include <oomx/policy.hpp>

// A descriptor that is a policy, with a skeleton as bpftool makes them; the others differ from it
// in what their names say.

struct tight {
    oomx_rails rails;
};

struct padded {
    oomx_rails rails;
    std::uint32_t tier;
};

template <typename Config>
struct skeleton_with {
    struct {
        bpf_map* oomx_ops_v2;
        bpf_map* oomx_events;
    } maps;
    struct {
        Config config;
        std::uint64_t oomx_generation;
        std::uint64_t oomx_page_size;
    }* rodata;
    struct {
        ::oomx_control oomx_control;
    }* bss;
    static int load(skeleton_with*);
};

template <typename Config>
struct descriptor {
    using skeleton = skeleton_with<Config>;
    using config = Config;
    struct options {};
    static constexpr std::string_view name = "tenant";
    static oomx::result<config> configure(const options& chosen);
};

struct with_another_config : descriptor<tight> {
    using config = oomx_control;
    static oomx::result<config> configure(const options& chosen);
};

struct without_a_name : descriptor<tight> {
private:
    using descriptor<tight>::name;
};

struct that_cannot_fail : descriptor<tight> {
    static config configure(const options& chosen);
};

struct without_a_skeleton : descriptor<tight> {
    struct skeleton {};
};

static_assert(oomx::policy<descriptor<tight>>);

#ifdef a_descriptor_with_another_config // policy_skeleton
static_assert(oomx::policy<with_another_config>);
#endif
#ifdef a_descriptor_with_padding_in_its_config // has_unique_object_representations
static_assert(oomx::policy<descriptor<padded>>);
#endif
#ifdef a_descriptor_without_a_name // P::name
static_assert(oomx::policy<without_a_name>);
#endif
#ifdef a_descriptor_that_cannot_fail // P::configure
static_assert(oomx::policy<that_cannot_fail>);
#endif
#ifdef loading_a_descriptor_without_a_skeleton // constraints not satisfied
auto loaded = oomx::load<without_a_skeleton>();
#endif
#ifdef loading_what_is_no_policy // no matching function for call to .*load
auto loaded = oomx::load<int>();
#endif

int main() {}
