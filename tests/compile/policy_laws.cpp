// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// As laws.cpp, for what needs a built policy.
#include <concepts>
#include <type_traits>

#include <oomx/load.hpp>
#include <oomx/policies/badness.hpp>
#include <oomx/policies/largest_leaf.hpp>
#include <oomx/policies/pressure_kill.hpp>
#include <oomx/policies/tiers.hpp>

namespace {

using oomx::policies::largest_leaf;
using object = oomx::bpf::object<largest_leaf::skeleton>;
using loaded = oomx::loaded_policy<largest_leaf>;

static_assert(oomx::policy<largest_leaf>);
static_assert(oomx::reconfigurable<largest_leaf>);
static_assert(oomx::reconfigurable<oomx::policies::badness>);
static_assert(oomx::reconfigurable<oomx::policies::tiers>);

// Asked about OOMs or told of pressure: one of the two, and attached accordingly.
using oomx::policies::pressure_kill;
static_assert(oomx::oom_policy<largest_leaf> && !oomx::pressure_policy<largest_leaf>);
static_assert(oomx::pressure_policy<pressure_kill> && !oomx::oom_policy<pressure_kill>);
static_assert(!oomx::reconfigurable<pressure_kill>);

template <typename Loaded>
concept attached_to_a_cgroup =
    requires(const Loaded& policy, const oomx::cgroup& where) { policy.attach(where); };
template <typename Loaded>
concept attached_once = requires(const Loaded& policy) { policy.attach(); };
static_assert(attached_to_a_cgroup<loaded> && !attached_once<loaded>);
static_assert(!attached_to_a_cgroup<oomx::loaded_policy<pressure_kill>> &&
              attached_once<oomx::loaded_policy<pressure_kill>>);

static_assert(std::is_nothrow_move_constructible_v<object>);
static_assert(!std::copy_constructible<object>);

using opened = oomx::opened_policy<largest_leaf>;
static_assert(std::is_nothrow_move_constructible_v<opened>);
static_assert(!std::copy_constructible<opened>);
// Only open() makes one.
static_assert(!std::default_initializable<opened>);

static_assert(std::is_nothrow_move_constructible_v<loaded>);
// Only load() makes one.
static_assert(!std::default_initializable<loaded>);

// The options are an aggregate: designated initialisers, every field with a default.
static_assert(std::is_aggregate_v<largest_leaf::options>);
static_assert(std::default_initializable<largest_leaf::options>);
static_assert(std::has_unique_object_representations_v<largest_leaf::config>);

} // namespace
