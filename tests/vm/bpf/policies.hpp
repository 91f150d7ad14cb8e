// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <string_view>

#include <decliner.skel.hpp>
#include <refused.skel.hpp>

#include <oomx/policy.hpp>
#include <oomx/rails.hpp>

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

} // namespace oomx::test
