# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
# Run with cmake -P: bpftool gen skeleton, fitted to the libbpf headers that will compile it.
execute_process(
  COMMAND ${BPFTOOL} gen skeleton ${OBJECT} name ${NAME}
  OUTPUT_VARIABLE text ERROR_VARIABLE complaint RESULT_VARIABLE failed)
if(failed)
  message(FATAL_ERROR "generate skeleton of ${OBJECT}: ${BPFTOOL} failed: ${complaint}")
endif()
if(NOT KEEP_MAP_LINK)
  string(REGEX REPLACE "\n[^\n]*map->link = [^\n]*" "" text "${text}")
endif()
file(WRITE ${OUTPUT} "${text}")
