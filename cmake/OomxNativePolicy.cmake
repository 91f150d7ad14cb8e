# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# The second half of oomx_add_policy(): the same source, compiled for this machine.
include_guard(GLOBAL)

# Makes <name>_native of the policy's source, if this directory can compile C; <dir> has <name>.skel.hpp.
function(_oomx_add_native_policy name source dir)
  # Directory by directory: add_subdirectory(oomx) enables C for itself, not for its parent.
  if(NOT DEFINED CMAKE_C_COMPILE_OBJECT OR NOT CMAKE_OBJCOPY)
    message(WARNING "oomx: policy ${name} is not built natively: it is C, which is not enabled here, or objcopy is "
                    "missing. Say project(<name> LANGUAGES C CXX), and install binutils.")
    return()
  endif()

  # Its headers are ours to warn about, and nobody else's.
  set(system SYSTEM)
  if(oomx_IS_TOP_LEVEL)
    set(system "")
  endif()
  add_library(${name}_native_code OBJECT EXCLUDE_FROM_ALL ${source})
  set_target_properties(${name}_native_code PROPERTIES
    C_STANDARD 11 C_EXTENSIONS ON POSITION_INDEPENDENT_CODE ON INTERPROCEDURAL_OPTIMIZATION OFF)
  target_include_directories(${name}_native_code ${system} PRIVATE
    $<TARGET_PROPERTY:oomx::oomx,INTERFACE_INCLUDE_DIRECTORIES>)
  target_compile_definitions(${name}_native_code PRIVATE OOMX_NATIVE_SYMBOL=oomx_native_${name})
  # A policy has blocks that it does not use. Link-time optimisation would undo what follows. In C++ the
  # kernel's types are in a namespace, so that to UBSan a function has another type there.
  target_compile_options(${name}_native_code PRIVATE
    -Wno-unused-parameter -Wno-unused-function -Wno-unused-variable -fno-lto
    $<$<C_COMPILER_ID:Clang>:-fno-sanitize=function>)

  # One object with all it writes in one piece and all its names but one hidden: many fit into a program.
  # By the other name AddressSanitizer knows that it has seen the variables of the program.
  set(merged ${dir}/${name}.merged.o)
  set(object ${dir}/${name}.native.o)
  set(script ${CMAKE_CURRENT_FUNCTION_LIST_DIR}/oomx_state.ld)
  add_custom_command(
    OUTPUT ${object}
    COMMAND ${CMAKE_C_COMPILER} -r -nostdlib -Wl,-T,${script} -Wl,--force-group-allocation
      $<TARGET_OBJECTS:${name}_native_code> -o ${merged}
    COMMAND ${CMAKE_OBJCOPY} --keep-global-symbol=oomx_native_${name}
      --keep-global-symbol=___asan_globals_registered ${merged} ${object}
    DEPENDS $<TARGET_OBJECTS:${name}_native_code> ${script}
    COMMENT "Localizing the names of native policy ${name}"
    COMMAND_EXPAND_LISTS VERBATIM)

  add_library(${name}_native STATIC EXCLUDE_FROM_ALL ${object})
  set_target_properties(${name}_native PROPERTIES LINKER_LANGUAGE C)
  set_source_files_properties(${object} PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)
  target_include_directories(${name}_native INTERFACE ${dir})
  target_link_libraries(${name}_native INTERFACE oomx::oomx)
endfunction()
