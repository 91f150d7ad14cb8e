# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Run with cmake -P: configures oomx as on a machine without clang.
execute_process(
  COMMAND ${CMAKE_COMMAND} -S ${SOURCE} -B ${BUILD} -G Ninja -DOOMX_CLANG=OFF
    -DCMAKE_CXX_COMPILER=${CXX}
  OUTPUT_VARIABLE said ERROR_VARIABLE said RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "configure without clang: it fails:\n${said}")
endif()
# Folded by CMake where it pleases.
string(REGEX REPLACE "[ \n]+" " " said "${said}")
string(REGEX MATCHALL "policies are not built for BPF: clang 16 or newer \\(Debian: clang-19\\) not found"
  warnings "${said}")
list(LENGTH warnings count)
if(NOT count EQUAL 1)
  message(FATAL_ERROR "configure without clang: it is said ${count} times, once was expected:\n${said}")
endif()

execute_process(
  COMMAND ${CMAKE_COMMAND} --build ${BUILD} --target largest_leaf_native
  OUTPUT_VARIABLE said ERROR_VARIABLE said RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "build a policy natively without clang: it fails:\n${said}")
endif()
