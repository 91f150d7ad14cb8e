// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cerrno>
#include <cstddef>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include <bpf/libbpf.h>

#include <oomx/bpf/libbpf_messages.hpp>
#include <oomx/bpf/refusal.hpp>
#include <oomx/bpf/verifier_log.hpp>
#include <oomx/result.hpp>

namespace oomx::bpf {

/// A BPF object in the kernel's hands or on its way there, through the class that `bpftool gen
/// skeleton` made of it. Owns its maps and programs; their descriptors close with it, or by exec.
/// One thread at a time until it is loaded; then thread-safe as far as the skeleton is.
template <typename Skeleton>
class [[nodiscard]] object {
public:
    /// Reads the object that is compiled in. Nothing is loaded yet: its read-only data can be set.
    [[nodiscard]] static result<object> open() {
        const libbpf_messages messages;
        auto log = std::make_unique_for_overwrite<char[]>(log_capacity);
        log[0] = '\0';
        log[log_capacity - 1] = '\0'; // whatever the kernel writes, it ends
        bpf_object_open_opts options{};
        options.sz = sizeof options;
        options.kernel_log_buf = log.get();
        options.kernel_log_size = log_capacity - 1;
        Skeleton* const skeleton = Skeleton::open(&options);
        if (skeleton == nullptr) {
            const int cause = errno;
            return refused(errc::malformed, cause, "libbpf cannot open the object", {},
                           messages.text());
        }
        return object{skeleton, std::move(log)};
    }

    /// Hands it to the kernel. Errors: not_permitted; rejected with the verifier's log, or with
    /// libbpf's messages where libbpf gave up before the verifier; invalid_argument if it has been
    /// handed over before, or moved from.
    [[nodiscard]] result<void> load() {
        if (!log_) {
            return failure(errc::invalid_argument, "it has been loaded already", "open it anew");
        }
        const libbpf_messages messages;
        const int failed = Skeleton::load(skeleton_.get());
        const auto log = std::exchange(log_, nullptr); // of no use after this
        if (failed == 0) {
            return {};
        }
        if (log[0] != '\0') {
            return refused(errc::rejected, -failed, "the kernel's verifier refused the program",
                           "see error::log() for its whole log", log.get());
        }
        auto why = refusal_error(request::load, -failed);
        if (why.code() != errc::system) {
            return failure(std::move(why));
        }
        return refused(errc::rejected, -failed, "libbpf could not load it",
                       "see error::log() for its messages", messages.text());
    }

    /// The object's bytes, as it was compiled.
    [[nodiscard]] static std::span<const std::byte> bytes() {
        std::size_t size = 0;
        const auto* const start = static_cast<const std::byte*>(Skeleton::elf_bytes(&size));
        return {start, size};
    }

    /// The skeleton's maps, programs and globals; const ones can be set until load().
    [[nodiscard]] Skeleton* operator->() const { return skeleton_.get(); }

    /// The skeleton, still owned here.
    [[nodiscard]] Skeleton* native_handle() const { return skeleton_.get(); }

private:
    // As much as libbpf itself would offer; pages the log does not reach are never touched. Of a
    // longer one the kernel keeps the end, and reports ENOSPC instead of its real reason.
    static constexpr std::size_t log_capacity = std::size_t{16} << 20;

    struct release {
        void operator()(Skeleton* skeleton) const { Skeleton::destroy(skeleton); }
    };

    object(Skeleton* skeleton, std::unique_ptr<char[]> log)
        : skeleton_{skeleton}, log_{std::move(log)} {}

    static auto refused(errc code, int cause, std::string what, std::string remedy,
                        std::string log) {
        std::string line{last_meaningful_line(log)};
        return failure(error{code, cause, std::move(what), std::move(remedy)}.with_log(
            std::move(log), std::move(line)));
    }

    std::unique_ptr<Skeleton, release> skeleton_;
    std::unique_ptr<char[]> log_; // libbpf writes into it until load() returns
};

} // namespace oomx::bpf
