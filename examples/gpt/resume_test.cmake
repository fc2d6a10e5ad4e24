# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# cmake -DPROGRAM=<gpt> -DFOLDER=<for files> -P resume_test.cmake
#
# Trains five steps at once; then three, and the rest from the checkpoint with other ranks, another schedule and chunks. Losses
# and weights must be the same to the bit. Also: texts are written in two ways, a dry run trains nothing, and what can't be is
# refused in a sentence.
cmake_minimum_required(VERSION 3.21)

file(REMOVE_RECURSE "${FOLDER}")
file(MAKE_DIRECTORY "${FOLDER}")
set(tiny --layers 3 --width 48 --heads 3 --vocabulary 300 --sequence 24 --samples 2 --micro-batches 4 --dropout 0.1 --warmup 2 --evaluate 0 --seed 5)
set(brief ${tiny} --letters 3)

function(run expected)
  execute_process(COMMAND "${PROGRAM}" ${ARGN} OUTPUT_VARIABLE out ERROR_VARIABLE err RESULT_VARIABLE result)
  if(NOT result EQUAL expected)
    message(FATAL_ERROR "stretto: gpt ${ARGN}\nended with ${result}, not ${expected}:\n${out}${err}")
  endif()
  set(out "${out}" PARENT_SCOPE)
  set(err "${err}" PARENT_SCOPE)
endfunction()

run(0 ${brief} --ranks 2 --schedule 1f1b --steps 3 --out "${FOLDER}/parts" --rates constant)
run(0 ${brief} --ranks 2 --schedule zb_v --chunks 0 --steps 5 --out "${FOLDER}/parts" --resume --rates constant --html --trace)
run(0 ${brief} --ranks 4 --schedule gpipe --steps 5 --out "${FOLDER}/whole" --rates constant)

# The optimizer's states and weights of the last checkpoint, byte by byte.
foreach(file weights optimizer)
  file(SHA256 "${FOLDER}/parts/checkpoints/step_00000005/${file}.safetensors" parts)
  file(SHA256 "${FOLDER}/whole/checkpoints/step_00000005/${file}.safetensors" whole)
  if(NOT parts STREQUAL whole)
    message(FATAL_ERROR "stretto: ${file} of a run that went on from step 3 under zb_v differ from those of one that didn't stop")
  endif()
endforeach()
foreach(file report.html timeline.html trace.json steps.jsonl steps.csv)
  file(SIZE "${FOLDER}/parts/${file}" size)
  if(size LESS 100)
    message(FATAL_ERROR "stretto: ${file} has ${size} bytes")
  endif()
endforeach()
file(STRINGS "${FOLDER}/parts/steps.jsonl" lines)
list(LENGTH lines count)
if(NOT count EQUAL 5)
  message(FATAL_ERROR "stretto: steps.jsonl has ${count} lines, not 5")
endif()

# Texts that are longer than the window, and their prompt, too; with what was read kept they are those of reading it again.
run(0 ${tiny} --ranks 2 --schedule interleaved_1f1b --chunks 2 --steps 3 --out "${FOLDER}/text" --texts 3 --letters 60 --read-again --prompt "the ranks of a pipeline, and what they say")
if(NOT out MATCHES "writing +[0-9]+ tokens a second, 4 texts at once, with keys and values kept\nwriting +[0-9]+ tokens.*the same texts: yes\n")
  message(FATAL_ERROR "stretto: gpt writes\n${out}")
endif()
run(1 ${tiny} --steps 1 --texts 9 --out "${FOLDER}/many")
if(NOT err STREQUAL "stretto: gpt is to write 9 texts at once, and a step has 8 samples; ask for as many at most\n")
  message(FATAL_ERROR "stretto: gpt says\n${err}")
endif()

# fp16: the scale goes on from the checkpoint, too; and options are those of before, where no others are given.
run(0 ${tiny} --dtype fp16 --ranks 2 --steps 3 --rates constant --letters 0 --out "${FOLDER}/fp16_parts")
run(0 --ranks 1 --schedule gpipe --steps 5 --resume --out "${FOLDER}/fp16_parts")
if(NOT out MATCHES "goes on     from step 3, with 2 to come")
  message(FATAL_ERROR "stretto: gpt doesn't say that it goes on\n${out}")
endif()
if(NOT out MATCHES "scale [0-9]+")
  message(FATAL_ERROR "stretto: gpt says nothing of the scale\n${out}")
endif()
run(0 ${tiny} --dtype fp16 --ranks 4 --schedule zb_h1 --steps 5 --rates constant --letters 0 --out "${FOLDER}/fp16_whole")
foreach(file weights optimizer)
  file(SHA256 "${FOLDER}/fp16_parts/checkpoints/step_00000005/${file}.safetensors" parts)
  file(SHA256 "${FOLDER}/fp16_whole/checkpoints/step_00000005/${file}.safetensors" whole)
  if(NOT parts STREQUAL whole)
    message(FATAL_ERROR "stretto: ${file} of a run in fp16 that went on from step 3 differ from those of one that didn't stop")
  endif()
endforeach()

run(0 ${tiny} --dry-run --out "${FOLDER}/dry")
if(NOT out MATCHES "memory, foretold" OR out MATCHES "loss")
  message(FATAL_ERROR "stretto: a dry run says\n${out}")
endif()
run(1 --layers 2 --width 50 --heads 3 --dry-run)
if(NOT err STREQUAL "stretto: a Transformer of width 50 can't share it evenly among 3 heads; change one, or give head_size\n")
  message(FATAL_ERROR "stretto: gpt says\n${err}")
endif()
run(1 --steps 1 --data "${FOLDER}/nowhere.bin" --out "${FOLDER}/none")
if(NOT err MATCHES "^stretto: [^\n]*nowhere.bin[^\n]*\n$")
  message(FATAL_ERROR "stretto: gpt says\n${err}")
endif()
