// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// As laws.cpp, for what needs a built policy.
#include <concepts>
#include <type_traits>

#include <oomx/load.hpp>
#include <oomx/policies/largest_leaf.hpp>

namespace {

using oomx::policies::largest_leaf;
using object = oomx::bpf::object<largest_leaf::skeleton>;
using loaded = oomx::loaded_policy<largest_leaf>;

static_assert(oomx::policy<largest_leaf>);
static_assert(oomx::reconfigurable<largest_leaf>);

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
