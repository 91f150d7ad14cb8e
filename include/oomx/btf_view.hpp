// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cerrno>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

#include <fcntl.h>

#include <bpf/btf.h>
#include <fmt/format.h>

#include <oomx/bpf/libbpf_messages.hpp>
#include <oomx/result.hpp>
#include <oomx/unique_fd.hpp>

namespace oomx {

/// A struct of a kernel, as its BTF describes it. Valid while its btf_view lives. Thread-safe but
/// for assignment.
class btf_struct {
public:
    /// The type with that number, which is a struct of `types`.
    btf_struct(const btf* types, std::uint32_t id)
        : types_{types}, type_{btf__type_by_id(types, id)}, id_{id} {}

    /// Its number among the kernel's types, by which the kernel itself knows it.
    [[nodiscard]] std::uint32_t id() const { return id_; }

    /// Bytes.
    [[nodiscard]] std::uint32_t size() const { return type_->size; }

    /// Bytes from the start of the struct; nothing if it has no such member.
    [[nodiscard]] std::optional<std::uint32_t> offset_of(std::string_view member) const {
        const auto index = index_of(member);
        if (!index) {
            return std::nullopt;
        }
        return btf_member_bit_offset(type_, *index) / 8;
    }

    /// Whether it has a member of that name itself, not in a struct inside it.
    [[nodiscard]] bool has(std::string_view member) const { return index_of(member).has_value(); }

    /// How many members are before it.
    [[nodiscard]] std::optional<std::uint16_t> index_of(std::string_view member) const {
        for (std::uint16_t i = 0; i < btf_vlen(type_); ++i) {
            if (btf__name_by_offset(types_, btf_members(type_)[i].name_off) == member) {
                return i;
            }
        }
        return std::nullopt;
    }

    /// For a member that is a pointer to a function: the name of the struct its n-th parameter
    /// points to. Nothing if there is no such parameter or it is no pointer to a struct.
    [[nodiscard]] std::optional<std::string_view> callback_parameter(std::string_view member,
                                                                     std::uint16_t n) const {
        const auto index = index_of(member);
        if (!index) {
            return std::nullopt;
        }
        const auto* callback = target(btf_members(type_)[*index].type);
        if (callback == nullptr || !btf_is_func_proto(callback) || n >= btf_vlen(callback)) {
            return std::nullopt;
        }
        const auto* parameter = target(btf_params(callback)[n].type);
        // A forward declaration names it as well.
        if (parameter == nullptr || !(btf_is_composite(parameter) || btf_is_fwd(parameter))) {
            return std::nullopt;
        }
        return btf__name_by_offset(types_, parameter->name_off);
    }

private:
    /// What a pointer points to, const and typedefs taken off; null if it is no pointer.
    [[nodiscard]] const btf_type* target(std::uint32_t pointer) const {
        const auto* type = plain(pointer);
        return type != nullptr && btf_is_ptr(type) ? plain(type->type) : nullptr;
    }

    /// Null for typedefs that lead nowhere but to each other.
    [[nodiscard]] const btf_type* plain(std::uint32_t id) const {
        const auto* type = btf__type_by_id(types_, id);
        // A way longer than there are types goes in a circle. Not btf__resolve_type(), for which a
        // struct that is only declared is none.
        for (auto left = btf__type_cnt(types_);
             type != nullptr && (btf_is_mod(type) || btf_is_typedef(type)); --left) {
            if (left == 0) {
                return nullptr;
            }
            type = btf__type_by_id(types_, type->type);
        }
        return type;
    }

    const btf* types_;
    const btf_type* type_;
    std::uint32_t id_;
};

/// A function of a kernel, such as a kfunc.
struct btf_function {
    std::uint32_t id = 0;         ///< its number among the kernel's types
    std::uint16_t parameters = 0; ///< how many it takes
};

/// The types of a kernel: what it has is decided by these, never by its version.
/// Thread-safe but for moves; the running kernel's are read into memory, and no descriptor stays.
class btf_view {
public:
    /// Those of the running kernel. Errors: unsupported where it carries none; not_permitted,
    /// exhausted (descriptors, memory), malformed and system say nothing of the kernel.
    [[nodiscard]] static result<btf_view> kernel() {
        const bpf::libbpf_messages messages; // else libbpf prints
        btf* const types = btf__load_vmlinux_btf();
        if (types == nullptr) {
            return failure(why_unreadable().within("read the kernel's types"));
        }
        return btf_view{types};
    }

    /// Takes over types that were built or parsed elsewhere, as tests do.
    [[nodiscard]] static btf_view adopt(btf* types) { return btf_view{types}; }

    /// Nothing if it has no struct of that name, or only a declaration.
    [[nodiscard]] std::optional<btf_struct> find_struct(const std::string& name) const {
        const auto id = find(name, BTF_KIND_STRUCT);
        return id ? std::optional{btf_struct{types_.get(), *id}} : std::nullopt;
    }

    /// Nothing if the kernel's types have no function of that name.
    [[nodiscard]] std::optional<btf_function> find_function(const std::string& name) const {
        const auto id = find(name, BTF_KIND_FUNC);
        if (!id) {
            return std::nullopt;
        }
        const auto* const function = btf__type_by_id(types_.get(), *id);
        return btf_function{*id, btf_vlen(btf__type_by_id(types_.get(), function->type))};
    }

    /// Whether the kernel has a typedef of that name.
    [[nodiscard]] bool has_typedef(const std::string& name) const {
        return find(name, BTF_KIND_TYPEDEF).has_value();
    }

    /// libbpf's handle, still owned here.
    [[nodiscard]] const btf* native_handle() const { return types_.get(); }

private:
    struct release {
        void operator()(btf* types) const { btf__free(types); }
    };

    explicit btf_view(btf* types) : types_{types} {}

    /// libbpf does not tell: it ends with ESRCH, whatever it was.
    [[nodiscard]] static error why_unreadable() {
        constexpr const char* file = "/sys/kernel/btf/vmlinux";
        const unique_fd opened{::open(file, O_RDONLY | O_CLOEXEC)};
        const int cause = opened ? 0 : errno;
        switch (cause) {
        case 0:
            return {errc::malformed, fmt::format("{} cannot be parsed", file),
                    "use a newer libbpf, or give the process more memory"};
        case ENOENT:
            return {errc::unsupported, cause, fmt::format("{} is not there", file),
                    "run a kernel built with CONFIG_DEBUG_INFO_BTF=y, and mount /sys"};
        case EMFILE:
        case ENFILE:
            return {errc::exhausted, cause, "no file descriptor is left", "raise RLIMIT_NOFILE"};
        case ENOMEM:
            return {errc::exhausted, cause, "no memory is left"};
        case EACCES:
        case EPERM:
            return {errc::not_permitted, cause, fmt::format("{} cannot be read", file),
                    "run as root"};
        default:
            return {errc::system, cause, fmt::format("{} cannot be read", file)};
        }
    }

    [[nodiscard]] std::optional<std::uint32_t> find(const std::string& name,
                                                    std::uint32_t kind) const {
        const int id = btf__find_by_name_kind(types_.get(), name.c_str(), kind);
        return id < 0 ? std::nullopt : std::optional{static_cast<std::uint32_t>(id)};
    }

    std::unique_ptr<btf, release> types_;
};

} // namespace oomx
