// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#include <oomx/text.hpp>

#include <cerrno>
#include <cstdint>
#include <fstream>
#include <string>
#include <string_view>
#include <vector>

#include <catch2/catch_test_macros.hpp>
#include <fcntl.h>

#include "support/temporary_directory.hpp"

using oomx::errc;
using oomx::test::temporary_directory;
namespace text = oomx::text;

namespace {

/// Line by line, without the ends.
std::vector<std::string> lines_of(std::string_view content) {
    std::vector<std::string> lines;
    CHECK(text::for_each_line(content, [&](std::string_view line) -> oomx::result<void> {
        lines.emplace_back(line);
        return {};
    }));
    return lines;
}

} // namespace

TEST_CASE("A file larger than one read is read whole") {
    const temporary_directory directory;
    const auto path = directory.path() / "large";
    const std::string content(10'000, 'x');
    std::ofstream{path} << content;
    CHECK(text::read_whole(AT_FDCWD, path) == content);
}

TEST_CASE("A file that is empty is read as such") {
    const temporary_directory directory;
    const auto path = directory.path() / "empty";
    std::ofstream{path};
    CHECK(text::read_whole(AT_FDCWD, path) == "");
}

TEST_CASE("A file that is not there keeps its errno") {
    const auto content = text::read_whole(AT_FDCWD, "/nowhere/file");
    REQUIRE(!content);
    CHECK(content.error().system_error() == ENOENT);
}

TEST_CASE("A directory cannot be read as a file") {
    const auto content = text::read_whole(AT_FDCWD, "/");
    REQUIRE(!content);
    CHECK(content.error().system_error() == EISDIR);
}

TEST_CASE("Content is quoted escaped") { CHECK(text::quoted("a\n\xff\"") == R"("a\n\xff\"")"); }

TEST_CASE("Long content is quoted with its beginning") {
    CHECK(text::quoted(std::string(41, 'x')) == '"' + std::string(40, 'x') + "\"...");
    CHECK(text::quoted(std::string(40, 'x')) == '"' + std::string(40, 'x') + '"');
}

TEST_CASE("A number is digits only and fits") {
    CHECK(text::number("0") == 0);
    CHECK(text::number("18446744073709551615") == UINT64_MAX);
    CHECK(!text::number("18446744073709551616"));
    for (const auto* word : {"", "-1", "+1", " 1", "1 ", "1x", "x", "0x1", "1.0"}) {
        CAPTURE(word);
        CHECK(!text::number(word));
        CHECK(!text::number<int>(word));
    }
}

TEST_CASE("Lines are told apart, empty ones too") {
    CHECK(lines_of("a\n\nb c\n") == std::vector<std::string>{"a", "", "b c"});
    CHECK(lines_of("").empty());
}

TEST_CASE("A last line without an end is malformed, and no line is handed over") {
    int lines = 0;
    const auto read = text::for_each_line("a 1\nb 12", [&](std::string_view) -> oomx::result<void> {
        ++lines;
        return {};
    });
    REQUIRE(!read);
    CHECK(read.error().code() == errc::malformed);
    CHECK(read.error().message() == "its last line has no end: \"b 12\"");
    CHECK(lines == 0);
}

TEST_CASE("Words are told apart by any number of spaces") {
    std::vector<std::string> words;
    text::for_each_word("  a b   c ", [&](std::string_view word) { words.emplace_back(word); });
    CHECK(words == std::vector<std::string>{"a", "b", "c"});
}

TEST_CASE("A line that is no counter is malformed and shown") {
    for (const auto* content : {"anon\n", "anon \n", "anon x\n", " 1\n", "\n", "anon 1 2\n"}) {
        CAPTURE(content);
        const auto read = text::for_each_counter(content, [](std::string_view, std::uint64_t) {});
        REQUIRE(!read);
        CHECK(read.error().code() == errc::malformed);
    }
    CHECK(text::for_each_counter("anon x\n", [](std::string_view, std::uint64_t) {})
              .error()
              .message() == "a line of it is \"anon x\", not a name and a number");
}

TEST_CASE("A counter is found by its whole name") {
    constexpr std::string_view content = "file_dirty 1\nfile 2\n";
    CHECK(text::find_counter(content, "file") == 2);
    CHECK(text::find_counter(content, "file_dirty") == 1);
    CHECK(!text::find_counter(content, "dirty"));
    CHECK(!text::find_counter(content, ""));
}
