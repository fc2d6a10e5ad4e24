# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# cmake -DROOT=<repository> -DPAGE=<errors.md> -P messages.cmake
#
# Every fault of plan/verdict.hpp begins a row of the page, and whatever text the library's messages, and the tool's, are
# made of stands on the page. Told apart from other texts by length and place: a text of a dozen characters or more with a
# blank in it, in a file that makes messages; descriptions of schedules and of flags are none.
cmake_minimum_required(VERSION 3.20)
include("${CMAKE_CURRENT_LIST_DIR}/blocks.cmake")

file(READ "${PAGE}" page)

file(READ "${ROOT}/include/stretto/plan/verdict.hpp" text)
if(NOT text MATCHES "enum class fault [^{]*{([^}]*)}")
  message(FATAL_ERROR "stretto: plan/verdict.hpp has no 'enum class fault'; tell tests/docs/messages.cmake where it is.")
endif()
string(REGEX REPLACE "//[^\n]*" "" names "${CMAKE_MATCH_1}")
string(REGEX MATCHALL "[a-z_]+" names "${names}")
foreach(name IN LISTS names)
  string(FIND "${page}" "\n| `fault::${name}` |" at)
  if(at EQUAL -1)
    fault("${PAGE} has no row that begins '| `fault::${name}` |', and fault::${name} exists; add the row.")
  endif()
endforeach()

file(GLOB_RECURSE files RELATIVE "${ROOT}" "${ROOT}/include/*.hpp" "${ROOT}/include/*.cuh" "${ROOT}/examples/explore/*")
set(seen 0)
foreach(file IN LISTS files)
  file(READ "${ROOT}/${file}" text)
  # The help of the tool is no message; nor are comments, summaries and what options are for.
  string(REGEX REPLACE "R\"\\([^)]*([)][^\"][^)]*)*[)]\"" "" text "${text}")
  string(REGEX REPLACE "//[^\n]*" "" text "${text}")
  string(REGEX REPLACE "(summary|needs) = [^\n]*" "" text "${text}")
  string(REGEX REPLACE "visit\\([^\n]*" "" text "${text}")
  # A list's elements are parted by semicolons, unless a bracket is open.
  string(REPLACE ";" "@semicolon@" text "${text}")
  string(REPLACE "[" "@open@" text "${text}")
  string(REPLACE "]" "@close@" text "${text}")
  string(REPLACE "'\"'" "" text "${text}")
  string(REPLACE "\\\"" "" text "${text}")
  string(REGEX MATCHALL "\"[^\"\n]*\"" literals "${text}")
  foreach(literal IN LISTS literals)
    string(REPLACE "@semicolon@" ";" literal "${literal}")
    string(REPLACE "@open@" "[" literal "${literal}")
    string(REPLACE "@close@" "]" literal "${literal}")
    string(REGEX REPLACE "^\"(.*)\"$" "\\1" words "${literal}")
    string(REGEX REPLACE "\\\\n$" "" words "${words}")
    string(STRIP "${words}" words)
    string(LENGTH "${words}" length)
    if(NOT words MATCHES " " OR length LESS 12 OR words MATCHES "%|^,? ?(--[a-z-]+( [^ ]+)?(, )?)+$|^a file, |^list, csv|^entries with|^[(]placed")
      continue()
    endif()
    math(EXPR seen "${seen} + 1")
    string(FIND "${page}" "${words}" at)
    if(at EQUAL -1)
      fault("${PAGE} doesn't have '${words}', which ${file} prints; add or correct its row.")
    endif()
  endforeach()
endforeach()
if(seen LESS 50)
  fault("only ${seen} texts were found in ${ROOT}, so this test tests little; correct tests/docs/messages.cmake.")
endif()
report_faults()
