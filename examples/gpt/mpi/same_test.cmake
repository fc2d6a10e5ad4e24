# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# cmake -DPROGRAM=<gpt> -DOVER_MPI=<gpt_mpi> -DSTART=mpirun;-n -DFOLDER=<for files> -P same_test.cmake
#
# Ranks as processes give what threads give: the same text from the same weights, and weights and optimizer that are equal to the
# bit where a run begins in processes and goes on in threads, or the other way round.
cmake_minimum_required(VERSION 3.21)

file(REMOVE_RECURSE "${FOLDER}")
file(MAKE_DIRECTORY "${FOLDER}")
set(tiny --layers 3 --width 48 --heads 3 --vocabulary 300 --sequence 24 --samples 2 --micro-batches 4 --dropout 0.1 --warmup 2 --evaluate 2 --seed 5 --rates constant --letters 30)

function(run expected)
  execute_process(COMMAND ${ARGN} OUTPUT_VARIABLE out ERROR_VARIABLE err RESULT_VARIABLE result)
  if(NOT result EQUAL expected)
    message(FATAL_ERROR "stretto: ${ARGN}\nended with ${result}, not ${expected}:\n${out}${err}")
  endif()
  set(out "${out}" PARENT_SCOPE)
  set(err "${err}" PARENT_SCOPE)
endfunction()

# What a program has written, without how fast.
function(text_of out text)
  string(FIND "${out}" "\nA pipeline" at)
  string(FIND "${out}" "\nwriting" end)
  if(at EQUAL -1 OR end LESS at)
    message(FATAL_ERROR "stretto: no text was written:\n${out}")
  endif()
  math(EXPR length "${end} - ${at}")
  string(SUBSTRING "${out}" ${at} ${length} words)
  set(${text} "${words}" PARENT_SCOPE)
endfunction()

run(0 "${PROGRAM}" ${tiny} --ranks 1 --schedule gpipe --steps 5 --out "${FOLDER}/whole")
text_of("${out}" due)

run(0 ${START} 2 "${OVER_MPI}" ${tiny} --schedule zb_h1 --steps 3 --out "${FOLDER}/begun")
run(0 "${PROGRAM}" --resume --ranks 4 --schedule 1f1b --steps 5 --out "${FOLDER}/begun")
text_of("${out}" text)
if(NOT text STREQUAL due)
  message(FATAL_ERROR "stretto: a run that began in processes writes\n${text}\nand one that didn't\n${due}")
endif()

run(0 "${PROGRAM}" ${tiny} --ranks 2 --schedule interleaved_1f1b --chunks 2 --steps 3 --out "${FOLDER}/ended")
run(0 ${START} 4 "${OVER_MPI}" --resume --schedule 1f1b --chunks 1 --steps 5 --html --trace --out "${FOLDER}/ended")
text_of("${out}" text)
if(NOT text STREQUAL due)
  message(FATAL_ERROR "stretto: processes write\n${text}\nand threads\n${due}")
endif()
foreach(file report.html timeline.html trace.json steps.jsonl checkpoints/step_00000005/weights-rank00003.safetensors)
  file(SIZE "${FOLDER}/ended/${file}" size)
  if(size LESS 100)
    message(FATAL_ERROR "stretto: ${file} has ${size} bytes")
  endif()
endforeach()

foreach(run IN ITEMS begun ended whole)
  run(0 "${PROGRAM}" --resume --ranks 2 --schedule 1f1b --chunks 1 --steps 6 --letters 0 --out "${FOLDER}/${run}")
endforeach()
foreach(file weights optimizer)
  file(SHA256 "${FOLDER}/whole/checkpoints/step_00000006/${file}.safetensors" whole)
  foreach(run IN ITEMS begun ended)
    file(SHA256 "${FOLDER}/${run}/checkpoints/step_00000006/${file}.safetensors" other)
    if(NOT other STREQUAL whole)
      message(FATAL_ERROR "stretto: ${file} of the run '${run}', of which a part was over processes, differ from those of threads alone")
    endif()
  endforeach()
endforeach()

run(1 ${START} 2 "${OVER_MPI}" ${tiny} --ranks 3 --steps 1 --out "${FOLDER}/none")
if(NOT err MATCHES "stretto: gpt_mpi runs as 2 processes and is asked for --ranks 3; start as many by mpirun -n, or leave it out\n")
  message(FATAL_ERROR "stretto: gpt_mpi says\n${err}")
endif()
