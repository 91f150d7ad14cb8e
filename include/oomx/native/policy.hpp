// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cerrno>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <memory>
#include <span>
#include <string_view>
#include <type_traits>
#include <unordered_map>
#include <utility>
#include <vector>

#include <fmt/format.h>

#include <oomx/config.h>
#include <oomx/counters.hpp>
#include <oomx/decision.h>
#include <oomx/decode.hpp>
#include <oomx/ids.hpp>
#include <oomx/live_fields.hpp>
#include <oomx/native/kernel_types.hpp>
#include <oomx/native/model.hpp>
#include <oomx/native/object.hpp>
#include <oomx/preference.hpp>
#include <oomx/result.hpp>

namespace oomx::native {

/// A natively built policy with a state of its own, whatever its descriptor: what a simulation
/// attaches. The code has one place for the state of all its instances, so one thread at a time
/// for all instances of a policy together.
///
/// Nothing is allocated while it decides: its records have a buffer of fixed size.
class [[nodiscard]] instance {
public:
    /// As large as the ring buffer of the BPF build (oomx/events.bpf.h).
    static constexpr std::size_t record_room = std::size_t{256} * 1024;

    /// What the state of a policy is made of.
    using word = std::uint64_t;

    /// Its name, as P::name.
    [[nodiscard]] std::string_view name() const { return name_; }

    /// What it has done.
    [[nodiscard]] oomx::counters counters() const {
        return oomx::counters::read(*in_state(code_->control));
    }

    /// Hands over the records since the last time, as events::drain() does: how many. Error:
    /// malformed, for the first that cannot be read; the others are handed over all the same. An
    /// exception of `receive` ends the call; the records after that one come next time.
    template <typename Receive>
    [[nodiscard]] result<std::size_t> drain(Receive&& receive) {
        result<void> decoded;
        const auto count = drain_raw([&](std::span<const std::byte> record) {
            if (auto one = decode(record, receive); !one && decoded) {
                decoded = std::move(one);
            }
        });
        if (!decoded) {
            return pass_on(std::move(decoded));
        }
        return count;
    }

    /// The same, as bytes: `receive` is called with a std::span<const std::byte>.
    template <typename Receive>
    std::size_t drain_raw(Receive&& receive) {
        std::size_t count = 0;
        for (; read_ < used_; ++count) {
            std::uint64_t size = 0;
            std::memcpy(&size, records_.get() + read_, sizeof size);
            const std::span<const std::byte> record{records_.get() + read_ + sizeof size, size};
            read_ += sizeof size + padded(size);
            receive(record);
        }
        used_ = read_ = 0;
        return count;
    }

    /// What is said of a cgroup and all below it, instead of what was said before: as
    /// loaded_policy::prefer(). Errors: invalid_argument (the preference), exhausted (as in the BPF
    /// build, beyond OOMX_PREFERENCES cgroups).
    [[nodiscard]] result<void> prefer(cgroup_id of, const oomx::preference& said) {
        return within(put(std::to_underlying(of), said), [&] {
            return fmt::format("set the preference of cgroup {} for policy '{}'",
                               std::to_underlying(of), name_);
        });
    }

    /// The same of a model's cgroup by its path.
    [[nodiscard]] result<void> prefer(std::string_view path, const oomx::preference& said) {
        return within(put(std::to_underlying(model::id_of(path)), said), [&] {
            return fmt::format("set the preference of cgroup '{}' for policy '{}'", path, name_);
        });
    }

    // --- for the rest of this layer ---

    /// Lets it handle an OOM with the help of this kernel: not 0 if it claims it.
#ifdef __clang__
    // In C the kernel's types are in no namespace, so that to UBSan this is another type.
    [[clang::no_sanitize("function")]]
#endif
    [[nodiscard]] int
    on_oom(const kernel::oomx_native_kernel& with, kernel::oom_control& oc,
           std::uint64_t attached_to) {
        enter(with);
        const int claimed = code_->on_oom(&oc, attached_to);
        leave();
        return claimed;
    }

    /// Lets it forget the processes of another model than this one: they may be gone with it.
    void begin(const std::shared_ptr<const char>& model) {
        if (model_.lock() == model) {
            return;
        }
        model_ = model;
        if (code_->victims != nullptr) {
            std::memset(in_state(static_cast<std::byte*>(code_->victims)), 0, code_->victims_size);
        }
    }

    /// Whether it handles OOMs at all.
    [[nodiscard]] bool handles_oom() const { return code_->on_oom != nullptr; }

    /// Keeps a record: 0, or -ENOSPC.
    [[nodiscard]] int output(const void* record, std::uint64_t size) {
        if (used_ + sizeof size + padded(size) > record_room) {
            return -ENOSPC;
        }
        std::memcpy(records_.get() + used_, &size, sizeof size);
        std::memcpy(records_.get() + used_ + sizeof size, record, size);
        used_ += sizeof size + padded(size);
        return 0;
    }

    /// NULL if nothing was said of it.
    [[nodiscard]] oomx_preference* preferred(std::uint64_t id) {
        const auto found = preferences_.find(id);
        return found == preferences_.end() ? nullptr : &found->second;
    }

protected:
    /// Takes over a state that is made.
    instance(std::string_view name, const kernel::oomx_native_policy& code, std::vector<word> state)
        : name_{name}, code_{&code}, state_{std::move(state)} {}

    /// What the code has in its own memory.
    [[nodiscard]] static std::vector<word> state_of(const kernel::oomx_native_policy& code) {
        std::vector<word> state(static_cast<std::size_t>(code.state_end - code.state_begin) /
                                sizeof(word));
        copy(state.data(), words(code), state.size());
        return state;
    }

    /// Where in its state that is, which the code has at `place`.
    template <typename T>
    [[nodiscard]] T* in_state(const volatile T* place) {
        return reinterpret_cast<T*>(reinterpret_cast<char*>(state_.data()) + offset(*code_, place));
    }
    /// As above.
    template <typename T>
    [[nodiscard]] const T* in_state(const volatile T* place) const {
        return reinterpret_cast<const T*>(reinterpret_cast<const char*>(state_.data()) +
                                          offset(*code_, place));
    }

    /// The code, for who knows its config.
    [[nodiscard]] const kernel::oomx_native_policy& code() const { return *code_; }

private:
    [[nodiscard]] static std::ptrdiff_t offset(const kernel::oomx_native_policy& code,
                                               const volatile void* place) {
        return static_cast<const volatile char*>(place) - code.state_begin;
    }

    [[nodiscard]] static word* words(const kernel::oomx_native_policy& code) {
        return reinterpret_cast<word*>(code.state_begin);
    }

    /// Not memcpy: between the policy's variables is what AddressSanitizer lets nobody touch.
    __attribute__((noinline, no_sanitize("address", "undefined"))) static void
    copy(volatile word* to, const volatile word* from, std::size_t count) {
        for (std::size_t i = 0; i < count; ++i) {
            to[i] = from[i];
        }
    }

    [[nodiscard]] result<void> put(std::uint64_t id, const oomx::preference& said) {
        auto raw = said.raw();
        if (!raw) {
            return pass_on(std::move(raw));
        }
        if (preferences_.size() >= OOMX_PREFERENCES && !preferences_.contains(id)) {
            return failure(errc::exhausted, fmt::format("it has {} already", OOMX_PREFERENCES),
                           "give preferences to whole subtrees");
        }
        preferences_[id] = *raw;
        return {};
    }

    void enter(const kernel::oomx_native_kernel& with) {
        copy(words(*code_), state_.data(), state_.size());
        *code_->kernel = &with;
    }

    void leave() { copy(state_.data(), words(*code_), state_.size()); }

    [[nodiscard]] static constexpr std::size_t padded(std::size_t size) {
        return (size + sizeof(word) - 1) / sizeof(word) * sizeof(word);
    }

    std::string_view name_; // of static storage
    const kernel::oomx_native_policy* code_;
    std::vector<word> state_;
    std::unique_ptr<std::byte[]> records_ =
        std::make_unique_for_overwrite<std::byte[]>(record_room);
    std::size_t used_ = 0;
    std::size_t read_ = 0; // of those
    std::unordered_map<std::uint64_t, oomx_preference> preferences_;
    std::weak_ptr<const char> model_; // the last one it was asked about
};

/// An instance of a policy that is built natively: the same source, options and records as what
/// oomx::load() brings into a kernel. Link `<name>_native`.
///
///     auto policy = oomx::native::policy<oomx::policies::largest_leaf>::make({.min_usage =
///     64_MiB});
template <typename P>
class [[nodiscard]] policy : public instance {
public:
    /// Errors: invalid_argument (the options), mismatch (it was built with another oomx).
    [[nodiscard]] static result<policy> make(const typename P::options& options = {}) {
        return within(configured(options),
                      [] { return fmt::format("make native policy '{}'", P::name); });
    }

    /// Gives it other options, as loaded_policy::reconfigure() does. Error: invalid_argument if the
    /// options are, or if they change a field that P::live lacks; what it goes by is then what it
    /// was.
    [[nodiscard]] result<void> reconfigure(const typename P::options& options)
        requires requires { P::live; }
    {
        return within(change(options),
                      [] { return fmt::format("reconfigure native policy '{}'", P::name); });
    }

private:
    using instance::instance;

    [[nodiscard]] result<void> change(const typename P::options& options) {
        auto config = P::configure(options);
        if (!config) {
            return pass_on(std::move(config));
        }
        const auto generation = in_state(code().control)->generation;
        if (auto checked = check_live_fields<P>(slot(generation), *config); !checked) {
            return checked;
        }
        put_in_force(*config);
        return {};
    }

    [[nodiscard]] typename P::config& slot(std::uint64_t generation) {
        auto* const configs = in_state(static_cast<typename P::config*>(code().configs));
        return configs[generation % code().config_slots];
    }

    void put_in_force(const typename P::config& config) {
        slot(++in_state(code().control)->generation) = config;
    }

    [[nodiscard]] static result<policy> configured(const typename P::options& options) {
        // Before the code has run for the first time.
        static const std::vector<word> pristine = state_of(object<typename P::skeleton>::get());
        const auto& code = object<typename P::skeleton>::get();
        auto config = P::configure(options);
        if (!config) {
            return pass_on(std::move(config));
        }
        if (code.record_version != OOMX_RECORD_VERSION ||
            code.config_size != sizeof(typename P::config)) {
            return failure(errc::mismatch,
                           "its native code was built with another oomx or another config",
                           "build it with the descriptor that it is used with");
        }
        policy made{P::name, code, pristine};
        made.in_state(code.object)->page_size = page_size;
        made.in_state(code.object)->machine_size = 0; // a model's OOMs never exceed its machine
        made.in_state(code.control)->armed = 1;
        made.put_in_force(*config);
        return made;
    }
};

} // namespace oomx::native
