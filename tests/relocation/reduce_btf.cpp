// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
// reduce_btf <vmlinux> <kept> <fixture>: of the types of a kernel those that the file <kept> names,
// and what they are made of, written as BTF to <fixture>. See README.md beside this file.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <fstream>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <bpf/btf.h>
#include <fmt/format.h>

namespace {

using types = std::unique_ptr<btf, decltype(&btf__free)>;

[[noreturn]] void give_up(std::string_view why) {
    fmt::print(stderr, "reduce_btf: {}\n", why);
    std::exit(EXIT_FAILURE);
}

/// How much of a type is kept.
enum class extent : std::uint8_t {
    nothing,
    outline, ///< of a struct its name and its size: something points to it
    whole,
};

class reduction {
public:
    explicit reduction(const btf* from)
        : from_{from}, kept_(btf__type_cnt(from), extent::nothing), number_(kept_.size()) {}

    /// A type, and all that is inside. What it points to is kept as an outline.
    void keep(std::uint32_t id, extent wanted = extent::whole) {
        const auto* const type = btf__type_by_id(from_, id);
        // A pointer to a function becomes one to void.
        const bool pointed_to_function = btf_is_func_proto(type) && wanted != extent::whole;
        if (id == 0 || kept_[id] >= wanted || pointed_to_function) {
            return;
        }
        kept_[id] = wanted;
        switch (btf_kind(type)) {
        case BTF_KIND_STRUCT:
        case BTF_KIND_UNION:
            for (std::uint16_t i = 0; wanted == extent::whole && i < btf_vlen(type); ++i) {
                keep(btf_members(type)[i].type);
            }
            break;
        case BTF_KIND_FUNC_PROTO:
            keep(type->type);
            for (std::uint16_t i = 0; i < btf_vlen(type); ++i) {
                keep(btf_params(type)[i].type);
            }
            break;
        case BTF_KIND_ARRAY:
            keep(btf_array(type)->type, wanted);
            keep(btf_array(type)->index_type);
            break;
        case BTF_KIND_PTR:
            keep(type->type, extent::outline);
            break;
        case BTF_KIND_TYPEDEF:
        case BTF_KIND_CONST:
        case BTF_KIND_VOLATILE:
        case BTF_KIND_RESTRICT:
        case BTF_KIND_TYPE_TAG:
        case BTF_KIND_FUNC:
            keep(type->type, wanted);
            break;
        default:
            break;
        }
    }

    /// The kept types, in their order in the kernel.
    [[nodiscard]] types written() {
        int next = 1;
        for (std::uint32_t id = 1; id < kept_.size(); ++id) {
            number_[id] = kept_[id] != extent::nothing ? next++ : 0;
        }
        types to{btf__new_empty(), &btf__free};
        for (std::uint32_t id = 1; id < kept_.size(); ++id) {
            if (number_[id] != 0 && write(to.get(), id) != number_[id]) {
                give_up(fmt::format("cannot write type {}, {}: libbpf refuses it", id,
                                    name(btf__type_by_id(from_, id)->name_off)));
            }
        }
        return to;
    }

private:
    const char* name(std::uint32_t offset) const { return btf__name_by_offset(from_, offset); }

    int write(btf* to, std::uint32_t id) const {
        const auto* const type = btf__type_by_id(from_, id);
        const char* const called = name(type->name_off);
        const auto kind = btf_kind(type);
        const auto size = type->size; // or garbage: it shares its place with the next
        const auto target = [&] { return number_[type->type]; };
        switch (kind) {
        case BTF_KIND_INT:
            return btf__add_int(to, called, size, btf_int_encoding(type));
        case BTF_KIND_FLOAT:
            return btf__add_float(to, called, size);
        case BTF_KIND_PTR:
            return btf__add_ptr(to, target());
        case BTF_KIND_TYPEDEF:
            return btf__add_typedef(to, called, target());
        case BTF_KIND_CONST:
            return btf__add_const(to, target());
        case BTF_KIND_VOLATILE:
            return btf__add_volatile(to, target());
        case BTF_KIND_RESTRICT:
            return btf__add_restrict(to, target());
        case BTF_KIND_TYPE_TAG:
            return btf__add_type_tag(to, called, target());
        case BTF_KIND_FUNC:
            return btf__add_func(to, called, static_cast<btf_func_linkage>(btf_vlen(type)),
                                 target());
        case BTF_KIND_FWD:
            return btf__add_fwd(to, called, btf_kflag(type) ? BTF_FWD_UNION : BTF_FWD_STRUCT);
        case BTF_KIND_ARRAY: {
            const auto* const array = btf_array(type);
            return btf__add_array(to, number_[array->index_type], number_[array->type],
                                  array->nelems);
        }
        case BTF_KIND_STRUCT:
        case BTF_KIND_UNION: {
            const int added = kind == BTF_KIND_STRUCT ? btf__add_struct(to, called, size)
                                                      : btf__add_union(to, called, size);
            for (std::uint32_t i = 0; kept_[id] == extent::whole && i < btf_vlen(type); ++i) {
                const auto& member = btf_members(type)[i];
                btf__add_field(to, name(member.name_off), number_[member.type],
                               btf_member_bit_offset(type, i), btf_member_bitfield_size(type, i));
            }
            return added;
        }
        case BTF_KIND_ENUM: {
            const int added = btf__add_enum(to, called, size);
            for (std::uint16_t i = 0; i < btf_vlen(type); ++i) {
                const auto& value = btf_enum(type)[i];
                // Without a sign it is unsigned, and libbpf takes the sign from the values.
                btf__add_enum_value(to, name(value.name_off),
                                    btf_kflag(type)
                                        ? std::int64_t{value.val}
                                        : std::int64_t{static_cast<std::uint32_t>(value.val)});
            }
            return added;
        }
        case BTF_KIND_ENUM64: {
            const int added = btf__add_enum64(to, called, size, btf_kflag(type));
            for (std::uint16_t i = 0; i < btf_vlen(type); ++i) {
                const auto& value = btf_enum64(type)[i];
                btf__add_enum64_value(to, name(value.name_off), btf_enum64_value(&value));
            }
            return added;
        }
        case BTF_KIND_FUNC_PROTO: {
            const int added = btf__add_func_proto(to, target());
            for (std::uint16_t i = 0; i < btf_vlen(type); ++i) {
                const auto& parameter = btf_params(type)[i];
                btf__add_func_param(to, name(parameter.name_off), number_[parameter.type]);
            }
            return added;
        }
        default:
            return -1;
        }
    }

    const btf* from_;
    std::vector<extent> kept_;
    std::vector<int> number_; ///< what a type has in the fixture; 0, void, if it is not kept
};

/// The names in the file <kept>, and whether the kernel has each; functions end in "()".
std::map<std::string, bool> names_in(const char* path) {
    std::ifstream file{path};
    std::map<std::string, bool> names;
    for (std::string line; std::getline(file, line);) {
        if (!line.empty() && !line.starts_with('#')) {
            names.emplace(line, false);
        }
    }
    if (names.empty()) {
        give_up(fmt::format("cannot read names from {}: there are none", path));
    }
    return names;
}

} // namespace

int main(int argc, char** argv) {
    if (argc != 4) {
        give_up("usage: reduce_btf <vmlinux> <kept> <fixture>");
    }
    const types kernel{btf__parse(argv[1], nullptr), &btf__free};
    if (kernel == nullptr) {
        give_up(fmt::format("cannot read {}: it has no BTF that libbpf reads", argv[1]));
    }
    auto names = names_in(argv[2]);
    reduction reduced{kernel.get()};
    for (std::uint32_t id = 1; id < btf__type_cnt(kernel.get()); ++id) {
        const auto* const type = btf__type_by_id(kernel.get(), id);
        std::string name = btf__name_by_offset(kernel.get(), type->name_off);
        const auto kind = btf_kind(type);
        if (kind == BTF_KIND_FUNC) {
            name += "()";
        } else if (!btf_is_composite(type) && !btf_is_any_enum(type) && kind != BTF_KIND_TYPEDEF) {
            continue;
        }
        if (const auto found = names.find(name); found != names.end()) {
            found->second = true;
            reduced.keep(id);
        }
    }
    for (const auto& [name, found] : names) {
        if (!found) {
            fmt::print("not in this kernel: {}\n", name);
        }
    }
    const auto fixture = reduced.written();
    std::uint32_t size = 0;
    const auto* const bytes = static_cast<const char*>(btf__raw_data(fixture.get(), &size));
    std::ofstream out{argv[3], std::ios::binary};
    if (bytes == nullptr || !out.write(bytes, size).flush()) {
        give_up(fmt::format("cannot write {}: is there room, may you write there?", argv[3]));
    }
    fmt::print("{} types, {} bytes: {}\n", btf__type_cnt(fixture.get()) - 1, size, argv[3]);
}
