// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#pragma once

#include <fstream>
#include <iterator>
#include <set>
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
        const auto begin = text_.find(fmt::format("\n### {}\n", heading));
        if (begin == std::string::npos) {
            throw std::runtime_error{fmt::format("there is no section '{}'", heading)};
        }
        const auto section = text_.substr(begin + 1, text_.find("\n### ", begin + 1) - begin);
        std::set<std::string> rows;
        constexpr std::string_view row = "\n| `";
        for (auto at = section.find(row); at != std::string::npos; at = section.find(row, at)) {
            at += row.size();
            rows.insert(section.substr(at, section.find('`', at) - at));
        }
        return rows;
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
    std::string text_;
};

} // namespace oomx::test
