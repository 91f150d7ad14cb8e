# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# All that is public compiles without a warning with the newest packaged clang, too. Where there is none
# the test is skipped, and says so.
find_program(OOMX_NEWEST_CLANGXX NAMES clang++-22 clang++-21 clang++-20
  DOC "newest clang, to see that the library compiles with it")
set(name "compile: the newest clang has no warning for the library")
if(OOMX_NEWEST_CLANGXX)
  set(sources laws.cpp)
  if(TARGET largest_leaf)
    list(APPEND sources one_definition_a.cpp policy_laws.cpp)
  endif()
  list(TRANSFORM sources PREPEND ${CMAKE_CURRENT_SOURCE_DIR}/)
  add_test(NAME ${name} COMMAND ${OOMX_NEWEST_CLANGXX} -std=c++23 ${flags}
    "-I$<JOIN:${include_dirs},;-I>" -fsyntax-only ${sources} COMMAND_EXPAND_LISTS)
else()
  add_test(NAME ${name} COMMAND ${CMAKE_COMMAND} -E echo "no clang newer than 19 is installed: skipped")
  set_tests_properties(${name} PROPERTIES SKIP_REGULAR_EXPRESSION "is installed: skipped")
endif()
set_tests_properties(${name} PROPERTIES LABELS compile TIMEOUT 300)
