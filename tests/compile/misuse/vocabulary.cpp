// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <chrono>

#include <oomx/bytes.hpp>
#include <oomx/ids.hpp>
#include <oomx/rails.hpp>
#include <oomx/unique_fd.hpp>

int main() {
    const oomx::bytes amount{64};
    const oomx::cgroup_id id{1};
    const oomx::unique_fd owner{-1};

#ifdef bytes_from_a_number // non-scalar type|no viable conversion
    const oomx::bytes number = 64;
#endif
#ifdef bytes_compared_with_a_number // no match for .operator<.|invalid operands
    return amount < 64 ? 1 : 0;
#endif
#ifdef bytes_as_a_number // cannot convert .const oomx::bytes.|no viable conversion
    const std::uint64_t count = amount;
#endif
#ifdef bytes_from_a_cgroup_id // no matching function|no matching constructor
    return static_cast<int>(oomx::bytes{id}.count());
#endif
#ifdef cgroup_id_from_a_number // to .const oomx::cgroup_id.|of type .*cgroup_id
    const oomx::cgroup_id other = 7;
#endif
#ifdef interval_without_a_unit // could not convert .5.|no viable conversion
    const oomx::rails rails{.min_interval = 5};
#endif
#ifdef mode_from_a_bool // cannot convert .bool.|member subobject of type
    const oomx::rails rails{.mode = true};
#endif
#ifdef descriptor_from_a_number // non-scalar type|no viable conversion
    const oomx::unique_fd other = 3;
#endif
#ifdef copying_a_descriptor // use of deleted function|call to deleted constructor
    const oomx::unique_fd other = owner;
#endif
    return static_cast<int>(amount.count()) + static_cast<int>(id) + owner.native_handle();
}
