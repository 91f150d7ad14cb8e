# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The tools that turn a policy into a skeleton. Sets OOMX_CAN_BUILD_POLICIES; where it is false, the
# reason has been said, once. What is set is in the cache, because oomx_add_policy() is also called
# from directories above the one that included this.
include_guard(GLOBAL)
include(CheckCXXSourceCompiles)

# find_program() takes the first candidate new enough: Debian's plain "clang" may be 14.
function(_oomx_clang_is_new_enough result candidate)
  execute_process(COMMAND ${candidate} --version OUTPUT_VARIABLE text ERROR_QUIET)
  if(NOT text MATCHES "version ([0-9]+)\\." OR CMAKE_MATCH_1 LESS 16)
    set(${result} FALSE PARENT_SCOPE)
  endif()
endfunction()

function(_oomx_bpftool_is_new_enough result candidate)
  execute_process(COMMAND ${candidate} version OUTPUT_VARIABLE text ERROR_QUIET)
  if(NOT text MATCHES "v([0-9]+\\.[0-9]+)" OR CMAKE_MATCH_1 VERSION_LESS 7.5)
    set(${result} FALSE PARENT_SCOPE)
  endif()
endfunction()

find_program(OOMX_CLANG NAMES clang-19 clang-22 clang-21 clang-20 clang-18 clang-17 clang-16 clang
  VALIDATOR _oomx_clang_is_new_enough DOC "clang 16 or newer, to compile policies for BPF")
find_program(OOMX_BPFTOOL NAMES bpftool PATHS /usr/sbin
  VALIDATOR _oomx_bpftool_is_new_enough DOC "bpftool 7.5 or newer, to generate skeletons")

set(OOMX_CAN_BUILD_POLICIES TRUE CACHE INTERNAL "")
if(NOT OOMX_CLANG)
  list(APPEND _oomx_missing "clang 16 or newer (Debian: clang-19)")
endif()
if(NOT OOMX_BPFTOOL)
  list(APPEND _oomx_missing "bpftool 7.5 or newer (Debian 12: bpftool/bookworm-backports)")
endif()
if(_oomx_missing)
  set(OOMX_CAN_BUILD_POLICIES FALSE CACHE INTERNAL "")
  list(JOIN _oomx_missing " and " _oomx_missing)
  message(WARNING "oomx: policies are not built for BPF: ${_oomx_missing} not found. "
                  "Install it, or name it with -DOOMX_CLANG=… or -DOOMX_BPFTOOL=….")
  return()
endif()

# bpftool 7.5 writes a member that the headers of libbpf before 1.5 lack.
set(CMAKE_REQUIRED_LIBRARIES PkgConfig::libbpf)
check_cxx_source_compiles("
  #include <bpf/libbpf.h>
  int main() { bpf_map_skeleton map{}; return map.link != nullptr; }"
  OOMX_LIBBPF_HAS_MAP_LINK)
unset(CMAKE_REQUIRED_LIBRARIES)

# Where the C headers of the host's architecture are: linux/types.h wants asm/types.h.
if(CMAKE_LIBRARY_ARCHITECTURE)
  set(system_includes -idirafter /usr/include/${CMAKE_LIBRARY_ARCHITECTURE})
endif()

# bpf_tracing.h reads arguments by the registers of this architecture.
if(CMAKE_SYSTEM_PROCESSOR MATCHES "^(x86_64|AMD64)$")
  set(arch x86)
elseif(CMAKE_SYSTEM_PROCESSOR MATCHES "^(aarch64|arm64)$")
  set(arch arm64)
else()
  set(arch ${CMAKE_SYSTEM_PROCESSOR})
endif()

# How a policy is compiled, but for its includes.
set(OOMX_BPF_FLAGS -target bpf -O2 -g -mcpu=v3 -std=gnu11 -Wall -Wextra -Wno-unused-parameter
  -Werror -D__TARGET_ARCH_${arch} ${system_includes} CACHE INTERNAL "")
