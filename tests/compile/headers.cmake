# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Every public header compiles alone, without exceptions and run-time type information; all other
# tests have both.
set(include_dirs ${PROJECT_SOURCE_DIR}/include ${PROJECT_SOURCE_DIR}/bpf_templates/include)
set(cxx_headers)
set(c_headers)
foreach(dir IN LISTS include_dirs)
  file(GLOB_RECURSE found CONFIGURE_DEPENDS RELATIVE ${dir} ${dir}/*.hpp ${dir}/*.h)
  list(FILTER found EXCLUDE REGEX "\\.bpf\\.h$")
  list(APPEND cxx_headers ${found})
  list(FILTER found INCLUDE REGEX "\\.h$")
  list(APPEND c_headers ${found})
endforeach()
if(NOT TARGET largest_leaf)
  list(FILTER cxx_headers EXCLUDE REGEX "/policies/")
endif()
if(NOT OOMX_TOMLPLUSPLUS)
  list(FILTER cxx_headers EXCLUDE REGEX "/(scenario_file|toml_keys)\\.hpp$")
endif()

if(NOT nlohmann_json_FOUND)
  list(FILTER cxx_headers EXCLUDE REGEX "_json\\.hpp$")
endif()

# One source a header; the second include shows that its guard works.
function(make_sources result extension)
  set(sources)
  foreach(header IN LISTS ARGN)
    set(source ${CMAKE_CURRENT_BINARY_DIR}/alone/${header}.${extension})
    file(CONFIGURE OUTPUT ${source} @ONLY
      CONTENT "#include <@header@>\n#include <@header@>\n")
    list(APPEND sources ${source})
  endforeach()
  set(${result} ${sources} PARENT_SCOPE)
endfunction()

make_sources(cxx_sources cpp ${cxx_headers})
make_sources(c_sources c ${c_headers})

add_library(headers_alone OBJECT ${cxx_sources} ${c_sources})
# Nobody runs them: no time for an optimiser.
target_compile_options(headers_alone PRIVATE
  -O0 -g0 $<$<COMPILE_LANGUAGE:CXX>:-fno-exceptions -fno-rtti>)
target_link_libraries(headers_alone PRIVATE oomx::oomx $<TARGET_NAME_IF_EXISTS:nlohmann_json::nlohmann_json>)
if(TARGET largest_leaf)
  target_link_libraries(headers_alone PRIVATE badness largest_leaf pressure_kill tiers)
endif()
