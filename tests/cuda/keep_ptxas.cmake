# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# cmake -P keep_ptxas.cmake -- nvcc ... -o <object>: compiles; what ptxas says of each kernel is kept in <object>.ptxas, and
# all else is printed.
set(command "")
math(EXPR last "${CMAKE_ARGC} - 1")
foreach(i RANGE 4 ${last})
  list(APPEND command "${CMAKE_ARGV${i}}")
  if(previous STREQUAL "-o")
    set(object "${CMAKE_ARGV${i}}")
  endif()
  set(previous "${CMAKE_ARGV${i}}")
endforeach()
execute_process(COMMAND ${command} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
string(REGEX MATCHALL "ptxas info[^\n]*\n|    [0-9]+ bytes stack frame[^\n]*\n" kept "${output}")
string(REGEX REPLACE "ptxas info[^\n]*\n|    [0-9]+ bytes stack frame[^\n]*\n" "" printed "${output}")
string(JOIN "" kept ${kept})
if(NOT printed STREQUAL "")
  message("${printed}")
endif()
if(NOT result EQUAL 0)
  message(FATAL_ERROR "stretto: ${object} could not be compiled; the lines above say why.")
endif()
file(WRITE "${object}.ptxas" "${kept}")
