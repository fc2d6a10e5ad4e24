# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Shows that run.cmake can fail: it is put to small files, of which only the first is a proper compile-fail test.
# Arguments as for run.cmake; SOURCE is written here.
cmake_minimum_required(VERSION 3.20)

set(arguments "")
set(past_dashes FALSE)
foreach(i RANGE ${CMAKE_ARGC})
  if("${CMAKE_ARGV${i}}" STREQUAL "--")
    set(past_dashes TRUE)
  endif()
  if(past_dashes AND i LESS CMAKE_ARGC)
    list(APPEND arguments "${CMAKE_ARGV${i}}")
  endif()
endforeach()

# `verdict` is empty where the runner must pass, else part of its message.
function(put_to_runner about verdict content)
  file(WRITE "${SOURCE}" "${content}")
  execute_process(COMMAND "${CMAKE_COMMAND}" "-DSOURCE=${SOURCE}" "-DCOMPILER=${COMPILER}" -P
                          "${CMAKE_CURRENT_LIST_DIR}/run.cmake" ${arguments}
                  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  string(REGEX REPLACE "[ \n]+" " " output "${output}")
  string(FIND "${output}" "${verdict}" at)
  if(verdict STREQUAL "" AND NOT result EQUAL 0)
    message(SEND_ERROR "stretto: the runner refuses ${about}: ${output}")
  elseif(NOT verdict STREQUAL "" AND (result EQUAL 0 OR at EQUAL -1))
    message(SEND_ERROR "stretto: the runner does not say '${verdict}' of ${about}: ${output}")
  endif()
endfunction()

set(good "#ifndef STRETTO_COMPILE_FAIL_CONTROL\nstatic_assert(sizeof(int) == 0, \"stretto: so it is; [mend] it\")\;\n#endif\n")
put_to_runner("a proper test" "" "// expect: stretto: so it is; [mend] it\n${good}")
put_to_runner("a text for another compiler" "" "// expect: so it is\n// expect[cl]: not here\n${good}")
put_to_runner("a file that compiles" "but should not" "// expect: x\n// STRETTO_COMPILE_FAIL_CONTROL\n")
put_to_runner("a text that isn't printed" "output lacks" "// expect: so it is\n// expect: not this\n${good}")
put_to_runner("a text for this compiler that isn't printed" "output lacks" "// expect[${COMPILER}]: not this\n${good}")
put_to_runner("a file without a good branch" "has no branch" "// expect: x\nint f() { return }\n")
put_to_runner("a good branch that doesn't compile" "proves nothing"
              "// expect: x\nint f() { return } // STRETTO_COMPILE_FAIL_CONTROL\n")
put_to_runner("a file that expects nothing" "has no line" "${good}")
put_to_runner("a text that only the quoted line has" "output lacks"
              "#ifndef STRETTO_COMPILE_FAIL_CONTROL\nint f() { return } // expect: a quoted text\n#endif\n")
