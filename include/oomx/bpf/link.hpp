// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cerrno>
#include <cstdint>
#include <filesystem>
#include <optional>
#include <utility>

#include <bpf/bpf.h>
#include <fmt/format.h>

#include <oomx/bpf/abi.hpp>
#include <oomx/bpf/refusal.hpp>
#include <oomx/ids.hpp>
#include <oomx/result.hpp>
#include <oomx/unique_fd.hpp>

namespace oomx::bpf {

/// What the kernel says of a link.
struct link_info {
    std::uint32_t id = 0;     ///< the link's own; not used again before the next boot
    std::uint32_t map_id = 0; ///< of the struct_ops map; 0 once it is detached
    std::optional<cgroup_id>
        where{}; ///< root_cgroup: system-wide; nothing: this kernel does not say
};

/// A BPF link: what it links stays attached while this, a copy of its descriptor or a pin lives.
/// Thread-safe but for moves. Its descriptor is closed by exec.
class [[nodiscard]] link {
public:
    /// Takes over the descriptor of a link that exists.
    explicit link(unique_fd fd) : fd_{std::move(fd)} {}

    /// Takes up the struct_ops link that is pinned there. Errors: not_found, not_permitted,
    /// invalid_argument (no BPF object), mismatch (no struct_ops link).
    [[nodiscard]] static result<link> open(const std::filesystem::path& path) {
        return within(open_at(path), [&] { return fmt::format("open pin {}", path.native()); });
    }

    /// Gives it a name below a bpffs mount, under which it outlives this process; unlink() the path
    /// to end it. Errors: busy (the name is taken), not_found, not_permitted, invalid_argument (the
    /// path is on no bpffs).
    [[nodiscard]] result<void> pin(const std::filesystem::path& path) const {
        return within(::bpf_obj_pin(fd_.native_handle(), path.c_str()) == 0
                          ? result<void>{}
                          : refused(request::pin, errno),
                      [&] { return fmt::format("pin link at {}", path.native()); });
    }

    /// Detaches at once, whoever else holds or has pinned the link; those keep an inert one.
    [[nodiscard]] result<void> detach() const {
        if (::bpf_link_detach(fd_.native_handle()) == 0) {
            return {};
        }
        return refused(request::detach, errno);
    }

    /// Puts another struct_ops map in the place of the one that it has, at once and with its pins
    /// kept, where abi::links_are_updated(). Errors: not_found (it is detached), busy (it has
    /// another map by now), not_permitted.
    [[nodiscard]] result<void> update(int map_fd, int old_map_fd) const {
        bpf_link_update_opts options{};
        options.sz = sizeof options;
        options.flags = BPF_F_REPLACE;
        options.old_map_fd = static_cast<std::uint32_t>(old_map_fd);
        if (::bpf_link_update(fd_.native_handle(), map_fd, &options) == 0) {
            return {};
        }
        return refused(request::update, errno);
    }

    /// Asks the kernel. Error: mismatch if it is no struct_ops link.
    [[nodiscard]] result<link_info> info() const {
        abi::link_info raw{};
        std::uint32_t size = sizeof raw;
        if (::bpf_obj_get_info_by_fd(fd_.native_handle(), &raw, &size) != 0) {
            return refused(request::inspect, errno);
        }
        if (raw.type != BPF_LINK_TYPE_STRUCT_OPS) {
            return failure(errc::mismatch, "it is no link of a policy");
        }
        return link_info{raw.id, raw.map_id, abi::attached_cgroup(fd_.native_handle())};
    }

    /// The link's descriptor, still owned here.
    [[nodiscard]] int native_handle() const { return fd_.native_handle(); }

private:
    static result<link> open_at(const std::filesystem::path& path) {
        unique_fd fd{::bpf_obj_get(path.c_str())};
        if (!fd) {
            return refused(request::open_pin, errno);
        }
        link opened{std::move(fd)};
        if (auto info = opened.info(); !info) {
            // Of a map or a program the kernel gives other information.
            return pass_on(std::move(info));
        }
        return opened;
    }

    unique_fd fd_;
};

} // namespace oomx::bpf
