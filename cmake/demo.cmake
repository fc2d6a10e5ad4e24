# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#     cmake -P cmake/demo.cmake
#
# Builds the tool stretto-explore and lets it show what it does. Needs a C++20 compiler and ninja or make, which are
# installed as in test.cmake if they are missing. What can be set is listed in stretto_setup.cmake.
cmake_minimum_required(VERSION 3.21)
include("${CMAKE_CURRENT_LIST_DIR}/stretto_setup.cmake")

if(NOT DEFINED BUILD_DIR)
  set(BUILD_DIR "${STRETTO_ROOT}/build/demo")
endif()
get_filename_component(BUILD_DIR "${BUILD_DIR}" ABSOLUTE)

stretto_need_build_tools()
stretto_install_missing()

# As stretto_configure_and_build, but the tool alone: the examples and the rest of the project aren't needed here.
set(settings -DCMAKE_BUILD_TYPE=Release -DSTRETTO_BUILD_TESTS=OFF -DSTRETTO_BUILD_BENCH=OFF)
get_cmake_property(names VARIABLES)
foreach(name IN LISTS names)
  get_property(given CACHE "${name}" PROPERTY TYPE)
  if(name MATCHES "^(STRETTO_[A-Z_]+|CMAKE_CXX_COMPILER|CMAKE_BUILD_TYPE)$" AND given)
    list(APPEND settings "-D${name}=${${name}}")
  endif()
endforeach()
set(generator "")
find_program(ninja NAMES ninja ninja-build NO_CACHE)
if(ninja AND NOT EXISTS "${BUILD_DIR}/CMakeCache.txt" AND NOT DEFINED ENV{CMAKE_GENERATOR})
  set(generator -G Ninja)
endif()
execute_process(COMMAND "${CMAKE_COMMAND}" -S "${STRETTO_ROOT}" -B "${BUILD_DIR}" --no-warn-unused-cli ${generator}
                        ${settings}
                RESULT_VARIABLE result)
if(result EQUAL 0)
  cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)
  execute_process(COMMAND "${CMAKE_COMMAND}" --build "${BUILD_DIR}" --config Release --target stretto-explore --parallel ${cores}
                  RESULT_VARIABLE result)
endif()
if(NOT result EQUAL 0)
  message(FATAL_ERROR "stretto: stretto-explore could not be built; the output above says why.")
endif()
find_program(explore stretto-explore PATHS "${BUILD_DIR}/examples" "${BUILD_DIR}/examples/Release" NO_DEFAULT_PATH
             NO_CACHE REQUIRED)

foreach(arguments IN ITEMS
        "list"
        "show 1f1b --ranks 4 --micro-batches 8"
        "compare --ranks 4 --micro-batches 8 --memory-limit 6 --latency 0.1"
        "metrics 1f1b --ranks 4 --micro-batches 8"
        "metrics interleaved_1f1b --ranks 4 --micro-batches 8 --chunks 2"
        "csv 1f1b --ranks 4 --micro-batches 8"
        "simulate 1f1b --ranks 4 --micro-batches 8 --latency 0.1")
  stretto_say("\n$ stretto-explore ${arguments}")
  separate_arguments(words UNIX_COMMAND "${arguments}")
  execute_process(COMMAND "${explore}" ${words} RESULT_VARIABLE result)
  if(NOT result EQUAL 0)
    message(FATAL_ERROR "stretto: 'stretto-explore ${arguments}' ended with ${result}, not 0; its message is above.")
  endif()
endforeach()
