# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# cmake -DTOOL=<stretto-explore> -DCHROMIUM=<program> -DWORK=<folder> -P check.cmake: opens the pages of three plans without a
# window and counts the boxes in what their scripts made. With -DGPT=<gpt> in place of TOOL: the report and the timeline of a
# training, whose pictures must be some. A page with an error of its own comes first: its error must be seen.
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

if(DEFINED GPT)
  execute_process(COMMAND "${GPT}" --layers 2 --width 32 --heads 2 --vocabulary 257 --sequence 16 --samples 1 --micro-batches 4 --ranks 2
                          --steps 12 --evaluate 5 --letters 0 --html --out "${WORK}/gpt"
                  OUTPUT_QUIET COMMAND_ERROR_IS_FATAL ANY)
  open_page("${WORK}/gpt/report.html")
  if(console)
    message(FATAL_ERROR "stretto: the report of gpt complains: ${console}")
  endif()
  # Of a picture that can't be drawn no browser complains, so a copy of the page is made to; the page allows no scripts.
  file(READ "${WORK}/gpt/report.html" page)
  string(REPLACE "default-src 'none'" "script-src 'unsafe-inline'" page "${page}")
  file(WRITE "${WORK}/gpt/copy.html" "${page}<script>addEventListener('load', () => {
    for (const i of document.images) if (!i.naturalWidth) console.error('no picture: ' + i.alt);
    document.body.dataset.pictures = document.images.length + document.querySelectorAll('svg').length;
  })</script>")
  open_page("${WORK}/gpt/copy.html")
  if(NOT dom MATCHES "data-pictures=\"3\"" OR console)
    message(FATAL_ERROR "stretto: the report of gpt shows no curve and two timelines: ${console}")
  endif()
  open_page("${WORK}/gpt/timeline.html")
  string(REGEX MATCHALL "<rect class=\"box[ \"]" boxes "${dom}")
  list(LENGTH boxes found)
  # Of 4 micro-batches on 2 ranks F and B, and a norm and an update a rank: foretold and measured.
  if(NOT found EQUAL 40 OR console)
    message(FATAL_ERROR "stretto: the timeline of gpt shows ${found} boxes in place of 40, or complains: ${console}")
  endif()
  message("gpt: three pictures, ${found} boxes, and an empty console")
  return()
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
