// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <cstddef>
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

template <typename Maps, typename Config>
struct skeleton_with {
    bpf_object* obj;
    Maps maps;
    struct {
        ::oomx_object oomx_object;
    }* rodata_oomx;
    struct {
        ::oomx_control oomx_control;
        Config oomx_configs[8];
    }* data_oomx;
    static skeleton_with* open(const bpf_object_open_opts* options = nullptr);
    static int load(skeleton_with*);
    static void destroy(skeleton_with*);
    static const void* elf_bytes(std::size_t* size);
};

struct all_maps {
    bpf_map* oomx_ops_v2;
    bpf_map* oomx_ops_v3;
    bpf_map* oomx_ops_v4;
    bpf_map* oomx_events;
    bpf_map* oomx_preferences;
};

template <typename Config, typename Maps = all_maps>
struct descriptor {
    using skeleton = skeleton_with<Maps, Config>;
    using config = Config;
    struct options {};
    static constexpr std::string_view name = "tenant";
    static oomx::result<config> configure(const options& chosen);
};

struct with_another_config : descriptor<tight> {
    using config = oomx_object;
    static oomx::result<config> configure(const options& chosen);
};

struct without_a_name : descriptor<tight> {
private:
    using descriptor<tight>::name;
};

struct that_cannot_fail : descriptor<tight> {
    static config configure(const options& chosen);
};

struct with_a_bare_object : descriptor<tight> {
    struct skeleton {};
};

struct without_options : descriptor<tight> {
private:
    using descriptor<tight>::options;
};

struct without_a_skeleton : descriptor<tight> {
private:
    using descriptor<tight>::skeleton;
};

struct without_a_config : descriptor<tight> {
private:
    using descriptor<tight>::config;
};

struct no_ops {
    bpf_map* oomx_events;
};

struct no_events {
    bpf_map* oomx_ops_v2;
    bpf_map* oomx_ops_v3;
    bpf_map* oomx_ops_v4;
};

struct events_of_another_type {
    bpf_map* oomx_ops_v2;
    bpf_map* oomx_ops_v3;
    bpf_map* oomx_ops_v4;
    bpf_program* oomx_events;
};

struct no_preferences {
    bpf_map* oomx_ops_v2;
    bpf_map* oomx_ops_v3;
    bpf_map* oomx_ops_v4;
    bpf_map* oomx_events;
};

struct with_an_old_object : descriptor<tight> {
    struct skeleton : descriptor<tight>::skeleton {
        static skeleton* open(const bpf_object_open_opts* options = nullptr);
        struct {
            ::oomx_control oomx_control;
        }* rodata_oomx;
    };
};

static_assert(oomx::policy<descriptor<tight>>);

#ifdef a_descriptor_with_another_config // config is not the struct that the BPF source gives
static_assert(oomx::policy<with_another_config>);
#endif
#ifdef a_descriptor_with_padding_in_its_config // it may have no padding
static_assert(oomx::policy<descriptor<padded>>);
#endif
#ifdef a_descriptor_without_a_name // has the policy's name
static_assert(oomx::policy<without_a_name>);
#endif
#ifdef a_descriptor_without_options // has the options that a program sets
static_assert(oomx::policy<without_options>);
#endif
#ifdef a_descriptor_without_a_config // says which struct its BPF source gives to OOMX_CONFIG
static_assert(oomx::policy<without_a_config>);
#endif
#ifdef a_descriptor_without_a_skeleton // says which class oomx_add_policy.. made
static_assert(oomx::policy<without_a_skeleton>);
#endif
#ifdef a_descriptor_that_cannot_fail // makes its config of its options, and may refuse them
static_assert(oomx::policy<that_cannot_fail>);
#endif
#ifdef a_skeleton_that_bpftool_did_not_make // skeleton is the class that oomx_add_policy
static_assert(oomx::policy<with_a_bare_object>);
#endif
#ifdef a_skeleton_without_ops // has no struct_ops map of oomx's
static_assert(oomx::policy<descriptor<tight, no_ops>>);
#endif
#ifdef a_skeleton_without_events // has no map oomx_events
static_assert(oomx::policy<descriptor<tight, no_events>>);
#endif
#ifdef a_skeleton_with_other_events // has no map oomx_events
static_assert(oomx::policy<descriptor<tight, events_of_another_type>>);
#endif
#ifdef a_skeleton_without_preferences // has no map oomx_preferences
static_assert(oomx::policy<descriptor<tight, no_preferences>>);
#endif
#ifdef a_skeleton_of_another_oomx // built with another version
static_assert(oomx::policy<with_an_old_object>);
#endif
#ifdef loading_a_descriptor_without_a_skeleton // says which class oomx_add_policy.. made
auto loaded = oomx::load<without_a_skeleton>();
#endif
#ifdef loading_what_is_no_policy // says which class oomx_add_policy.. made
auto loaded = oomx::load<int>();
#endif

int main() {}
