# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Run with cmake -P: configures a project of C++ only that adds a policy.
file(WRITE ${BUILD}/project/CMakeLists.txt "
cmake_minimum_required(VERSION 3.25)
project(only_cxx LANGUAGES CXX)
add_subdirectory(${SOURCE} oomx)
oomx_add_policy(tenant SOURCE ${SOURCE}/tests/package/consumer/bpf/tenant.bpf.c)
")
execute_process(
  COMMAND ${CMAKE_COMMAND} -S ${BUILD}/project -B ${BUILD}/build -G Ninja -DCMAKE_CXX_COMPILER=${CXX}
  OUTPUT_VARIABLE said ERROR_VARIABLE said RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "configure without C: it fails:\n${said}")
endif()
# Folded by CMake where it pleases.
string(REGEX REPLACE "[ \n]+" " " said "${said}")
if(NOT said MATCHES "policy tenant is not built natively: .* Say project\\(<name> LANGUAGES C CXX\\)")
  message(FATAL_ERROR "configure without C: it does not say that tenant is not built natively:\n${said}")
endif()
