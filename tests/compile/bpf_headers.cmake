# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Every header of the BPF side compiles alone, and every bundled policy, with the clang that builds
# the policies and with the newest packaged one.
if(NOT OOMX_CAN_BUILD_POLICIES)
  return()
endif()
set(clangs ${OOMX_CLANG})
if(OOMX_NEWEST_CLANG)
  list(APPEND clangs ${OOMX_NEWEST_CLANG})
endif()
list(REMOVE_DUPLICATES clangs)

set(templates ${PROJECT_SOURCE_DIR}/bpf_templates)
set(flags ${OOMX_BPF_FLAGS} -I${PROJECT_SOURCE_DIR}/include -I${templates}/include -c -o /dev/null)

function(add_bpf_test what source)
  foreach(clang IN LISTS clangs)
    cmake_path(GET clang FILENAME with)
    set(name "compile: ${what} for BPF with ${with}")
    add_test(NAME ${name} COMMAND ${clang} ${flags} ${source})
    set_tests_properties(${name} PROPERTIES LABELS compile TIMEOUT 60)
  endforeach()
endfunction()

file(GLOB_RECURSE headers CONFIGURE_DEPENDS RELATIVE ${templates}/include ${templates}/include/*.h)
foreach(header IN LISTS headers)
  set(source ${CMAKE_CURRENT_BINARY_DIR}/alone_bpf/${header}.c)
  # What a header leaves to the policy: the rails, or the watches, which OOMX_CONFIG() and
  # OOMX_PRESSURE_CONFIG() define, and how it ranks processes.
  file(CONFIGURE OUTPUT ${source} @ONLY CONTENT
"#include <@header@>
#include <@header@>

#ifdef OOMX_SCOPE_BPF_H
static const struct oomx_rails rails = {};

__attribute__((unused)) static const struct oomx_rails *oomx_rails(void)
{
	return &rails;
}

__attribute__((unused)) static bool oomx_ranks_processes(void)
{
	return true;
}

__attribute__((unused)) static bool oomx_reads(__u32 what)
{
	return what;
}

__attribute__((unused)) static __u64 oomx_process_score(const struct oomx_process *process)
{
	return process->rss;
}
#endif
#ifdef OOMX_PRESSURE_POLICY_BPF_H
static const struct oomx_watches watches = {};

__attribute__((unused)) static const struct oomx_watches *oomx_watches(void)
{
	return &watches;
}
#endif
")
  add_bpf_test("${header} alone" ${source})
endforeach()

file(GLOB policies CONFIGURE_DEPENDS RELATIVE ${templates} ${templates}/*.bpf.c)
foreach(policy IN LISTS policies)
  add_bpf_test(${policy} ${templates}/${policy})
endforeach()
