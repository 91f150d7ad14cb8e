// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cerrno>
#include <cstdio>
#include <filesystem>
#include <memory>
#include <optional>
#include <utility>

#include <unistd.h>

#include <fmt/format.h>

#include <oomx/bpf/link.hpp>
#include <oomx/bpf/ops.hpp>
#include <oomx/cgroup.hpp>
#include <oomx/result.hpp>

namespace oomx {

/// A policy in force somewhere. Dropping it detaches, unless it was pinned. One thread at a time.
class [[nodiscard("dropping an attachment detaches the policy")]] attachment {
public:
    /// Puts a policy in force: what loaded_policy::attach() does.
    [[nodiscard]] static result<attachment> make(std::shared_ptr<const bpf::ops> policy,
                                                 const cgroup& where) {
        auto place = where.duplicate();
        if (!place) {
            return pass_on(std::move(place));
        }
        auto link = policy->attach(where);
        if (!link) {
            return pass_on(std::move(link));
        }
        return attachment{std::move(*link), std::move(policy), std::move(*place), std::nullopt};
    }

    /// Takes over a link that exists, and its pin: what adopt() does.
    attachment(bpf::link link, std::shared_ptr<const bpf::ops> policy, cgroup where,
               std::optional<std::filesystem::path> pin)
        : link_{std::move(link)}, policy_{std::move(policy)}, where_{std::move(where)},
          pin_{std::move(pin)} {}

    /// Where it is in force.
    [[nodiscard]] const cgroup& where() const { return where_; }

    /// Whether it still is: not once its cgroup was removed, or somebody else has detached it.
    /// Error: system.
    [[nodiscard]] result<bool> in_force() const {
        auto info = link_.info();
        if (!info) {
            return pass_on(std::move(info));
        }
        if (info->map_id == 0) {
            return false;
        }
        if (where_.is_root()) {
            return true;
        }
        // v2 leaves the link of a removed cgroup as it was.
        auto controlled = where_.has_memory_controller();
        if (!controlled && controlled.error().code() == errc::not_found) {
            return false;
        }
        return controlled;
    }

    /// Keeps it in force under a path below a bpffs mount after this process; unlink() the path to
    /// end it. Errors as bpf::link::pin(); busy, too, if it has a pin already.
    [[nodiscard]] result<void> pin(const std::filesystem::path& path) {
        if (pin_) {
            return failure(error{errc::busy, fmt::format("it is pinned at {}", pin_->native()),
                                 "an attachment has one pin"}
                               .within(fmt::format("pin link at {}", path.native())));
        }
        auto pinned = link_.pin(path);
        if (pinned) {
            pin_ = path;
        }
        return pinned;
    }

    /// The path it was pinned at, if it was.
    [[nodiscard]] const std::optional<std::filesystem::path>& pinned_at() const { return pin_; }

    /// Takes it out of force at once and removes its pin; a handler that is running ends first.
    ///
    /// Also if somebody else has detached it already. After an error the attachment is what it was.
    /// Errors: not_permitted, unsupported; system if only the pin could not be removed.
    [[nodiscard]] result<void> detach() && {
        return within(end(), [&] { return doing("detach"); });
    }

    /// Puts another policy, or the same with another config, in the place of this one. `next` is a
    /// loaded_policy; a pressure policy has to be loaded anew for that, also to take its own place.
    ///
    /// v2 and v3 have no way to exchange two policies: between the end of one and the start of the
    /// other, less than a millisecond as a rule (docs/ownership.md), an OOM goes to the parent's
    /// policy or the kernel's own killer. Where nothing but live fields of the config change,
    /// loaded_policy::reconfigure() has no such gap. A pin moves to the new one.
    ///
    /// After an error the old policy is in force. Should even that not succeed, because somebody
    /// else has taken the place meanwhile, the error says so and the attachment is inert; or its
    /// pin is lost, and the error says that.
    template <typename Policy>
    [[nodiscard]] result<void> replace(const Policy& next) {
        return within(put_in_place(next.ops()), [&] {
            return fmt::format("replace policy '{}' on {} by '{}'", policy_->policy(),
                               where_.path().native(), next.ops()->policy());
        });
    }

    /// The link's descriptor, still owned here.
    [[nodiscard]] int native_handle() const { return link_.native_handle(); }

private:
    [[nodiscard]] std::string doing(const char* verb) const {
        return fmt::format("{} policy '{}' from {}", verb, policy_->policy(),
                           where_.path().native());
    }

    [[nodiscard]] result<void> end() {
        if (auto detached = link_.detach(); !detached) {
            return detached;
        }
        if (pin_ && ::unlink(pin_->c_str()) != 0 && errno != ENOENT) {
            return failure(
                errc::system, errno,
                fmt::format("it is detached, but the inert pin {} stays", pin_->native()),
                "remove it");
        }
        pin_.reset();
        return {};
    }

    /// Where a new pin waits until it takes the old one's name. bpffs allows no dot in it.
    // Asked of a pinned one only.
    [[nodiscard]] std::filesystem::path next_pin() const {
        return pin_->native() + "-next"; // NOLINT(bugprone-unchecked-optional-access)
    }

    /// Sees, while the old policy is in force, that a pin can be made where the new one will want
    /// it.
    [[nodiscard]] result<void> try_pin(const bpf::ops& next) const {
        if (!pin_) {
            return {};
        }
        const auto path = next_pin();
        if (::bpf_obj_pin(next.native_handle(), path.c_str()) != 0) {
            return within(result<void>{bpf::refused(bpf::request::pin, errno)},
                          [&] { return fmt::format("pin link at {}", path.native()); });
        }
        ::unlink(path.c_str());
        return {};
    }

    [[nodiscard]] result<void> move_pin(const bpf::link& to) const {
        if (!pin_) {
            return {};
        }
        const auto path = next_pin();
        if (auto pinned = to.pin(path); !pinned) {
            return pinned;
        }
        if (::rename(path.c_str(), pin_->c_str()) != 0) {
            const int cause = errno;
            ::unlink(path.c_str());
            return failure(errc::system, cause,
                           fmt::format("rename {} to {}: refused", path.native(), pin_->native()));
        }
        return {};
    }

    [[nodiscard]] result<void> put_in_place(std::shared_ptr<const bpf::ops> next) {
        if (next->for_pressure() != policy_->for_pressure()) {
            return failure(errc::invalid_argument,
                           "one is asked about OOMs, the other about pressure",
                           "attach the new one, then detach the old one");
        }
        if (auto possible = next->require_attachable(); !possible) {
            return possible;
        }
        if (next->can_take_over()) {
            auto taken = next->take_over(link_, *policy_, where_.id());
            if (taken) {
                policy_ = std::move(next);
            }
            return taken;
        }
        if (auto possible = try_pin(*next); !possible) {
            return possible;
        }
        // Where there is room for two, no gap is needed.
        auto link = next->attach(where_);
        const bool exclusive = !link && link.error().code() == errc::busy;
        if (exclusive) {
            if (auto ended = link_.detach(); !ended) {
                return ended;
            }
            link = next->attach(where_);
        }
        if (link) {
            auto moved = move_pin(*link);
            if (moved) {
                link_ = std::move(*link); // this is where the old one ends if it has not
                policy_ = std::move(next);
                return moved;
            }
            link = pass_on(std::move(moved)); // this is where the new one ends
        }
        if (exclusive) {
            return put_back(std::move(link).error());
        }
        return pass_on(std::move(link));
    }

    /// Back to the policy before, after the other one could not take its place.
    [[nodiscard]] result<void> put_back(error why) {
        auto back = policy_->attach(where_);
        if (!back) {
            return failure(
                std::move(why).within(fmt::format("the old one is lost, too ({})", back.error())));
        }
        link_ = std::move(*back);
        if (auto pinned = move_pin(link_); !pinned) {
            why = std::move(why).within(
                fmt::format("the old one is back, but not pinned ({})", pinned.error()));
            pin_.reset(); // what is there now is not its pin
        }
        return failure(std::move(why));
    }

    bpf::link link_;
    std::shared_ptr<const bpf::ops> policy_;
    cgroup where_;
    std::optional<std::filesystem::path> pin_;
};

} // namespace oomx
