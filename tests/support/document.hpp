// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <cstddef>
#include <fstream>
#include <iterator>
#include <set>
#include <sstream>
#include <stdexcept>
#include <string>
#include <string_view>
#include <vector>

#include <fmt/format.h>

namespace oomx::test {

/// A page of docs/: what it says is compared with what the library does.
class document {
public:
    explicit document(std::string_view name) {
        std::ifstream file{fmt::format(OOMX_TEST_DOCS "/{}", name)};
        text_.assign(std::istreambuf_iterator{file}, {});
        if (text_.empty()) {
            throw std::runtime_error{fmt::format("read docs/{}: it is empty or missing", name)};
        }
    }

    [[nodiscard]] bool says(std::string_view what) const { return text_.contains(what); }

    /// The first column of the table in the section with this heading, `### ` before it.
    [[nodiscard]] std::set<std::string> rows_of(std::string_view heading) const {
        const auto section = section_of("### ", heading);
        std::set<std::string> rows;
        constexpr std::string_view row = "\n| `";
        for (auto at = section.find(row); at != std::string::npos; at = section.find(row, at)) {
            at += row.size();
            rows.insert(section.substr(at, section.find('`', at) - at));
        }
        return rows;
    }

    /// The cells of the table in the section with this heading, `## ` before it, line by line.
    [[nodiscard]] std::vector<std::vector<std::string>> table_of(std::string_view heading) const {
        std::vector<std::vector<std::string>> table;
        std::istringstream section{section_of("## ", heading)};
        for (std::string line; std::getline(section, line);) {
            if (!line.starts_with("| ") || line.starts_with("| ---")) {
                continue;
            }
            auto& cells = table.emplace_back();
            for (std::size_t at = 1; at < line.size(); at = line.find('|', at) + 1) {
                const auto cell = line.substr(at, line.find('|', at) - at);
                const auto begin = cell.find_first_not_of(' ');
                cells.push_back(begin == std::string::npos
                                    ? ""
                                    : cell.substr(begin, cell.find_last_not_of(' ') + 1 - begin));
            }
        }
        return table;
    }

    /// What is in its fences of this language, in their order.
    [[nodiscard]] std::vector<std::string> examples(std::string_view language) const {
        const auto fence = fmt::format("\n```{}\n", language);
        std::vector<std::string> all;
        for (auto at = text_.find(fence); at != std::string::npos; at = text_.find(fence, at)) {
            at += fence.size();
            all.push_back(text_.substr(at, text_.find("\n```", at) - at));
        }
        return all;
    }

private:
    [[nodiscard]] std::string section_of(std::string_view marks, std::string_view heading) const {
        const auto begin = text_.find(fmt::format("\n{}{}\n", marks, heading));
        if (begin == std::string::npos) {
            throw std::runtime_error{fmt::format("there is no section '{}'", heading)};
        }
        return text_.substr(begin + 1, text_.find(fmt::format("\n{}", marks), begin + 1) - begin);
    }

    std::string text_;
};

} // namespace oomx::test
