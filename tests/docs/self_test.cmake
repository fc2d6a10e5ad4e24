# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# cmake -DWORK=<scratch folder> -P self_test.cmake -- <compiler and flags>: shows that the checks here can fail. Each case
# is a page, and part of the message that it must earn; none for a good page.
cmake_minimum_required(VERSION 3.20)

set(command "")
foreach(i RANGE ${CMAKE_ARGC})
  if(command OR "${CMAKE_ARGV${i}}" STREQUAL "--")
    list(APPEND command "${CMAKE_ARGV${i}}")
  endif()
endforeach()
file(REMOVE_RECURSE "${WORK}")

# try(<script> <about> <message> <page>)
function(try script about verdict page)
  string(REPLACE "'''" "```" page "${page}")
  file(WRITE "${WORK}/docs/page.md" "${page}")
  execute_process(COMMAND "${CMAKE_COMMAND}" "-DPAGE=${WORK}/docs/page.md" -DNAME=page.md "-DWORK=${WORK}/scratch"
                          "-DTOOL=${CMAKE_COMMAND}" "-DROOT=${WORK}" "-DNAMES=${WORK}/names.txt"
                          -P "${CMAKE_CURRENT_LIST_DIR}/${script}" ${command}
                  RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  string(REGEX REPLACE "[ \n]+" " " output "${output}")  # CMake wraps what it says
  string(FIND "${output}" "${verdict}" at)
  if(verdict STREQUAL "" AND NOT result EQUAL 0)
    message(SEND_ERROR "stretto: ${script} refuses ${about}: ${output}")
  elseif(NOT verdict STREQUAL "" AND (result EQUAL 0 OR at EQUAL -1))
    message(SEND_ERROR "stretto: ${script} does not say '${verdict}' of ${about}: ${output}")
  endif()
endfunction()

set(good "# Title\n'''cpp\nstruct thing { int x; }; // [;\n'''\nwords\n'''cpp fragment\nthing t{3};\nassert(t.x == 3);\n'''\n## Next\n'''cpp fragment\nthing t{4};\n'''\n'''cpp\n#include <cstdio>\nint main() { std::puts(\"[a;b\"); }\n'''\n'''text output\n[a;b\n'''\n'''cpp cut\n…\n'''\n")
try(code.cmake "a good page" "" "${good}")
string(REPLACE "t.x == 3" "t.x == 4" page "${good}")
try(code.cmake "a fragment that aborts" "page.md:8: " "${page}")
string(REPLACE "thing t{4}" "thing t{4" page "${good}")
try(code.cmake "a fragment that doesn't compile" "page.md:12:" "${page}")
string(REPLACE "output\n[a" "output\n[b" page "${good}")
try(code.cmake "an output that is another" "page.md:19: the program prints" "${page}")
string(REPLACE "std::puts(\"[a;b\")" "return 3" page "${good}")
try(code.cmake "a program that fails" "page.md:15: the program ends with 3" "${page}")
try(code.cmake "a kind of block that isn't there" "there is no kind of block 'cpp fragmet'" "'''cpp fragmet\nx\n'''\n")
try(code.cmake "a page without code" "has no C++ block" "words\n")
try(code.cmake "a block that isn't closed" "is not closed" "'''cpp\nint x;\n")
try(code.cmake "a block that fails as it should" "" "'''cpp fails\n// error: words of it\nstatic_assert(sizeof(int) == 0, \"words of it\");\n'''\n")
try(code.cmake "a block that fails otherwise" "does not print 'words of it'" "'''cpp fails\n// error: words of it\nstatic_assert(sizeof(int) == 0, \"other\");\n'''\n")
try(code.cmake "a block that doesn't fail" "compiles, but should not" "'''cpp fails\n// error: words of it\nint x;\n'''\n")
try(code.cmake "a failing block without its words" "has no line '// error: words'" "'''cpp fails\nint x = y;\n'''\n")

try(commands.cmake "good commands" "" "'''console\n$ cat a.txt\n[b;c\n$ cat a.txt; false\n[b;c\n$ cat a.txt a.txt\n[b;c\n…\n'''\n'''sh\nfalse\n'''\n")
try(commands.cmake "a command that prints something else" "page.md:2: 'echo a' prints" "'''console\n$ echo a\nb\n'''\n")
try(commands.cmake "a command that prints more" "'seq 2' prints" "'''console\n$ seq 2\n1\n'''\n")
try(commands.cmake "a file that differs further down" "'cat a.txt' prints" "'''console\n$ cat a.txt\n1\n$ cat a.txt\n2\n'''\n")
try(commands.cmake "a console block without a command" "begins with a command" "'''console\nwords\n'''\n")

string(REPEAT "[a](#one-of_two)\n[b](page.md)\n" 10 links)
try(references.cmake "good links" "" "# One of_two!\n${links}")
try(references.cmake "a link to no file" "links to lost.md, which isn't there" "# One of_two\n${links}[c](lost.md)\n")
try(references.cmake "a link to no heading" "links to page.md#three" "# One of_two\n${links}[c](page.md#three)\n")

file(WRITE "${WORK}/names.txt" "run/a rank doesn't come [back]\nplan/orders\n")
try(names.cmake "good names" "" "`-R '^run/.*rank'`, `-R \"doesn't\"` and `-R 'orders'`\n")
try(names.cmake "a name of no test" "page.md tells people to run ctest -R '^orders'" "`-R 'orders'`, `-R '^orders'`\n")
try(names.cmake "a page without names" "only 0 names" "words\n")

# A little project for the page of messages, with sources and page that agree.
file(WRITE "${WORK}/include/stretto/plan/fault.hpp" "enum class size_name : int { ranks };\n")
file(WRITE "${WORK}/include/stretto/plan/verdict.hpp" "enum class fault : std::uint8_t {\n  none,\n  deadlock, ///< words\n};\n")
set(code "")
set(rows "| `fault::none` | |\n| `fault::deadlock` | |\n| `size_name::ranks` | |\n")
foreach(i RANGE 100 199)
  string(APPEND code "throw error(text(\"stretto: found number ${i}; \", n, \" mend it\").str());  // \"a comment\"\n")
  string(APPEND rows "| `stretto: found number ${i}; … mend it` | cause | fix |\n")
endforeach()
file(WRITE "${WORK}/include/stretto/words.hpp" "${code}")
try(errors.cmake "a page that has every message" "" "# Messages\n${rows}")
string(REPLACE "number 150;" "number 15;" page "${rows}")
try(errors.cmake "a lacking message" "words.hpp:51 can say 'stretto: found number 150', which" "# Messages\n${page}")
try(errors.cmake "a message that nobody says" "'nobody says this' is nowhere" "# Messages\n${rows}| `stretto: nobody says this` | cause | fix |\n")
string(REPLACE "fault::deadlock" "fault::lock" page "${rows}")
try(errors.cmake "a fault without a row" "has no row for `fault::deadlock`" "# Messages\n${page}")
file(WRITE "${WORK}/include/stretto/draw/picture.hpp" "out += \"<rect of a box>\";\nauto script = R\"js(\"a sentence of a script\")js\";\nthrow error(text(\"stretto: found \", n,\n            \" boxes too many; draw fewer\").str());\nout += \"<path of a line>\";\n")
try(errors.cmake "a message beside markup" "picture.hpp:4 can say 'boxes too many; draw fewer', which" "# Messages\n${rows}")
try(errors.cmake "markup and a script" "" "# Messages\n${rows}| `stretto: found … boxes too many; draw fewer` | cause | fix |\n")
