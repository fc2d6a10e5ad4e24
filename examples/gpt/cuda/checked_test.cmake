# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# gpt as it runs on a CUDA device, over one that isn't there: it trains, evaluates, saves, goes on with other ranks and writes,
# and nothing is touched before it is ready. Nothing is computed.
#   cmake -DPROGRAM=gpt -DTYPE=bf16 -DFOLDER=scratch -P checked_test.cmake
file(REMOVE_RECURSE "${FOLDER}")
file(MAKE_DIRECTORY "${FOLDER}")

# gpt_run(<what it must say> <arguments>...)
function(gpt_run wanted)
  execute_process(COMMAND "${PROGRAM}" --device checked --dtype ${TYPE} --out "${FOLDER}/out" ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE errors)
  if(NOT result EQUAL 0 OR NOT output MATCHES "${wanted}" OR NOT output MATCHES " 0 that something isn't waited for")
    message(FATAL_ERROR "gpt ${ARGN} ended with ${result}, and has to say '${wanted}':\n${output}\n${errors}")
  endif()
endfunction()

set(small --layers 2 --width 32 --heads 2 --vocabulary 257 --sequence 16 --samples 2 --micro-batches 4 --evaluate 2 --letters 3 --texts 2 --dropout 0.1)
gpt_run("step 3/3.*validation.*writing" ${small} --ranks 3 --steps 3 --html --read-again)
gpt_run("goes on.*step 5/5" ${small} --ranks 2 --schedule zb_h1 --steps 5 --resume)
if(NOT EXISTS "${FOLDER}/out/checked/report.html" OR EXISTS "${FOLDER}/out/gpt.conf")
  message(FATAL_ERROR "gpt --html left no report.html")
endif()
