# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# cmake -DWORK=<scratch folder> -P bench/cuda/tests/table.cmake: table.cmake writes what it should from lines that are made up,
# twice the same, leaves the rest of a page alone, and objects to what it can't use.
cmake_minimum_required(VERSION 3.20)
set(script "${CMAKE_CURRENT_LIST_DIR}/../table.cmake")
file(REMOVE_RECURSE "${WORK}")
file(MAKE_DIRECTORY "${WORK}")

file(WRITE "${WORK}/bench.jsonl" [=[
{"what": "device", "device": "Some device", "multiprocessors": 9, "toolkit": "13.0", "driver": "for CUDA 13.0", "command": "bench_kernels_cuda --json x"}
{"what": "roof", "roof": "copy", "type": "", "by": "kernel", "us": 100.0, "spread": 0.5, "rate": 990.0, "unit": "GB/s"}
{"what": "roof", "roof": "copy", "type": "", "by": "driver", "us": 99.0, "spread": 0.5, "rate": 1000.5, "unit": "GB/s"}
{"what": "bench", "name": "rms_norm", "type": "bf16", "size": "8x4", "us": 12.5, "spread": 1.0, "rate": 950.0, "unit": "GB/s", "roof": "copy", "share": 0.949, "bound": 0.90, "met": "yes"}
{"what": "bench", "name": "adamw_step", "type": "fp32", "size": "77", "us": 30.0, "spread": 2.0, "rate": 700.0, "unit": "GB/s", "roof": "copy", "share": 0.700, "bound": 0.90, "met": "no"}
{"what": "bench", "name": "dw += dy' x; all", "type": "bf16", "size": "8x4x2", "us": 7.1, "spread": 0.1, "rate": 1.5, "unit": "TFLOP/s"}
{"what": "contender", "by": "CUB", "name": "adamw_step", "type": "fp32", "size": "77", "us": 28.0, "spread": 2.0}
]=])
file(WRITE "${WORK}/all.jsonl" [=[
{"what": "machine", "device": "Some device", "architecture": "90", "multiprocessors": 9, "memory_gib": 4, "devices": 1, "toolkit": "13.0", "driver": "580.1"}
{"what": "contender", "by": "PyTorch", "name": "rms_norm", "type": "bf16", "size": "8x4", "us": 20.0, "spread": 1.0}
{"what": "contender", "by": "PyTorch", "name": "rms_norm", "type": "bf16", "size": "8x5", "us": 99.0, "spread": 1.0}
{"what": "run", "part": "checks", "name": "norm_check", "result": "failed", "seconds": 3, "more": "ends with 1; 4 ok | 1 failed"}
{"what": "verdict", "result": "failed", "seconds": 9}
]=])
file(WRITE "${WORK}/page.md" [=[
# A page; with [brackets] and ${names}

<!-- figures of a CUDA device -->
old figures
<!-- end of these figures -->

The end; of it.
]=])
set(expected [=[
# A page; with [brackets] and ${names}

<!-- figures of a CUDA device -->

Some device; toolkit 13.0, driver 580.1; `bench_kernels_cuda --json x`. Roofs, the fastest of all rounds' medians:

| roof | |
|---|---|
| copy | 1000.5 GB/s |

A share is of the roof in the same rounds; µs are medians, with the distance of the quartiles in hundredths of them.

| operation | type | size | µs | | rate | share | bound | PyTorch, µs | CUB, µs |
|---|---|---|---|---|---|---|---|---|---|
| `rms_norm` | bf16 | 8x4 | 12.5 | 1.0 % | 950.0 GB/s | 0.949 of a copy | 0.90: met | 20.0 |  |
| `adamw_step` | fp32 | 77 | 30.0 | 2.0 % | 700.0 GB/s | 0.700 of a copy | **0.90: missed** |  | 28.0 |
| `dw += dy' x; all` | bf16 | 8x4x2 | 7.1 | 0.1 % | 1.5 TFLOP/s |  |  |  |  |

`bench/gpu_acceptance/run` failed:

| part | program | result | seconds | |
|---|---|---|---|---|
| checks | `norm_check` | failed | 3 | ends with 1; 4 ok \| 1 failed |

<!-- end of these figures -->

The end; of it.
]=])

function(write_table result output)
  execute_process(COMMAND "${CMAKE_COMMAND}" ${ARGN} -P "${script}" RESULT_VARIABLE code OUTPUT_VARIABLE said ERROR_VARIABLE said)
  set(${result} "${code}" PARENT_SCOPE)
  string(REGEX REPLACE "[ \n]+" " " said "${said}")
  set(${output} "${said}" PARENT_SCOPE)
endfunction()

foreach(turn IN ITEMS first second)
  write_table(code said "-DFROM=${WORK}/all.jsonl\\;${WORK}/bench.jsonl" "-DPAGE=${WORK}/page.md")
  file(READ "${WORK}/page.md" written)
  if(NOT code EQUAL 0 OR NOT written STREQUAL expected)
    message(FATAL_ERROR "stretto: the ${turn} time table.cmake gave ${code}, said\n${said}\nand wrote\n${written}---\nwhich should be\n${expected}---")
  endif()
endforeach()

file(WRITE "${WORK}/bare.md" "no marks\n")
file(WRITE "${WORK}/empty.jsonl" "{\"what\": \"verdict\", \"result\": \"passed\", \"seconds\": 1}\n")
foreach(wrong IN ITEMS "bench.jsonl|bare.md|put them where the figures go" "empty.jsonl|page.md|has no line of bench_kernels_cuda")
  string(REPLACE "|" ";" wrong "${wrong}")
  list(GET wrong 0 from)
  list(GET wrong 1 page)
  list(GET wrong 2 words)
  write_table(code said "-DFROM=${WORK}/${from}" "-DPAGE=${WORK}/${page}")
  if(code EQUAL 0 OR NOT said MATCHES "${words}")
    message(FATAL_ERROR "stretto: table.cmake of ${from} into ${page} gave ${code} and said\n${said}\nand not '${words}'")
  endif()
endforeach()
