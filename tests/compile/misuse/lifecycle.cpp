// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/oomx.hpp>
#include <oomx/policies/largest_leaf.hpp>

using oomx::policies::largest_leaf;
using namespace oomx::literals;

int use(const oomx::cgroup& where) {
    auto policy = oomx::load<largest_leaf>({.min_usage = 1_MiB});
    if (!policy) {
        return 1;
    }
    auto opened = oomx::open<largest_leaf>();
    auto live = policy->attach(where);

#ifdef attaching_what_is_not_loaded // no member named .attach.|has no member named .attach.
    auto other = opened->attach(where);
#endif
#ifdef loading_what_is_still_needed // discards qualifiers|is an lvalue
    auto other = opened->load();
#endif
#ifdef detaching_what_is_still_needed // discards qualifiers|is an lvalue
    return live->detach() ? 0 : 1;
#endif
#ifdef configuring_what_is_loaded // no member named .configure.|has no member named .configure.
    policy->configure({.min_usage = 2_MiB});
#endif
#ifdef dropping_the_outcome_of_attach // ignoring return value
    policy->attach(where);
#endif
#ifdef dropping_the_event_stream // ignoring return value
    policy->events();
#endif
#ifdef dropping_a_loaded_policy // ignoring return value
    oomx::load<largest_leaf>();
#endif
#ifdef attaching_to_a_bare_path // no matching (member )?function for call to .*attach
    auto other = policy->attach("/sys/fs/cgroup/batch.slice");
#endif
#ifdef options_with_a_bare_number // no matching function|invalid initialization of
    auto other = oomx::load<largest_leaf>({.min_usage = 64});
#endif
    return opened && live ? 0 : 1;
}
