# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# What must not compile. Each misuse is a line
#
#     #ifdef <what is wrong> // <regular expression of the compiler's message>
#
# in misuse/*.cpp. The file without any of them is the positive control: it compiles with the same
# command, so that no misuse can be refused for a wrong flag or include path.
separate_arguments(flags UNIX_COMMAND "${CMAKE_CXX_FLAGS}")
set(compile ${CMAKE_CXX_COMPILER} -std=c++23 ${flags})
set(include_dirs "$<TARGET_PROPERTY:headers_alone,INCLUDE_DIRECTORIES>")

# What they include is parsed once, not by each of them.
set(precompiled ${CMAKE_CURRENT_BINARY_DIR}/misuse.hpp)
file(CONFIGURE OUTPUT ${precompiled} CONTENT "#include <oomx/oomx.hpp>\n")
add_custom_command(OUTPUT ${precompiled}.gch
  COMMAND ${compile} "-I$<JOIN:${include_dirs},;-I>" -MD -MF ${precompiled}.d -MT ${precompiled}.gch
    -x c++-header ${precompiled} -o ${precompiled}.gch
  DEPENDS ${precompiled}
  DEPFILE ${precompiled}.d
  COMMAND_EXPAND_LISTS VERBATIM)
add_custom_target(misuse_precompiled ALL DEPENDS ${precompiled}.gch)

# The semicolon in the generator expression must not meet a list: hence an argument of its own.
function(add_syntax_test name)
  add_test(NAME ${name} COMMAND ${compile} "-I$<JOIN:${include_dirs},;-I>"
      -fsyntax-only -include ${precompiled} ${ARGN}
    COMMAND_EXPAND_LISTS)
  # In the C locale the quotes in a message are single characters.
  set_tests_properties(${name} PROPERTIES LABELS compile TIMEOUT 120 ENVIRONMENT LC_ALL=C)
endfunction()

function(add_misuse_tests source)
  cmake_path(GET source STEM file)
  add_syntax_test("compile: control ${file}" ${source})
  file(STRINGS ${source} lines REGEX "^#ifdef [a-z_]+ // ")
  foreach(line IN LISTS lines)
    string(REGEX MATCH "^#ifdef ([a-z_]+) // (.*)$" _ "${line}")
    set(name "compile: misuse ${CMAKE_MATCH_1}")
    add_syntax_test(${name} -D${CMAKE_MATCH_1} ${source})
    set_tests_properties(${name} PROPERTIES PASS_REGULAR_EXPRESSION "error: .*(${CMAKE_MATCH_2})")
  endforeach()
  # A misuse that is added must become a test without a reconfigure by hand.
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${source})
endfunction()

file(GLOB misuses CONFIGURE_DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/misuse/*.cpp)
if(NOT TARGET largest_leaf)
  list(FILTER misuses EXCLUDE REGEX "/lifecycle.cpp$")
endif()
foreach(source IN LISTS misuses)
  add_misuse_tests(${source})
endforeach()
