# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# cmake -DTOOL=<stretto-explore> -DCHROMIUM=<program> -DWORK=<folder> -P check.cmake: opens the pages of three plans without a
# window and counts the boxes in what their scripts made. A page with an error of its own comes first: its error must be seen.
if(NOT EXISTS "${CHROMIUM}")
  message("stretto: skipped, because there is no Chromium; install it (Debian: chromium) to look at pages in a browser.")
  return()
endif()
file(REMOVE_RECURSE "${WORK}")
file(MAKE_DIRECTORY "${WORK}")

# Sets `dom` to what a page became and `console` to what its scripts complained of.
function(open_page page)
  execute_process(COMMAND "${CHROMIUM}" --headless --no-sandbox --disable-gpu --disable-dev-shm-usage --enable-logging=stderr --v=0
                          "--user-data-dir=${WORK}/profile" --dump-dom "file://${page}"
                  TIMEOUT 60 RESULT_VARIABLE status OUTPUT_VARIABLE made ERROR_VARIABLE said)
  if(NOT status EQUAL 0)
    message(FATAL_ERROR "stretto: ${CHROMIUM} ended with ${status} on ${page}.\n${said}")
  endif()
  string(REGEX MATCHALL "CONSOLE[^\n]*" lines "${said}")
  set(dom "${made}" PARENT_SCOPE)
  set(console "${lines}" PARENT_SCOPE)
endfunction()

file(WRITE "${WORK}/broken.html" "<!doctype html><title>broken</title><p>here</p><script>nothing.there();</script>")
open_page("${WORK}/broken.html")
if(NOT dom MATCHES "here")
  message("stretto: skipped, because ${CHROMIUM} opens no page here.")
  return()
endif()
if(NOT console)
  message(FATAL_ERROR "stretto: the error of a broken page isn't seen; mend how the console is read.")
endif()

set(plan_1 "1f1b;--ranks;4;--micro-batches;8")
set(plan_2 "zb_v;--ranks;4;--micro-batches;12")
set(plan_3 "dualpipe;--ranks;4;--micro-batches;8")
foreach(i 1 2 3)
  execute_process(COMMAND "${TOOL}" html ${plan_${i}} -o "${WORK}/plan.html" COMMAND_ERROR_IS_FATAL ANY)
  execute_process(COMMAND "${TOOL}" csv ${plan_${i}} OUTPUT_VARIABLE rows COMMAND_ERROR_IS_FATAL ANY)
  string(REGEX MATCHALL "[0-9]+[A-Z]+[a-z]?[0-9]+" actions "${rows}")
  list(LENGTH actions wanted)
  open_page("${WORK}/plan.html")
  string(REGEX MATCHALL "<rect class=\"box[ \"]" boxes "${dom}")
  list(LENGTH boxes found)
  list(GET plan_${i} 0 name)
  if(NOT found EQUAL wanted OR wanted LESS 10)
    message(FATAL_ERROR "stretto: the page of ${name} shows ${found} boxes, and its plan has ${wanted} actions.")
  endif()
  if(console)
    message(FATAL_ERROR "stretto: the page of ${name} complains: ${console}")
  endif()
  message("${name}: ${found} boxes for ${wanted} actions, and an empty console")
endforeach()
