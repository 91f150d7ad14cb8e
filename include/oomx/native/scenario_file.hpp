// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

// Not part of oomx.hpp: needs toml++ (Debian: libtomlplusplus-dev).
#include <oomx/native/toml_keys.hpp>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <fcntl.h>

#include <fmt/format.h>

#include <oomx/native/model.hpp>
#include <oomx/native/scenario.hpp>
#include <oomx/native/scenario_text.hpp>
#include <oomx/preference.hpp>
#include <oomx/result.hpp>
#include <oomx/text.hpp>

namespace oomx::native {

namespace detail {

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

/// Any of its keys makes it one.
inline void read_preference(toml_keys& keys, std::optional<preference>& into) {
    preference said;
    keys.read("tier", said.tier, std::uint32_t{OOMX_MAX_TIER});
    keys.read("preference", said.value);
    keys.read("never_kill", said.never_kill);
    if (keys.has("tier") || keys.has("preference") || keys.has("never_kill")) {
        into = said;
    }
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
    read_preference(keys, into.preference);
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

[[nodiscard]] inline result<void> read_step(const toml::table& table, model& known,
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
    if (auto gone = known.advance(pause.time); !gone) {
        keys.keep(std::unexpected{std::move(gone).error().within(line_of(table))});
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

/// Adds all cgroups to a model, numbered as they will be when the scenario is played: tables come
/// in the order of paths, parents before children.
[[nodiscard]] inline result<void> try_out(model& to, std::vector<subtree> cgroups,
                                          const std::vector<const toml::table*>& tables) {
    numbering::give_pids(cgroups);
    for (std::size_t i = 0; i < cgroups.size(); ++i) {
        if (auto added = to.add_cgroup(cgroups[i].name, cgroups[i].options); !added) {
            return std::unexpected{std::move(added).error().within(line_of(*tables[i]))};
        }
    }
    return {};
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
        return within(result<scenario>{pass_on(std::move(trial))},
                      [&] { return line_of(*all.get("machine")); });
    }
    std::vector<subtree> cgroups; // by their paths, nothing below them yet
    std::vector<const toml::table*> tables;
    std::size_t processes = 0;
    keys.for_each_named("cgroup", [&](std::string_view path, const toml::table& table) {
        auto& one = cgroups.emplace_back(std::string{path});
        tables.push_back(&table);
        auto outcome = read_cgroup(table, one.name, one.options);
        processes += one.options.processes.size();
        if (processes > most_tables) {
            keys.refuse_many(table, "process");
        }
        return outcome;
    });
    if (auto added = try_out(*trial, cgroups, tables); !added) {
        keys.keep(std::move(added));
    }
    keys.for_each("step",
                  [&](const toml::table& table) { return read_step(table, *trial, read.steps); });
    if (auto fine = keys.done(); !fine) {
        return pass_on(std::move(fine));
    }
    for (auto& one : cgroups) {
        put(read.tree, one.name, std::move(one.options));
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
/// The keys are the fields of cgroup_options, process_options and machine_options, and of a
/// cgroup's preference `tier`, `preference` (its value) and `never_kill`. `name` is what
/// errors call the text. Errors: malformed, with the line and what to write there; others as
/// model_of().
[[nodiscard]] inline result<scenario> parse_scenario(std::string_view text, std::string_view name) {
    const auto doing = [&] { return fmt::format("read scenario {}", name); };
    if (auto fine = detail::check_text(text); !fine) {
        return within(result<scenario>{pass_on(std::move(fine))}, doing);
    }
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
    auto content = text::read_whole(AT_FDCWD, path, detail::most_text);
    if (!content) {
        return within(result<scenario>{failure(errc::system, content.error().system_error(),
                                               "the file cannot be read",
                                               "look at its path and its permissions")},
                      [&] { return fmt::format("read scenario {}", path); });
    }
    return parse_scenario(*content, path);
}

} // namespace oomx::native
