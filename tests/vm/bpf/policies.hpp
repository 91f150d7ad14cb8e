// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <string_view>
#include <tuple>
#include <utility>

#include <decliner.skel.hpp>
#include <echo.skel.hpp>
#include <hostile.skel.hpp>
#include <kills_in_walk.skel.hpp>
#include <refused.skel.hpp>

#include <oomx/ids.hpp>
#include <oomx/policy.hpp>
#include <oomx/rails.hpp>
#include <oomx/ranking.hpp>

namespace oomx::test
{

/// The policies of this folder, all with nothing but rails in their config.
template <typename Skeleton> struct bare_policy {
	using skeleton = Skeleton;
	using config = ::oomx_decliner_config;
	using options = rails;

	static result<config> configure(const rails &chosen)
	{
		auto raw = chosen.raw();
		if (!raw) {
			return pass_on(std::move(raw));
		}
		return config{ *raw };
	}
};

struct decliner : bare_policy<::decliner_bpf> {
	static constexpr std::string_view name = "decliner";
};

struct refused : bare_policy<::refused_bpf> {
	static constexpr std::string_view name = "refused";
};

struct kills_in_walk : bare_policy<::kills_in_walk_bpf> {
	static constexpr std::string_view name = "kills_in_walk";
};

/// Ignores what the walk offers, and claims every OOM whatever came of it.
struct hostile {
	using skeleton = ::hostile_bpf;
	using config = ::oomx_hostile_config;
	static constexpr std::string_view name = "hostile";

	struct options {
		oomx_hostile_how how;
		cgroup_id target{};
		cgroup_id second{};
		int pid = 0;
		oomx::rails rails{};
	};

	static result<config> configure(const options &chosen)
	{
		auto raw = chosen.rails.raw();
		if (!raw) {
			return pass_on(std::move(raw));
		}
		return config{ *raw, std::to_underlying(chosen.target),
			       std::to_underlying(chosen.second), static_cast<__u32>(chosen.how),
			       chosen.pid };
	}
};

/// Scores candidates by one of their fields.
struct echo {
	using skeleton = ::echo_bpf;
	using config = ::oomx_echo_config;
	static constexpr std::string_view name = "echo";
	static constexpr std::tuple live{ &config::field };

	struct options {
		oomx_echo_field field{};
		oomx::rails rails{};
	};

	static result<config> configure(const options &chosen)
	{
		auto raw = chosen.rails.raw();
		if (!raw) {
			return pass_on(std::move(raw));
		}
		return config{ *raw, {}, static_cast<__u32>(chosen.field), 0 };
	}
};

} // namespace oomx::test
