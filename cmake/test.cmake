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
# Optimized is what gains by it: tests of rooms say -O1 for themselves, benchmarks of kernels -O2. Examples and tools take a
# third of the time to build without; the demo's build has -O3. What nvcc makes for a device is optimized all the same.
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

if(NOT DEFINED STRETTO_SANITIZE)
  stretto_say("stretto: building the tests with sanitizers in ${BUILD_DIR}/sanitize")
  # Rooms of plans and pictures, whose arrays check what they are asked for, have their turn at night.
  set(rooms -DSTRETTO_TEST_ROOMS=core,tensor,numeric,host,stage,transport,run,stream,model,train)
  if(STRETTO_NIGHTLY)
    set(rooms "")
  endif()
  # Unoptimized: it builds in a third of the time, which is more than its tests lose. Reports name functions but no lines,
  # which would take a quarter more; the preset asan has them.
  stretto_configure_and_build("${BUILD_DIR}/sanitize" ok -DCMAKE_BUILD_TYPE=Debug "-DCMAKE_CXX_FLAGS_DEBUG=-O0"
                              -DSTRETTO_SANITIZE=address,undefined -DSTRETTO_CUDA=OFF -DSTRETTO_BUILD_EXAMPLES=OFF
                              -DSTRETTO_BUILD_BENCH=OFF ${rooms} ${join})
  if(ok)
    stretto_run_tests("${BUILD_DIR}/sanitize")
  else()
    math(EXPR stretto_failed "${stretto_failed} + 1")
  endif()
endif()

if(NOT DEFINED STRETTO_SANITIZE)
  stretto_find_thread_sanitizer("${BUILD_DIR}/race" works)
  if(works)
    stretto_say("stretto: building the rooms with threads with ThreadSanitizer in ${BUILD_DIR}/race")
    # Unoptimized: it builds in half the time, and races are the same. Without lines, as above; the preset tsan has them.
    stretto_configure_and_build("${BUILD_DIR}/race" ok -DCMAKE_BUILD_TYPE=Debug "-DCMAKE_CXX_FLAGS_DEBUG=-O0"
                                -DSTRETTO_SANITIZE=thread -DSTRETTO_TEST_ROOMS=run,transport -DSTRETTO_CUDA=OFF
                                -DSTRETTO_BUILD_EXAMPLES=OFF -DSTRETTO_BUILD_BENCH=OFF ${join})
    if(ok)
      stretto_run_tests("${BUILD_DIR}/race")
    else()
      math(EXPR stretto_failed "${stretto_failed} + 1")
    endif()
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
