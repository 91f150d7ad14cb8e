// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <algorithm>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <catch2/catch_test_macros.hpp>

#include <oomx/decision.hpp>
#include <oomx/native/killer.hpp>
#include <oomx/native/model.hpp>
#include <oomx/native/policy.hpp>
#include <oomx/native/runtime.hpp>

namespace oomx::test {

/// An OOM that a policy is asked about.
struct question {
    std::string_view scope = "top"; ///< "/": the whole system
    native::kernel::oom_constraint constraint = native::kernel::CONSTRAINT_MEMCG;
    std::string_view asking{}; ///< name of the process that needs memory; empty: nobody's
    bool as_posted = false; ///< by a kernel whose kill refuses nobody but init and kernel threads
};

/// What comes of it. The kernel's own killer does not get its turn.
struct answered {
    bool claimed = false;
    std::vector<decision> records; ///< one, or none where the policy waits as it did before

    [[nodiscard]] const decision& record() const {
        REQUIRE(records.size() == 1);
        return records.front();
    }
};

/// Of that name, which one process has.
inline native::detail::task& task_of(native::model& where, std::string_view name) {
    for (auto& one : where.tasks()) {
        if (one.name == name) {
            return one;
        }
    }
    FAIL("no process " << name);
    std::unreachable();
}

inline answered ask(native::instance& policy, native::model& where, const question& what = {}) {
    native::detail::oom now{};
    now.asked_by = policy.name();
    now.as_posted = what.as_posted;
    now.totalpages = where.machine().ram.count() / native::page_size;
    if (what.scope != "/") {
        auto* const scope = where.find(what.scope);
        REQUIRE(scope != nullptr);
        now.memcg = &scope->memcg;
        now.constraint = what.constraint;
        now.totalpages = std::min<unsigned long>(now.totalpages, now.memcg->memory.max);
    }
    if (!what.asking.empty()) {
        now.asking = &task_of(where, what.asking);
    }
    native::detail::runtime running{where, policy, now};
    answered came;
    came.claimed = running.run(0) && now.memory_freed;
    CHECK(describe(running.fault()) == describe(native::fault::none));
    REQUIRE(policy.drain([&](const decision& one) { came.records.push_back(one); }));
    return came;
}

/// Whether nobody has killed it.
inline bool lives(native::model& where, std::string_view name) {
    return task_of(where, name).phase == native::detail::phase::alive;
}

template <typename P>
native::policy<P> make_policy(const typename P::options& options = {}) {
    auto made = native::policy<P>::make(options);
    REQUIRE(made);
    return std::move(*made);
}

/// "top" over its limit of 1 MiB, or without any, and what a test puts into it.
class tree {
public:
    explicit tree(const native::machine_options& machine = {},
                  const native::cgroup_options& top = {.max = bytes{1 << 20}})
        : model_{made(native::model::make(machine))} {
        add("top", top);
    }

    tree& add(std::string_view path, const native::cgroup_options& options = {}) {
        REQUIRE(model_.add_cgroup(path, options));
        return *this;
    }

    tree& add_process(std::string_view path, const native::process_options& options) {
        REQUIRE(model_.add_process(path, options));
        return *this;
    }

    /// The model of it.
    [[nodiscard]] native::model take() { return std::move(model_); }

private:
    static native::model made(result<native::model> one) {
        REQUIRE(one);
        return std::move(*one);
    }

    native::model model_;
};

} // namespace oomx::test
