# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# cmake -DNM=... -DOBJECTS=a.o|b.o -P no_internal.cmake: nm writes a symbol with internal linkage in lower case (t, d, b,
# r); weak ones (W, V, u) are what inline functions and variables become.
string(REPLACE "|" ";" OBJECTS "${OBJECTS}")
set(symbols 0)
foreach(object IN LISTS OBJECTS)
  execute_process(COMMAND "${NM}" --demangle --defined-only "${object}" OUTPUT_VARIABLE output COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX REPLACE "[];[]" "_" output "\n${output}")
  string(REGEX MATCHALL "\n[0-9a-f]* [tdbr] stretto::[^\n]*" internal "${output}")
  if(internal)
    message(FATAL_ERROR "stretto: ${object} has names of Stretto with internal linkage; make them inline.${internal}")
  endif()
  string(REGEX MATCHALL "\n[0-9a-f]* [WVu] stretto::" weak "${output}")
  list(LENGTH weak count)
  math(EXPR symbols "${symbols} + ${count}")
endforeach()
if(symbols EQUAL 0)
  message(FATAL_ERROR "stretto: no weak symbol of Stretto in ${OBJECTS}; make the units use it, or this test shows nothing.")
endif()
