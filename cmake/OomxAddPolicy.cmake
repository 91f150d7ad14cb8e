# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
include_guard(GLOBAL)
include(${CMAKE_CURRENT_LIST_DIR}/OomxTools.cmake)

# oomx_add_policy(<name> SOURCE <name>.bpf.c [SHARED <name>.h])
#
# Compiles a policy for BPF and makes the INTERFACE target <name>, which gives C++ the header
# <name>.skel.hpp: the class <name>_bpf with the compiled policy inside, and the types of SHARED,
# the header that both sides include. Link <name> to whatever includes it.
#
# Where clang or bpftool is missing no target is made (and OOMX_CAN_BUILD_POLICIES is false).
function(oomx_add_policy name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "SOURCE;SHARED" "")
  if(NOT arg_SOURCE OR arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "oomx_add_policy(${name}): usage: "
                        "oomx_add_policy(<name> SOURCE <file.bpf.c> [SHARED <file.h>])")
  endif()
  if(NOT OOMX_CAN_BUILD_POLICIES)
    return()
  endif()

  cmake_path(ABSOLUTE_PATH arg_SOURCE OUTPUT_VARIABLE source)
  set(dir ${CMAKE_CURRENT_BINARY_DIR}/${name}.policy)
  set(object ${dir}/${name}.bpf.o)
  set(skeleton ${dir}/${name}.skel.h)
  set(wrapper ${dir}/${name}.skel.hpp)
  file(MAKE_DIRECTORY ${dir})

  set(includes "$<TARGET_PROPERTY:oomx::oomx,INTERFACE_INCLUDE_DIRECTORIES>")
  add_custom_command(
    OUTPUT ${object}
    COMMAND ${OOMX_CLANG} ${OOMX_BPF_FLAGS} "-I$<JOIN:${includes},;-I>"
      -MD -MF ${object}.d -MT ${object} -c ${source} -o ${object}
    DEPENDS ${source}
    DEPFILE ${object}.d
    COMMENT "Compiling policy ${name} for BPF"
    COMMAND_EXPAND_LISTS VERBATIM)
  add_custom_command(
    OUTPUT ${skeleton}
    COMMAND ${CMAKE_COMMAND} -DBPFTOOL=${OOMX_BPFTOOL} -DOBJECT=${object} -DNAME=${name}_bpf
      -DKEEP_MAP_LINK=${OOMX_LIBBPF_HAS_MAP_LINK} -DOUTPUT=${skeleton}
      -P ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/OomxSkeleton.cmake
    DEPENDS ${object} ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/OomxSkeleton.cmake
    COMMENT "Generating the skeleton of policy ${name}"
    VERBATIM)

  # The types of a policy's globals must be declared before its skeleton, and the skeleton's static
  # functions are not the user's to warn about.
  set(shared "")
  if(arg_SHARED)
    cmake_path(ABSOLUTE_PATH arg_SHARED OUTPUT_VARIABLE shared_path)
    set(shared "#include \"${shared_path}\"\n")
  endif()
  file(CONFIGURE OUTPUT ${wrapper} @ONLY CONTENT
"// Made by oomx_add_policy(@name@).
#pragma once
#pragma GCC system_header

#include <oomx/config.h>
#include <oomx/decision.h>
@shared@
#include \"@name@.skel.h\"
")

  add_custom_target(${name}_skeleton DEPENDS ${skeleton})
  add_library(${name} INTERFACE)
  add_dependencies(${name} ${name}_skeleton)
  target_include_directories(${name} INTERFACE ${dir})
  target_link_libraries(${name} INTERFACE oomx::oomx)
endfunction()
