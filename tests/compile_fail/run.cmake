# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# cmake -DSOURCE=<file> -DCOMPILER=<name> -P run.cmake -- <command that compiles the file>
#
# Passes when the file does not compile, the compiler's output has every text that the file expects, and the same file
# does compile with STRETTO_COMPILE_FAIL_CONTROL defined, which shows that the failure comes from the thing under test.
# The expected texts stand at the top of the file, each on a line of its own:
#     // expect: stretto: a sentence
#     // expect[nvcc]: words that only this compiler prints          (or [g++], [clang++])
cmake_minimum_required(VERSION 3.20)

set(command "")
set(past_dashes FALSE)
foreach(i RANGE ${CMAKE_ARGC})
  if(past_dashes AND i LESS CMAKE_ARGC)
    list(APPEND command "${CMAKE_ARGV${i}}")
  elseif("${CMAKE_ARGV${i}}" STREQUAL "--")
    set(past_dashes TRUE)
  endif()
endforeach()

# Compilers word quotes and wrap lines by locale and width: one locale, and runs of blanks count as one.
set(ENV{LC_ALL} C)
function(squeeze out text)
  string(REGEX REPLACE "[ \t\r\n]+" " " text "${text}")
  string(STRIP "${text}" text)
  set(${out} "${text}" PARENT_SCOPE)
endfunction()

file(READ "${SOURCE}" text)
if(NOT text MATCHES "STRETTO_COMPILE_FAIL_CONTROL")
  message(FATAL_ERROR "stretto: ${SOURCE} has no branch on STRETTO_COMPILE_FAIL_CONTROL; add the code that compiles.")
endif()

execute_process(COMMAND ${command} -DSTRETTO_COMPILE_FAIL_CONTROL RESULT_VARIABLE result
                OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(NOT result EQUAL 0)
  message("${output}")
  message(FATAL_ERROR "stretto: the good branch of ${SOURCE} does not compile with ${COMPILER}, so its failure proves "
                      "nothing; mend the branch.")
endif()

execute_process(COMMAND ${command} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
if(result EQUAL 0)
  message(FATAL_ERROR "stretto: ${SOURCE} compiles with ${COMPILER}, but should not; restore the check it tests.")
endif()
if(NOT result MATCHES "^[0-9]+$" OR output MATCHES "internal compiler error|Segmentation fault|PLEASE submit a bug")
  message("${output}")
  message(FATAL_ERROR "stretto: ${COMPILER} broke down on ${SOURCE} (${result}) instead of refusing it; work around that.")
endif()
# An expectation that the compiler quotes must not match itself.
string(REGEX REPLACE "[^\n]*expect(\\[[^]\n]*\\])?:[^\n]*" "" shown "${output}")
squeeze(shown "${shown}")

set(expectations 0)
set(missing "")
while(text MATCHES "// expect(\\[([^]\n]*)\\])?: ([^\n]*)")
  set(only "${CMAKE_MATCH_2}")
  set(wanted "${CMAKE_MATCH_3}")
  string(FIND "${text}" "${CMAKE_MATCH_0}" at)
  string(LENGTH "${CMAKE_MATCH_0}" length)
  math(EXPR at "${at} + ${length}")
  string(SUBSTRING "${text}" ${at} -1 text)
  if(only AND NOT only STREQUAL COMPILER)
    continue()
  endif()
  math(EXPR expectations "${expectations} + 1")
  squeeze(wanted "${wanted}")
  string(FIND "${shown}" "${wanted}" at)
  if(at EQUAL -1 OR wanted STREQUAL "")
    string(APPEND missing "  ${wanted}\n")
  endif()
endwhile()
if(expectations EQUAL 0)
  message(FATAL_ERROR "stretto: ${SOURCE} has no line '// expect: text' for ${COMPILER}; say what the error must contain.")
endif()
if(NOT missing STREQUAL "")
  message("--- printed\n${output}--- not among it\n${missing}---")
  message(FATAL_ERROR "stretto: ${COMPILER} refuses ${SOURCE}, but its output lacks what is named above; correct the message.")
endif()
