# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
include_guard(GLOBAL)
include(${CMAKE_CURRENT_LIST_DIR}/OomxNativePolicy.cmake)
include(${CMAKE_CURRENT_LIST_DIR}/OomxTools.cmake)

# oomx_add_policy(<name> SOURCE <name>.bpf.c [SHARED <name>.h])
#
# Compiles a policy for BPF and makes the INTERFACE target <name>, which gives C++ the header
# <name>.skel.hpp: the class <name>_bpf with the compiled policy inside, and the types of SHARED,
# the header that both sides include. Link <name> to whatever includes it.
#
# Where clang or bpftool is missing that target is not made (and OOMX_CAN_BUILD_POLICIES is false).
#
# Compiles the same source for this machine as well, with the C compiler and flags of the project, and
# makes <name>_native: link that to run the policy without a kernel, as <oomx/native/policy.hpp> does.
# It has <name>.skel.hpp, too; where <name> is not made the class in there is only declared, and the
# policy runs natively, but cannot be loaded. Needs C among the project's languages and GNU binutils.
# Neither library is built unless something links it.
function(oomx_add_policy name)
  cmake_parse_arguments(PARSE_ARGV 1 arg "" "SOURCE;SHARED" "")
  if(NOT arg_SOURCE OR arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "oomx_add_policy(${name}): usage: "
                        "oomx_add_policy(<name> SOURCE <file.bpf.c> [SHARED <file.h>])")
  endif()

  cmake_path(ABSOLUTE_PATH arg_SOURCE OUTPUT_VARIABLE source)
  set(dir ${CMAKE_CURRENT_BINARY_DIR}/${name}.policy)
  file(MAKE_DIRECTORY ${dir})
  _oomx_write_wrapper(${name} "${arg_SHARED}" ${dir})
  _oomx_add_native_policy(${name} ${source} ${dir})
  if(NOT OOMX_CAN_BUILD_POLICIES)
    return()
  endif()

  set(object ${dir}/${name}.bpf.o)
  set(skeleton ${dir}/${name}.skel.h)
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

  add_custom_target(${name}_skeleton DEPENDS ${skeleton})
  add_library(${name} INTERFACE)
  add_dependencies(${name} ${name}_skeleton)
  if(TARGET ${name}_native)
    add_dependencies(${name}_native ${name}_skeleton)
  endif()
  target_include_directories(${name} INTERFACE ${dir})
  target_link_libraries(${name} INTERFACE oomx::oomx)
endfunction()

# Writes <name>.skel.hpp, which has the skeleton if there is one.
function(_oomx_write_wrapper name shared dir)
  # The types of a policy's globals must be declared before its skeleton, and the skeleton's static
  # functions are not the user's to warn about.
  set(shared_include "")
  if(shared)
    cmake_path(ABSOLUTE_PATH shared)
    set(shared_include "#include \"${shared}\"\n")
  endif()
  set(skeleton "struct ${name}_bpf;")
  if(OOMX_CAN_BUILD_POLICIES)
    set(skeleton "#include \"${name}.skel.h\"")
  endif()
  file(CONFIGURE OUTPUT ${dir}/${name}.skel.hpp @ONLY CONTENT
"// Made by oomx_add_policy(@name@).
#pragma once
#pragma GCC system_header

#include <oomx/config.h>
#include <oomx/decision.h>
#include <oomx/native/object.hpp>
@shared_include@
@skeleton@

// In the library @name@_native.
extern \"C\" const oomx::native::kernel::oomx_native_policy oomx_native_@name@;

template <>
struct oomx::native::object<::@name@_bpf> {
    static const kernel::oomx_native_policy& get() { return oomx_native_@name@; }
};
")
endfunction()
