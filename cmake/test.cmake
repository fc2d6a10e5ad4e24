# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
#     cmake -P cmake/test.cmake
#
# Installs the Debian packages that the tests lack (as root or with passwordless sudo; otherwise it names them), builds
# everything, runs every test, and runs the rooms' tests once more under AddressSanitizer and
# UndefinedBehaviorSanitizer, and those with threads under ThreadSanitizer. The last line is
# `N passed, N failed, N skipped`; the exit code is 0 if none failed.
# What can be set is listed in stretto_setup.cmake.
cmake_minimum_required(VERSION 3.21)
include("${CMAKE_CURRENT_LIST_DIR}/stretto_setup.cmake")

if(NOT DEFINED BUILD_DIR)
  set(BUILD_DIR "${STRETTO_ROOT}/build")
endif()
get_filename_component(BUILD_DIR "${BUILD_DIR}" ABSOLUTE)

string(TIMESTAMP begun "%s")
stretto_need_build_tools()
stretto_need_test_tools()
stretto_install_missing()

set(stretto_passed 0)
set(stretto_failed 0)
set(stretto_skipped 0)

# The tests of a room in few sources, each of many files: a third of the time to compile.
set(join -DSTRETTO_JOIN_TESTS=16)

stretto_say("stretto: building everything in ${BUILD_DIR}")
# Optimized is what gains by it: rooms whose tests compute say -O1 for themselves. The others, examples and tools take a third of
# the time to build without; the demo's build has -O3. What nvcc makes for a device is optimized all the same.
set(front_end -DSTRETTO_CUDA_FRONT_END=ON)
if(STRETTO_NIGHTLY)
  set(front_end "")
endif()
stretto_configure_and_build("${BUILD_DIR}" ok "-DCMAKE_CXX_FLAGS_RELEASE=-O0 -DNDEBUG" "-DCMAKE_CUDA_FLAGS_RELEASE=-O0 -DNDEBUG" ${front_end} ${join})
if(ok)
  # A minute for each reader where that leaves the whole below 25 minutes on two cores; else what is set there.
  string(TIMESTAMP built "%s")
  math(EXPR took "${built} - ${begun}")
  if(NOT DEFINED STRETTO_FUZZ_SECONDS AND NOT DEFINED STRETTO_SANITIZE AND took LESS 450)
    stretto_say("stretto: built in ${took} s, so each reader is fuzzed for 60 s")
    execute_process(COMMAND "${CMAKE_COMMAND}" -DSTRETTO_FUZZ_SECONDS=60 "${BUILD_DIR}" OUTPUT_QUIET)
  endif()
  stretto_run_tests("${BUILD_DIR}")
else()
  math(EXPR stretto_failed "${stretto_failed} + 1")
endif()

# stretto_sanitized_tests(<folder> <sanitizers> <rooms> [<compiler>]). Unoptimized: it builds in a third of the time, which is more
# than tests lose, and races are the same. Reports name functions but no lines, which would take a quarter more; the presets asan
# and tsan have them. A macro, because what is counted is the caller's.
macro(stretto_sanitized_tests folder sanitizers rooms)
  set(by "")
  if(NOT "${ARGN}" STREQUAL "")
    set(by "-DCMAKE_CXX_COMPILER=${ARGN}")
  endif()
  stretto_say("stretto: building tests with ${sanitizers} sanitizers in ${folder}")
  stretto_configure_and_build("${folder}" ok -DCMAKE_BUILD_TYPE=Debug "-DCMAKE_CXX_FLAGS_DEBUG=-O0" "-DSTRETTO_SANITIZE=${sanitizers}"
                              "-DSTRETTO_TEST_ROOMS=${rooms}" -DSTRETTO_CUDA=OFF -DSTRETTO_BUILD_EXAMPLES=OFF -DSTRETTO_BUILD_BENCH=OFF
                              ${join} ${by})
  if(ok)
    stretto_run_tests("${folder}")
  else()
    math(EXPR stretto_failed "${stretto_failed} + 1")
  endif()
endmacro()

if(NOT DEFINED STRETTO_SANITIZE)
  # clang++ compiles unoptimized code in a third of g++'s time and finds more; but what it makes of kernels takes thrice as long, so
  # rooms that compute most are the usual compiler's. Rooms of plans and pictures, whose arrays check what they are asked for,
  # have their turn at night.
  set(computing "numeric,host,model")
  set(others "core,tensor,stage,transport,run,stream,train")
  find_program(clang clang++ NO_CACHE)
  foreach(sanitizers IN ITEMS "address,undefined" "thread")
    stretto_try_sanitizers(clang_works "${BUILD_DIR}/sanitize" "${sanitizers}" "${clang}")
    if(NOT clang OR NOT clang_works OR DEFINED CMAKE_CXX_COMPILER)
      set(clang "")
    endif()
  endforeach()
  if(STRETTO_NIGHTLY)
    set(computing "")
  elseif(NOT clang)
    set(computing "${computing},${others}")
  endif()
  stretto_sanitized_tests("${BUILD_DIR}/sanitize" "address,undefined" "${computing}")
  if(clang)
    stretto_sanitized_tests("${BUILD_DIR}/sanitize_clang" "address,undefined" "${others}" "${clang}")
  endif()

  stretto_try_sanitizers(works "${BUILD_DIR}/race" thread "${clang}")
  if(works)
    stretto_sanitized_tests("${BUILD_DIR}/race" thread "run,transport" "${clang}")
  else()
    stretto_say("stretto: programs with -fsanitize=thread can't be built or don't start here; "
                "the tests under ThreadSanitizer are left out.")
    math(EXPR stretto_skipped "${stretto_skipped} + 1")
  endif()
endif()

# Before the counts, because they are the last line.
if(NOT stretto_failed EQUAL 0)
  message(SEND_ERROR "stretto: the build or a test failed; the output above says which.")
endif()
stretto_say("${stretto_passed} passed, ${stretto_failed} failed, ${stretto_skipped} skipped")
