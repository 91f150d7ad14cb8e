// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cstdarg>
#include <cstddef>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <set>
#include <span>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <linux/bpf.h>

#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <fmt/format.h>

#include "pretended_kernel.hpp"

namespace oomx::test {

/// What a BPF object asks of a kernel's types.
struct need {
    std::string what; ///< "struct task_struct.pid", "enum psi_res::PSI_MEM", "bpf_iter_num_new()"
    std::string more; ///< who asks, or as what
    bool optional = false; ///< a kernel may lack it: the program finds out before it uses it
    bool met = false;
};

/// All that libbpf says while this lives, debug messages included, a line each.
class [[nodiscard]] libbpf_lines {
public:
    libbpf_lines() : before_{libbpf_set_print(&collect)} { lines_.clear(); }
    ~libbpf_lines() { libbpf_set_print(before_); }

    libbpf_lines(const libbpf_lines&) = delete;
    libbpf_lines& operator=(const libbpf_lines&) = delete;

    [[nodiscard]] static const std::vector<std::string>& get() { return lines_; }

private:
    [[gnu::format(printf, 2, 0)]]
    static int collect(libbpf_print_level /*level*/, const char* format, va_list arguments) {
        std::string line(1000, '\0');
        const int length = std::vsnprintf(line.data(), line.size(), format, arguments);
        line.resize(line.find('\0'));
        lines_.push_back(std::move(line));
        return length;
    }

    static inline std::vector<std::string> lines_;
    libbpf_print_fn_t before_;
};

/// The text after `before`, up to the first of `ends`; empty if it is not there.
inline std::string_view text_between(std::string_view line, std::string_view before,
                                     std::string_view ends) {
    const auto at = line.find(before);
    if (at == std::string_view::npos) {
        return {};
    }
    const auto rest = line.substr(at + before.size());
    return rest.substr(0, rest.find_first_of(ends));
}

/// A name without what follows ___, which is the author's and not the kernel's.
inline std::string without_flavour(std::string_view name) {
    const auto at = name.find("___");
    const auto end = name.find_first_of(".:(", at);
    return at == std::string_view::npos
               ? std::string{name}
               : fmt::format("{}{}", name.substr(0, at),
                             end == std::string_view::npos ? "" : name.substr(end));
}

/// libbpf's relocations, from lines like
///     prog 'oomx_life_of': relo #3: <byte_off> [43] struct mm_struct.flags (0:4 @ offset 56)
///     prog 'oomx_life_of': relo #3: no matching targets found
///     prog 'oomx_life_of': relo #3: substituting insn #5 w/ invalid insn
/// where the second of a question (<field_exists>) means no, and the third is the end of others.
inline std::vector<need> relocations_in(std::span<const std::string> lines) {
    std::vector<need> all;
    for (const auto& line : lines) {
        if (const auto kind = text_between(line, ": <", ">"); !kind.empty()) {
            const std::string what{text_between(line, "] ", "(=\n")};
            all.push_back(
                {.what = what.substr(0, what.find_last_not_of(' ') + 1),
                 .more = fmt::format(", which {} asks for", text_between(line, "prog '", "'")),
                 .optional =
                     kind.ends_with("_exists") || kind == "type_matches" || what.contains("___"),
                 .met = true});
        } else if (line.contains("no matching targets found") || line.contains("w/ invalid insn")) {
            all.back().met = false;
        }
    }
    return all;
}

/// The kfuncs that an object declares. One that the kernel has with other parameters is not there
/// to libbpf, so that a weak one would never be called.
inline std::vector<need> kfuncs_in(std::span<const std::string> lines, const btf* kernel) {
    std::vector<need> all;
    std::set<std::string_view> found;
    for (const auto& line : lines) {
        if (line.contains("resolved to")) {
            found.insert(text_between(line, "extern (func ksym) '", "'"));
        }
    }
    for (const auto& line : lines) {
        const auto name = text_between(line, ", name ", "\n");
        if (!line.contains("extern (ksym) #") || name.empty()) {
            continue;
        }
        const bool there =
            btf__find_by_name_kind(kernel, without_flavour(name).c_str(), BTF_KIND_FUNC) > 0;
        all.push_back({.what = fmt::format("{}()", name),
                       .more = " as the object declares it",
                       .optional = !there,
                       .met = found.contains(name)});
    }
    return all;
}

/// What an object needs, all its programs included, and whether the kernel with the types in that
/// file has it: libbpf relocates it, as for a load. Needs no privileges.
inline std::vector<need> needs_of(std::span<const std::byte> object,
                                  const std::filesystem::path& kernel) {
    const pretended_kernel pretended{kernel};
    const libbpf_lines lines;
    bpf_object_open_opts options{};
    options.sz = sizeof options;
    options.btf_custom_path = kernel.c_str();
    const std::unique_ptr<bpf_object, decltype(&bpf_object__close)> opened{
        bpf_object__open_mem(object.data(), object.size(), &options), &bpf_object__close};
    const std::unique_ptr<btf, decltype(&btf__free)> types{btf__parse_raw(kernel.c_str()),
                                                           &btf__free};
    if (opened == nullptr || types == nullptr) {
        throw std::runtime_error{fmt::format("cannot open the object, or {}", kernel.string())};
    }

    // The types of struct_ops are of the series, and no kernel of the fixtures has them; what the
    // programs read of other types does not depend on it.
    bpf_map* map = nullptr;
    bpf_object__for_each_map(map, opened.get()) {
        if (bpf_map__type(map) == BPF_MAP_TYPE_STRUCT_OPS) {
            bpf_map__set_autocreate(map, false);
        }
    }
    bpf_program* program = nullptr;
    bpf_object__for_each_program(program, opened.get()) {
        bpf_program__set_type(program, BPF_PROG_TYPE_SYSCALL);
        bpf_program__set_autoload(program, true);
    }
    if (bpf_object__load(opened.get()) != 0) {
        throw std::runtime_error{fmt::format("libbpf cannot relocate for {}: {}", kernel.string(),
                                             fmt::join(libbpf_lines::get(), ""))};
    }
    auto needs = relocations_in(libbpf_lines::get());
    for (auto& kfunc : kfuncs_in(libbpf_lines::get(), types.get())) {
        needs.push_back(std::move(kfunc));
    }
    return needs;
}

} // namespace oomx::test
