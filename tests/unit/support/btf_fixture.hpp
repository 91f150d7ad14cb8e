// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cstdint>
#include <initializer_list>
#include <utility>

#include <bpf/btf.h>

#include <oomx/btf_view.hpp>

// The types of kernels nobody has to boot: built with libbpf as a kernel's BTF would hold them.

namespace oomx::test {

/// Adds types to a BTF; each call returns the id of the type it added, for the calls that refer to
/// it.
class btf_fixture {
public:
    struct member {
        const char* name;
        int type;
        std::uint32_t offset; ///< bytes
    };

    int integer(const char* name, std::uint32_t size) {
        return btf__add_int(types_, name, size, 0);
    }
    int pointer_to(int type) { return btf__add_ptr(types_, type); }
    int array(int of, std::uint32_t count) {
        return btf__add_array(types_, integer("index", 4), of, count);
    }
    int constant(int type) { return btf__add_const(types_, type); }
    int alias(const char* name, int type) { return btf__add_typedef(types_, name, type); }

    int structure(const char* name, std::uint32_t size,
                  std::initializer_list<member> members = {}) {
        const int id = btf__add_struct(types_, name, size);
        for (const auto& each : members) {
            btf__add_field(types_, each.name, each.type, each.offset * 8, 0);
        }
        return id;
    }

    /// A function type: returns nothing, which no test asks about.
    int function(std::initializer_list<int> parameters) {
        const int id = btf__add_func_proto(types_, 0);
        for (const int each : parameters) {
            btf__add_func_param(types_, "", each);
        }
        return id;
    }

    /// A function of the kernel, with that many parameters.
    int kernel_function(const char* name, int parameters) {
        const int type = function({});
        for (int i = 0; i < parameters; ++i) {
            btf__add_func_param(types_, "", 0);
        }
        return btf__add_func(types_, name, BTF_FUNC_STATIC, type);
    }

    /// A pointer to such a function.
    int callback(std::initializer_list<int> parameters) { return pointer_to(function(parameters)); }

    /// A pointer to a struct of that name.
    int pointer_to_struct(const char* name) { return pointer_to(structure(name, 8)); }

    /// A pointer to a struct of that name that is only declared.
    int pointer_to_declared_struct(const char* name) {
        return pointer_to(btf__add_fwd(types_, name, BTF_FWD_STRUCT));
    }

    /// The view takes them over; nothing can be added after.
    btf_view take() { return btf_view::adopt(std::exchange(types_, nullptr)); }

    btf_fixture() = default;
    btf_fixture(const btf_fixture&) = delete;
    btf_fixture& operator=(const btf_fixture&) = delete;
    ~btf_fixture() { btf__free(types_); }

private:
    btf* types_ = btf__new_empty();
};

/// A kernel whose bpf_oom_ops is `ops`, complete with the value that wraps it.
inline btf_view kernel_with_ops(btf_fixture& types,
                                std::initializer_list<btf_fixture::member> ops) {
    const int id = types.structure("bpf_oom_ops", 80, ops);
    types.structure("bpf_struct_ops_bpf_oom_ops", 128, {{"data", id, 64}});
    return types.take();
}

// The revisions of the "mm: BPF OOM" series, by their handler and members.

inline btf_view kernel_v2() {
    btf_fixture types;
    const int id = types.integer("u64", 8);
    const int context = types.pointer_to_struct("bpf_oom_ctx");
    const int handler = types.callback({context, types.pointer_to_struct("oom_control")});
    const int offline = types.callback({context, id});
    return kernel_with_ops(
        types, {{"handle_out_of_memory", handler, 0}, {"handle_cgroup_offline", offline, 8}});
}

inline btf_view kernel_v3() {
    btf_fixture types;
    const int control = types.pointer_to_struct("oom_control");
    const int handler = types.callback({control, types.pointer_to_struct("bpf_struct_ops_link")});
    return kernel_with_ops(types, {{"handle_out_of_memory", handler, 0}});
}

/// As v3, in a kernel whose BTF only declares the link's struct.
inline btf_view kernel_v3_with_declared_link() {
    btf_fixture types;
    const int control = types.pointer_to_struct("oom_control");
    const int handler =
        types.callback({control, types.pointer_to_declared_struct("bpf_struct_ops_link")});
    return kernel_with_ops(types, {{"handle_out_of_memory", handler, 0}});
}

inline btf_view kernel_v4_wip() {
    btf_fixture types;
    const int control = types.pointer_to_struct("oom_control");
    const int handler = types.callback({control, types.pointer_to_struct("cgroup")});
    return kernel_with_ops(types, {{"handle_out_of_memory", handler, 0}});
}

/// The ops are there, with a handler nobody has described.
inline btf_view kernel_of_unknown_revision() {
    btf_fixture types;
    const int handler = types.callback({types.pointer_to_struct("oom_control")});
    return kernel_with_ops(types, {{"handle_out_of_memory", handler, 0}});
}

/// Any kernel released so far.
inline btf_view kernel_without_bpf_oom() {
    btf_fixture types;
    types.structure("task_struct", 64);
    return types.take();
}

} // namespace oomx::test
