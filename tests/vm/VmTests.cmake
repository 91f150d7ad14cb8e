# SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
#
# Tests that run inside a VM, and the tests of the VM harness itself.

include_guard(GLOBAL)
set(OOMX_VM_DIR "${CMAKE_CURRENT_LIST_DIR}")
# What tests/vm/run says where the source of the kernels `recent` and `v3` cannot be had.
set(OOMX_WITHOUT_RECENT "find kernel '[a-z0-9]+': left out: ")

# oomx_add_vm_test(NAME <name> COMMAND <target or path> [args...]
#                  [KERNEL fast|checked|stock|recent|v3|<vmlinux>] [MEMORY 512M] [CPUS 2] [APPEND "<kernel parameters>"]
#                  [TIMEOUT <seconds>] [LABELS <tier>...] [ALLOW_SPLAT])
#
# Runs the command as root in a VM (tests/vm/run). The test fails when the command does, when the time is up, when
# the guest dies, or when its kernel log holds a WARN, BUG, lockdep or RCU report. It is skipped only if it wants the
# kernel `recent` or `v3` and tests/kernel/build.sh could not get the source of those; where no VM can be started it
# fails and says why. LABELS replaces the default tier, vm.
function(oomx_add_vm_test)
  cmake_parse_arguments(PARSE_ARGV 0 arg "ALLOW_SPLAT" "NAME;KERNEL;MEMORY;CPUS;APPEND;TIMEOUT" "COMMAND;LABELS")
  if(NOT arg_NAME OR NOT arg_COMMAND OR arg_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "oomx_add_vm_test(${ARGV}): needs NAME and COMMAND; not understood: '${arg_UNPARSED_ARGUMENTS}'")
  endif()
  foreach(default IN ITEMS KERNEL:fast MEMORY:512M CPUS:2 TIMEOUT:120 LABELS:vm)
    string(REGEX MATCH "(.*):(.*)" _ "${default}")
    if(NOT DEFINED arg_${CMAKE_MATCH_1})
      set(arg_${CMAKE_MATCH_1} "${CMAKE_MATCH_2}")
    endif()
  endforeach()

  list(POP_FRONT arg_COMMAND program)
  if(TARGET "${program}")
    set(program "$<TARGET_FILE:${program}>")
  endif()
  set(options --kernel "${arg_KERNEL}" --memory "${arg_MEMORY}" --cpus "${arg_CPUS}" --timeout "${arg_TIMEOUT}")
  if(arg_APPEND)
    list(APPEND options --append "${arg_APPEND}")
  endif()
  if(arg_ALLOW_SPLAT)
    list(APPEND options --allow-splat)
  endif()

  add_test(NAME "${arg_NAME}" COMMAND "${OOMX_VM_DIR}/run" ${options} -- "${program}" ${arg_COMMAND})
  # A VM takes as many of ctest's slots as it has processors, so that VMs do not starve each other into time-outs.
  # ctest's own limit is only for a harness that hangs: run's message about the guest's limit says more.
  math(EXPR limit "${arg_TIMEOUT} + 30")
  set_tests_properties("${arg_NAME}" PROPERTIES
    LABELS "${arg_LABELS}" PROCESSORS "${arg_CPUS}" TIMEOUT "${limit}"
    SKIP_REGULAR_EXPRESSION "${OOMX_WITHOUT_RECENT}")
endfunction()

add_test(NAME vm_harness COMMAND "${OOMX_VM_DIR}/harness.test.sh" --kernel fast)
set_tests_properties(vm_harness PROPERTIES LABELS harness PROCESSORS 2 TIMEOUT 600)
