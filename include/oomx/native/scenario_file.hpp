// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

// Not part of oomx.hpp: needs toml++ (Debian: libtomlplusplus-dev).
#ifndef TOML_EXCEPTIONS
#define TOML_EXCEPTIONS 0
#endif
#include <toml++/toml.h>

#include <array>
#include <charconv>
#include <chrono>
#include <cstdint>
#include <limits>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <fcntl.h>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include <oomx/bytes.hpp>
#include <oomx/native/model.hpp>
#include <oomx/native/scenario.hpp>
#include <oomx/result.hpp>
#include <oomx/text.hpp>

static_assert(TOML_EXCEPTIONS == 0, "include <oomx/native/scenario_file.hpp> before toml++, or "
                                    "define TOML_EXCEPTIONS=0 for both");

namespace oomx::native {

namespace detail {

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

/// The keys of one table: each is read once, then what is left is unknown. Keeps the first error.
class toml_keys {
public:
    toml_keys(const toml::table& table, std::string what) : table_{table}, what_{std::move(what)} {}

    [[nodiscard]] bool has(std::string_view key) {
        known_.push_back(key);
        return table_.contains(key);
    }

    void read(std::string_view key, bytes& into) {
        read_quantity(key, size_units, "a size, such as \"300 MiB\"",
                      [&](std::uint64_t count) { into = bytes{count}; });
    }

    void read(std::string_view key, std::optional<bytes>& into) {
        if (const auto* const node = table_.get(key);
            node != nullptr && node->value<std::string_view>() == "max") {
            known_.push_back(key);
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

    void read(std::string_view key, std::optional<std::chrono::nanoseconds>& into) {
        if (has(key)) {
            read(key, into.emplace());
        }
    }

    void read(std::string_view key, bool& into) { read_as<bool>(key, "true or false", into); }

    void read(std::string_view key, std::string& into) {
        read_as<std::string>(key, "a text in quotes", into);
    }

    void read(std::string_view key, int& into) {
        std::int64_t whole = into;
        read_as<std::int64_t>(key, "a whole number", whole);
        if (whole < std::numeric_limits<int>::min() || whole > std::numeric_limits<int>::max()) {
            refuse(*table_.get(key), fmt::format("{} of {} is too large a number", key, what_),
                   "write a smaller one");
            return;
        }
        into = static_cast<int>(whole);
    }

    void read(std::string_view key, std::optional<pid_t>& into) {
        if (has(key)) {
            read(key, into.emplace());
        }
    }

    /// Each table of an array of tables.
    template <typename Each>
    void for_each(std::string_view key, Each each) {
        known_.push_back(key);
        const auto* const node = table_.get(key);
        if (node == nullptr) {
            return;
        }
        const auto* const all = node->as_array();
        if (all == nullptr || !all->is_homogeneous(toml::node_type::table)) {
            refuse(*node, fmt::format("{} of {} is no list of tables", key, what_),
                   fmt::format("write [[{}]] above each", key));
            return;
        }
        for (const auto& one : *all) {
            keep(each(*one.as_table()));
        }
    }

    /// Each table of a table, with its key.
    template <typename Each>
    void for_each_named(std::string_view key, Each each) {
        known_.push_back(key);
        const auto* const node = table_.get(key);
        if (node == nullptr) {
            return;
        }
        if (!node->is_table()) {
            refuse(*node, fmt::format("{} is no table", key),
                   fmt::format("write [{}.<name>] above each", key));
            return;
        }
        for (const auto& [name, one] : *node->as_table()) {
            if (!one.is_table()) {
                refuse(one, fmt::format("{} '{}' is no table", key, name.str()),
                       fmt::format("write [{}.\"{}\"] above it", key, name.str()));
                continue;
            }
            keep(each(name.str(), *one.as_table()));
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
    template <typename T, typename Into>
    void read_as(std::string_view key, std::string_view form, Into& into) {
        known_.push_back(key);
        const auto* const node = table_.get(key);
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
        known_.push_back(key);
        const auto* const node = table_.get(key);
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

[[nodiscard]] inline result<void> read_machine(const toml::table& table, machine_options& into) {
    toml_keys keys{table, "the machine"};
    keys.read("ram", into.ram);
    keys.read("swap", into.swap);
    keys.read("uptime", into.uptime);
    keys.read("dies_after", into.dies_after);
    keys.read("teardown", into.teardown);
    keys.read("reaped_after", into.reaped_after);
    return keys.done();
}

[[nodiscard]] inline result<void> read_process(const toml::table& table, const std::string& home,
                                               process_options& into) {
    toml_keys keys{table, fmt::format("a process of cgroup '{}'", home)};
    keys.read("name", into.name);
    keys.read("anon", into.anon);
    keys.read("shmem", into.shmem);
    keys.read("file", into.file);
    keys.read("swap", into.swap);
    keys.read("page_tables", into.page_tables);
    keys.read("oom_score_adj", into.oom_score_adj);
    keys.read("pid", into.pid);
    keys.read("started", into.started);
    keys.read("kernel_thread", into.kernel_thread);
    keys.read("dies_after", into.dies_after);
    return keys.done();
}

[[nodiscard]] inline result<void> read_cgroup(const toml::table& table, const std::string& path,
                                              cgroup_options& into) {
    toml_keys keys{table, fmt::format("cgroup '{}'", path)};
    keys.read("max", into.max);
    keys.read("high", into.high);
    keys.read("min", into.min);
    keys.read("low", into.low);
    keys.read("swap_max", into.swap_max);
    keys.read("oom_group", into.oom_group);
    keys.read("file", into.file);
    keys.read("shmem", into.shmem);
    keys.read("kernel", into.kernel);
    keys.read("anon", into.anon);
    keys.read("swap", into.swap);
    keys.for_each("process", [&](const toml::table& process) {
        return read_process(process, path, into.processes.emplace_back());
    });
    return keys.done();
}

[[nodiscard]] inline result<void> read_step(const toml::table& table, const model& known,
                                            std::vector<step>& into) {
    toml_keys keys{table, "a step"};
    allocate more{};
    run_out out{};
    elapse pause{};
    const bool allocates = keys.has("allocate");
    const bool runs_out = keys.has("run_out");
    const bool waits = keys.has("wait");
    keys.read("allocate", more.amount);
    keys.read("cgroup", more.cgroup);
    keys.read("run_out", out.cgroup);
    keys.read("wait", pause.time);
    if (int{allocates} + int{runs_out} + int{waits} != 1 || allocates == more.cgroup.empty()) {
        keys.refuse(table, "a step does not say what happens",
                    "write allocate and cgroup, or run_out, or wait");
    }
    const auto& where = allocates ? more.cgroup : out.cgroup;
    if (!waits && !where.empty() && known.find(where) == nullptr) {
        keys.refuse(table, fmt::format("there is no cgroup '{}'", where),
                    "name one that the file has");
    }
    into.push_back(allocates ? step{more} : runs_out ? step{out} : step{pause});
    return keys.done();
}

/// Puts a cgroup where its path says; what is above it is there.
inline void put(std::vector<subtree>& tree, std::string_view path, cgroup_options&& options) {
    auto* level = &tree;
    auto [name, rest] = text::split_at(path, '/');
    while (!rest.empty()) {
        level = &std::ranges::find(*level, name, &subtree::name)->below;
        const auto [next, left] = text::split_at(rest, '/');
        name = next;
        rest = left;
    }
    level->push_back({std::string{name}, std::move(options), {}});
}

[[nodiscard]] inline result<scenario> read_tables(const toml::table& all) {
    scenario read;
    toml_keys keys{all, "the file"};
    if (keys.has("machine")) {
        const auto* const machine = all.get("machine");
        if (machine->is_table()) {
            keys.keep(read_machine(*machine->as_table(), read.machine));
        } else {
            keys.refuse(*machine, "machine is no table", "write [machine] above its keys");
        }
    }
    // Made once already, so that what cannot be is told with its line.
    auto trial = model::make(read.machine);
    if (!trial) {
        return pass_on(std::move(trial));
    }
    keys.for_each_named("cgroup", [&](std::string_view name, const toml::table& table) {
        const std::string path{name};
        cgroup_options options;
        if (auto one = read_cgroup(table, path, options); !one) {
            return one;
        }
        if (auto added = trial->add_cgroup(path, options); !added) {
            return result<void>{std::unexpected{std::move(added).error().within(line_of(table))}};
        }
        put(read.tree, path, std::move(options));
        return result<void>{};
    });
    keys.for_each("step",
                  [&](const toml::table& table) { return read_step(table, *trial, read.steps); });
    if (auto fine = keys.done(); !fine) {
        return pass_on(std::move(fine));
    }
    return read;
}

} // namespace detail

/// A scenario in TOML:
///
///     [cgroup.batch]
///     max = "1 GiB"
///
///     [cgroup."batch/a"]
///     anon = "300 MiB"
///
///     [[cgroup."batch/b".process]]
///     name = "worker"
///     anon = "600 MiB"
///
///     [[step]]
///     allocate = "400 MiB"
///     cgroup = "batch/a"
///
/// The keys are the fields of cgroup_options, process_options and machine_options. `name` is what
/// errors call the text. Errors: malformed, with the line and what to write there; others as
/// model_of().
[[nodiscard]] inline result<scenario> parse_scenario(std::string_view text, std::string_view name) {
    const auto doing = [&] { return fmt::format("read scenario {}", name); };
    const auto parsed = toml::parse(text, name);
    if (!parsed) {
        const auto& wrong = parsed.error();
        return within(
            result<scenario>{failure(errc::malformed,
                                     fmt::format("line {}: it is no TOML: {}",
                                                 wrong.source().begin.line, wrong.description()),
                                     "https://toml.io says how it is written")},
            doing);
    }
    return within(detail::read_tables(parsed.table()), doing);
}

/// The scenario of a file. Errors: as above, and system (it cannot be read).
[[nodiscard]] inline result<scenario> read_scenario(const std::string& path) {
    auto content = text::read_whole(AT_FDCWD, path);
    if (!content) {
        return within(result<scenario>{failure(errc::system, content.error().system_error(),
                                               "the file cannot be read",
                                               "look at its path and its permissions")},
                      [&] { return fmt::format("read scenario {}", path); });
    }
    return parse_scenario(*content, path);
}

} // namespace oomx::native
