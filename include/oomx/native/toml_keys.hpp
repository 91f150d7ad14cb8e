// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

// Not part of oomx.hpp: needs toml++ (Debian: libtomlplusplus-dev).
#ifndef TOML_EXCEPTIONS
#define TOML_EXCEPTIONS 0
#endif
#include <toml++/toml.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <concepts>
#include <cstddef>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <oomx/bytes.hpp>
#include <oomx/result.hpp>
#include <oomx/text.hpp>

static_assert(TOML_EXCEPTIONS == 0, "include <oomx/native/scenario_file.hpp> before toml++, or "
                                    "define TOML_EXCEPTIONS=0 for both");

/// What stands in a table of a scenario file, and the errors of what stands there wrongly.
namespace oomx::native::detail {

/// A number and its unit, as a factor of the smallest one.
struct toml_unit {
    std::string_view name;
    std::uint64_t factor;
};

inline constexpr std::array size_units{toml_unit{"B", 1}, toml_unit{"KiB", 1ULL << 10},
                                       toml_unit{"MiB", 1ULL << 20}, toml_unit{"GiB", 1ULL << 30},
                                       toml_unit{"TiB", 1ULL << 40}};

inline constexpr std::array time_units{toml_unit{"ns", 1},
                                       toml_unit{"us", 1'000},
                                       toml_unit{"ms", 1'000'000},
                                       toml_unit{"s", 1'000'000'000},
                                       toml_unit{"min", 60'000'000'000},
                                       toml_unit{"h", 3'600'000'000'000}};

/// "300 MiB"; nothing if it is none, or too much.
template <typename Units>
[[nodiscard]] std::optional<std::uint64_t> quantity(std::string_view text, const Units& units) {
    const auto [number, name] = text::split_at(text, ' ');
    std::uint64_t count = 0;
    const auto [end, wrong] = std::from_chars(number.data(), number.data() + number.size(), count);
    if (wrong != std::errc{} || end != number.data() + number.size()) {
        return std::nullopt;
    }
    constexpr auto most = static_cast<std::uint64_t>(std::numeric_limits<std::int64_t>::max());
    for (const auto& unit : units) {
        if (unit.name == name) {
            return count > most / unit.factor ? std::nullopt : std::optional{count * unit.factor};
        }
    }
    return std::nullopt;
}

[[nodiscard]] inline std::string line_of(const toml::node& where) {
    return fmt::format("line {}", where.source().begin.line);
}

/// So many tables a file may have of one kind.
inline constexpr std::size_t most_tables = 10'000;

/// The keys of one table: each is read once, then what is left is unknown. Keeps the first error.
class toml_keys {
public:
    toml_keys(const toml::table& table, std::string what) : table_{table}, what_{std::move(what)} {}

    [[nodiscard]] bool has(std::string_view key) { return find(key) != nullptr; }

    void read(std::string_view key, bytes& into) {
        read_quantity(key, size_units, "a size, such as \"300 MiB\"",
                      [&](std::uint64_t count) { into = bytes{count}; });
    }

    void read(std::string_view key, std::optional<bytes>& into) {
        if (const auto* const node = find(key);
            node != nullptr && node->value<std::string_view>() == "max") {
            into.reset();
            return;
        }
        read_quantity(key, size_units, "a size, such as \"300 MiB\", or \"max\"",
                      [&](std::uint64_t count) { into = bytes{count}; });
    }

    void read(std::string_view key, std::chrono::nanoseconds& into) {
        read_quantity(key, time_units, "a time, such as \"10 ms\"",
                      [&](std::uint64_t count) { into = std::chrono::nanoseconds{count}; });
    }

    void read(std::string_view key, bool& into) { read_as<bool>(key, "true or false", into); }

    void read(std::string_view key, std::string& into) {
        read_as<std::string>(key, "a text in quotes", into);
    }

    template <std::integral Whole>
    void read(std::string_view key, Whole& into, Whole most = std::numeric_limits<Whole>::max()) {
        std::int64_t whole = into;
        read_as<std::int64_t>(key, "a whole number", whole);
        if (!std::in_range<Whole>(whole) || static_cast<Whole>(whole) > most) {
            refuse(*table_.get(key), fmt::format("{} of {} is {}", key, what_, whole),
                   fmt::format("give {} to {}", std::numeric_limits<Whole>::min(), most));
            return;
        }
        into = static_cast<Whole>(whole);
    }

    template <typename T>
    void read(std::string_view key, std::optional<T>& into) {
        if (has(key)) {
            read(key, into.emplace());
        }
    }

    /// Each table of an array of tables.
    template <typename Each>
    void for_each(std::string_view key, Each each) {
        const auto* const node = find(key);
        if (node == nullptr) {
            return;
        }
        const auto* const all = node->as_array();
        if (all == nullptr || !all->is_homogeneous(toml::node_type::table)) {
            refuse(*node, fmt::format("{} of {} is no list of tables", key, what_),
                   fmt::format("write [[{}]] above each", key));
            return;
        }
        if (all->size() > most_tables) {
            refuse_many(*node, key);
            return;
        }
        for (const auto& one : *all) {
            keep(each(*one.as_table()));
        }
    }

    /// Each table of a table, with its key.
    template <typename Each>
    void for_each_named(std::string_view key, Each each) {
        const auto* const node = find(key);
        if (node == nullptr) {
            return;
        }
        if (!node->is_table()) {
            refuse(*node, fmt::format("{} is no table", key),
                   fmt::format("write [{}.<name>] above each", key));
            return;
        }
        if (node->as_table()->size() > most_tables) {
            refuse_many(*node, key);
            return;
        }
        for (const auto& [name, one] : *node->as_table()) {
            if (!one.is_table()) {
                refuse(one, fmt::format("{} '{}' is no table", key, name.str()),
                       fmt::format("write [{}.\"{}\"] above it", key, name.str()));
                return;
            }
            keep(each(name.str(), *one.as_table()));
            if (!outcome_) {
                return;
            }
        }
    }

    void keep(result<void>&& outcome) {
        if (outcome_ && !outcome) {
            outcome_ = std::move(outcome);
        }
    }

    void refuse(const toml::node& where, std::string_view cause, std::string remedy) {
        keep(failure(errc::malformed, fmt::format("{}: {}", line_of(where), cause),
                     std::move(remedy)));
    }

    void refuse_many(const toml::node& where, std::string_view key) {
        refuse(where, fmt::format("{} of {} has more than {} tables", key, what_, most_tables),
               "describe a smaller machine");
    }

    /// The first thing that was wrong, an unknown key among them.
    [[nodiscard]] result<void> done() {
        for (const auto& [key, value] : table_) {
            if (std::ranges::find(known_, key.str()) == known_.end()) {
                refuse(value, fmt::format("{} has no key '{}'", what_, key.str()),
                       fmt::format("its keys are {}", fmt::join(known_, ", ")));
            }
        }
        return std::move(outcome_);
    }

private:
    /// NULL if it is not there.
    [[nodiscard]] const toml::node* find(std::string_view key) {
        if (std::ranges::find(known_, key) == known_.end()) {
            known_.push_back(key);
        }
        return table_.get(key);
    }

    template <typename T, typename Into>
    void read_as(std::string_view key, std::string_view form, Into& into) {
        const auto* const node = find(key);
        if (node == nullptr) {
            return;
        }
        if (const auto value = node->value_exact<T>()) {
            into = *value;
            return;
        }
        refuse(*node, fmt::format("{} of {} is not {}", key, what_, form), "write it so");
    }

    template <typename Units, typename Take>
    void read_quantity(std::string_view key, const Units& units, std::string_view form, Take take) {
        const auto* const node = find(key);
        if (node == nullptr) {
            return;
        }
        if (const auto number = node->value_exact<std::int64_t>(); number && *number < 0) {
            refuse(*node, fmt::format("{} of {} is below zero", key, what_), "give zero or more");
            return;
        }
        const auto value = node->value_exact<std::string_view>();
        const auto count = value ? quantity(*value, units) : std::nullopt;
        if (!count) {
            refuse(*node, fmt::format("{} of {} is not {}", key, what_, form),
                   "write a whole number, a space and a unit, in quotes");
            return;
        }
        take(*count);
    }

    const toml::table& table_;
    std::string what_;
    std::vector<std::string_view> known_;
    result<void> outcome_;
};

} // namespace oomx::native::detail
