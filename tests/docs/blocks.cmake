# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# What the scripts here share: a page of documentation taken apart into its blocks.
#
#     ```cpp            a program, if it holds `int main`; else definitions, which all later blocks of the page see
#     ```cpp fragment   statements; those under one heading are one function
#     ```cpp fails      definitions that must not compile; a line `// error: words` says what the compiler must print
#     ```cpp cut        not checked: a piece shown out of its place
#     ```text output    what the program before it prints
#     ```console        `$ command` and, below it, what it prints, up to the next command; a last row `…` stands for more
#     ```cmake          the rest of a CMakeLists.txt that builds the program before it as `hello`
# Other blocks are left alone. Text is never put in a list: CMake splits lists at semicolons.

# Sets `out` to the number of line breaks in `text`.
function(count_breaks out text)
  string(REGEX REPLACE "[^\n]+" "" breaks "${text}")
  string(LENGTH "${breaks}" count)
  set(${out} ${count} PARENT_SCOPE)
endfunction()

# read_blocks(<page>): sets block_count and, for i from 1, block_<i>_info, block_<i>_body, block_<i>_row (of its first row
# in the page) and block_<i>_section (the number of headings before it).
function(read_blocks page)
  file(READ "${page}" text)
  set(text "\n${text}\n")
  set(count 0)
  set(row 0)
  set(section 0)
  while(TRUE)
    string(FIND "${text}" "\n```" at)
    if(at EQUAL -1)
      break()
    endif()
    math(EXPR info_at "${at} + 4")
    string(SUBSTRING "${text}" 0 ${info_at} before)
    string(SUBSTRING "${text}" ${info_at} -1 text)
    count_breaks(passed "${before}")
    math(EXPR row "${row} + ${passed}")
    string(REGEX REPLACE "\n#+ " "\t" marked "${before}")
    string(REGEX REPLACE "[^\t]+" "" headings "${marked}")
    string(LENGTH "${headings}" headings)
    math(EXPR section "${section} + ${headings}")

    string(FIND "${text}" "\n" end)
    string(SUBSTRING "${text}" 0 ${end} info)
    string(SUBSTRING "${text}" ${end} -1 text)
    string(FIND "${text}" "\n```\n" end)
    if(end EQUAL -1)
      message(FATAL_ERROR "stretto: ${page}:${row}: a block is not closed; end it with a row of three backquotes.")
    endif()
    math(EXPR past "${end} + 1")
    string(SUBSTRING "${text}" 0 ${past} body)
    math(EXPR past "${end} + 4")
    string(SUBSTRING "${text}" ${past} -1 text)
    string(SUBSTRING "${body}" 1 -1 body)

    math(EXPR count "${count} + 1")
    math(EXPR body_row "${row} + 1")
    set(block_${count}_info "${info}" PARENT_SCOPE)
    set(block_${count}_body "${body}" PARENT_SCOPE)
    set(block_${count}_row ${body_row} PARENT_SCOPE)
    set(block_${count}_section ${section} PARENT_SCOPE)
    count_breaks(passed "${body}")
    math(EXPR row "${row} + ${passed} + 1")
  endwhile()
  set(block_count ${count} PARENT_SCOPE)
endfunction()

# Collects what goes wrong, to be told at the end by report_faults().
set(faults "")
function(fault text)
  set(faults "${faults}\nstretto: ${text}" PARENT_SCOPE)
endfunction()
function(report_faults)
  if(NOT faults STREQUAL "")
    message("${faults}\n")
    message(FATAL_ERROR "stretto: the documentation and the code disagree, see above; correct the one that is wrong.")
  endif()
endfunction()

# Compares what was printed with what a page says; `fault_text` is empty if they agree.
function(compare_output fault_text printed expected)
  set(${fault_text} "" PARENT_SCOPE)
  string(REGEX MATCH "(^|\n)…\n$" more "${expected}")
  if(more)
    string(REGEX REPLACE "…\n$" "" expected "${expected}")
    string(LENGTH "${expected}" length)
    string(LENGTH "${printed}" printed_length)
    if(printed_length GREATER length)
      string(SUBSTRING "${printed}" 0 ${length} printed)
    endif()
  endif()
  if(NOT printed STREQUAL expected)
    set(${fault_text} "prints\n${printed}--- and the page says\n${expected}---" PARENT_SCOPE)
  endif()
endfunction()
