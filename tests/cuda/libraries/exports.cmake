# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# cmake -DNM=... -DROOT=... -DLIBRARY=liba.so -P exports.cmake: a library exports no kernel, and nothing that launches one.
# With -DOBJECTS=ON it must, or this script finds nothing.
cmake_minimum_required(VERSION 3.21)
execute_process(COMMAND "${NM}" -D --defined-only --demangle "${LIBRARY}" OUTPUT_VARIABLE output COMMAND_ERROR_IS_FATAL ANY)
string(REGEX REPLACE "[];[]" "_" output "\n${output}")
include("${CMAKE_CURRENT_LIST_DIR}/../kernel_names.cmake")
stretto_kernel_names(kernels "${ROOT}")
list(JOIN kernels "|" kernels)
set(exported "")
# Kernels; operations, which take a queue; products; launches themselves.
foreach(pattern IN ITEMS "stretto::v0::cuda::(${kernels})[<(]" "stretto::v0::cuda::(detail::)?[a-z_]+<[^\n(]*>\\(stretto::v0::cuda::basic_queue<[^\n(]*>&" "::product_call<[^\n]*>::(run|plainly|finish)\\("
        "cuda::(runtime|basic_queue<[a-z_0-9:]+>)::launch<")
  string(REGEX MATCHALL "\n[0-9a-f]* [A-Za-z] [^\n]*${pattern}[^\n]*" found "${output}")
  list(LENGTH found count)
  if(OBJECTS AND count EQUAL 0)
    message(FATAL_ERROR "stretto: ${LIBRARY} hides nothing, and still nothing like '${pattern}' was found among its names; correct exports.cmake.")
  endif()
  list(APPEND exported ${found})
endforeach()
if(exported AND NOT OBJECTS)
  list(JOIN exported "" exported)
  message(FATAL_ERROR "stretto: ${LIBRARY} exports names that launch or are kernels, so that another library's may be called; hide them with "
                      "STRETTO_KERNEL and STRETTO_OPERATION.${exported}")
endif()
if(NOT output MATCHES "look_at_[ab]")
  message(FATAL_ERROR "stretto: ${LIBRARY} doesn't export look_at_a or look_at_b; this test shows nothing.")
endif()
