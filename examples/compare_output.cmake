# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# cmake -DPROGRAM=... -DEXPECTED=... [-DSTART=mpirun;-n;4] -P compare_output.cmake: runs the program; its output must equal
# the file.
execute_process(COMMAND ${START} "${PROGRAM}" RESULT_VARIABLE result OUTPUT_VARIABLE output)
if(NOT result EQUAL 0)
  message("${output}")
  message(FATAL_ERROR "stretto: ${PROGRAM} ended with ${result}, not 0; its output is above.")
endif()
file(READ "${EXPECTED}" expected)
if(NOT output STREQUAL expected)
  message("--- expected\n${expected}--- printed\n${output}---")
  message(FATAL_ERROR "stretto: the output differs from ${EXPECTED}; correct the program, or the file if the new output "
                      "is right.")
endif()
