# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# cmake -DPAGE=<README.md> -DROOT=<folder of the project> -DWORK=<scratch folder> -DCXX=<compiler> -DGENERATOR=...
#       -DMAKE_PROGRAM=... -P consumers.cmake
#
# Builds the page's CMake blocks as projects of strangers, with the page's program as hello.cpp. The first block is a
# whole CMakeLists.txt; each later one stands in place of its row `add_subdirectory(stretto)`. For one that looks for an
# installed package, the headers are installed first.
cmake_minimum_required(VERSION 3.20)
include("${CMAKE_CURRENT_LIST_DIR}/blocks.cmake")
foreach(name IN ITEMS CXXFLAGS CPPFLAGS LDFLAGS CMAKE_PREFIX_PATH CPATH CPLUS_INCLUDE_PATH)
  unset(ENV{${name}})
endforeach()

file(REMOVE_RECURSE "${WORK}")
read_blocks("${PAGE}")
set(program "")
set(expected "")
set(whole "")
set(built 0)
foreach(i RANGE 1 ${block_count})
  if(block_${i}_info STREQUAL "cpp" AND block_${i}_body MATCHES "int main" AND program STREQUAL "")
    set(program "${block_${i}_body}")
  elseif(block_${i}_info STREQUAL "text output" AND expected STREQUAL "")
    set(expected "${block_${i}_body}")
  elseif(block_${i}_info STREQUAL "cmake")
    set(text "${block_${i}_body}")
    set(row "${block_${i}_row}")
    if(whole STREQUAL "")
      set(whole "${text}")
    else()
      string(REPLACE "add_subdirectory(stretto)\n" "${text}" text "${whole}")
    endif()
    set(project "${WORK}/project_${row}")
    file(MAKE_DIRECTORY "${project}")
    file(CREATE_LINK "${ROOT}" "${project}/stretto" SYMBOLIC)
    file(WRITE "${project}/hello.cpp" "${program}")
    file(WRITE "${project}/CMakeLists.txt" "${text}")
    set(settings "-DCMAKE_MAKE_PROGRAM=${MAKE_PROGRAM}" "-DCMAKE_CXX_COMPILER=${CXX}")
    if(text MATCHES "find_package")
      execute_process(COMMAND "${CMAKE_COMMAND}" -S "${ROOT}" -B "${WORK}/stretto" -G "${GENERATOR}" ${settings}
                              -DSTRETTO_BUILD_TESTS=OFF -DSTRETTO_BUILD_BENCH=OFF -DSTRETTO_BUILD_EXAMPLES=OFF
                      COMMAND_ERROR_IS_FATAL ANY OUTPUT_QUIET)
      execute_process(COMMAND "${CMAKE_COMMAND}" --install "${WORK}/stretto" --prefix "${WORK}/prefix"
                      COMMAND_ERROR_IS_FATAL ANY OUTPUT_QUIET)
      list(APPEND settings "-DCMAKE_PREFIX_PATH=${WORK}/prefix")
    endif()
    execute_process(COMMAND "${CMAKE_COMMAND}" -S "${project}" -B "${project}/build" -G "${GENERATOR}" ${settings}
                    RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
    if(result EQUAL 0)
      execute_process(COMMAND "${CMAKE_COMMAND}" --build "${project}/build" RESULT_VARIABLE result
                      OUTPUT_VARIABLE output ERROR_VARIABLE output)
    endif()
    if(NOT result EQUAL 0)
      fault("${PAGE}:${row}: the project in ${project} can't be built:\n${output}")
      continue()
    endif()
    find_program(hello hello PATHS "${project}/build" "${project}/build/Debug" NO_DEFAULT_PATH NO_CACHE REQUIRED)
    execute_process(COMMAND "${hello}" OUTPUT_VARIABLE printed)
    unset(hello)
    compare_output(difference "${printed}" "${expected}")
    if(NOT difference STREQUAL "")
      fault("${PAGE}:${row}: the program ${difference}")
    endif()
    math(EXPR built "${built} + 1")
  endif()
endforeach()
if(built LESS 3)
  fault("${PAGE}: only ${built} projects were built; a folder, a fetched folder and a package are three.")
endif()
report_faults()
