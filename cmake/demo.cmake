# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#     cmake -P cmake/demo.cmake
#
# Builds gpt and stretto-explore; compares schedules, trains a small GPT over four ranks for about a minute, lets it write,
# and leaves pictures. Needs a C++20 compiler and ninja or make, which are installed as in test.cmake if they are missing.
# What can be set is listed in stretto_setup.cmake.
cmake_minimum_required(VERSION 3.21)
include("${CMAKE_CURRENT_LIST_DIR}/stretto_setup.cmake")

if(NOT DEFINED BUILD_DIR)
  set(BUILD_DIR "${STRETTO_ROOT}/build/demo")
endif()
get_filename_component(BUILD_DIR "${BUILD_DIR}" ABSOLUTE)

stretto_need_build_tools()
stretto_install_missing()

set(stretto_target stretto_demo)  # the rest of the project isn't needed here
stretto_configure_and_build("${BUILD_DIR}" ok -DCMAKE_BUILD_TYPE=Release -DSTRETTO_BUILD_TESTS=OFF -DSTRETTO_BUILD_BENCH=OFF)
if(NOT ok)
  message(FATAL_ERROR "stretto: gpt or stretto-explore could not be built; the output above says why.")
endif()
find_program(explore stretto-explore PATHS "${BUILD_DIR}/examples" "${BUILD_DIR}/examples/Release" NO_DEFAULT_PATH
             NO_CACHE REQUIRED)

foreach(arguments IN ITEMS
        "show 1f1b --ranks 4 --micro-batches 8"
        "compare --ranks 4 --micro-batches 8 --memory-limit 6 --latency 0.1")
  stretto_say("\n$ stretto-explore ${arguments}")
  separate_arguments(words UNIX_COMMAND "${arguments}")
  execute_process(COMMAND "${explore}" ${words} RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "stretto: 'stretto-explore ${arguments}' ended with ${result}, not 0; its message is above.")
  endif()
endforeach()

# Training: its own text, four ranks of one thread.
find_program(gpt gpt PATHS "${BUILD_DIR}/examples" "${BUILD_DIR}/examples/Release" NO_DEFAULT_PATH NO_CACHE REQUIRED)
set(words --steps 400 --report 20 --html --anew --out "${BUILD_DIR}/gpt")
stretto_say("\n$ gpt --steps 400 --report 20 --html")
execute_process(COMMAND "${gpt}" ${words} RESULT_VARIABLE result)
if(NOT result EQUAL 0)
  message(FATAL_ERROR "stretto: gpt ended with ${result}, not 0; its message is above.")
endif()
