# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# The compilers that every static and compile-fail test is put to: g++ and clang++ (one of them is the configured one,
# the other is taken if it is found) and nvcc if it is found. Their names are in `stretto_compilers`;
# stretto_compile_command() makes the command that checks one file.

set(stretto_compilers "")
set(stretto_check_flags -std=c++20 "-I${PROJECT_SOURCE_DIR}/include" -fsyntax-only)

# The diagnostics' source lines are left out: a message must come from the compiler, not from the line that it quotes.
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  set(stretto_gxx "${CMAKE_CXX_COMPILER}")
else()
  find_program(STRETTO_GXX g++ DOC "g++, for the static and compile-fail tests")
  set(stretto_gxx "${STRETTO_GXX}")
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "Clang")
  set(stretto_clangxx "${CMAKE_CXX_COMPILER}")
else()
  find_program(STRETTO_CLANGXX clang++ DOC "clang++, for the static and compile-fail tests and for fuzzing")
  set(stretto_clangxx "${STRETTO_CLANGXX}")
endif()

# Takes a compiler that was found only if it is the configured one or as new as the oldest that Stretto supports.
function(stretto_take_compiler name path oldest flags)
  if(NOT path)
    message(STATUS "stretto: ${name} was not found, so no test is put to it")
    return()
  endif()
  execute_process(COMMAND "${path}" -dumpversion OUTPUT_VARIABLE version ERROR_QUIET OUTPUT_STRIP_TRAILING_WHITESPACE)
  if(version VERSION_LESS oldest AND NOT path STREQUAL CMAKE_CXX_COMPILER)
    message(STATUS "stretto: ${path} is older than ${name} ${oldest}, so no test is put to it")
    return()
  endif()
  set(stretto_compilers ${stretto_compilers} ${name} PARENT_SCOPE)
  set(stretto_compile_${name} "${path}" ${stretto_check_flags} ${flags} PARENT_SCOPE)
endfunction()
stretto_take_compiler(g++ "${stretto_gxx}" 12 -fno-diagnostics-show-caret)
stretto_take_compiler(clang++ "${stretto_clangxx}" 14 -fno-caret-diagnostics)
if(STRETTO_CUDA_FOUND)
  list(APPEND stretto_compilers nvcc)
endif()

# Sets `out` to the command that checks `source` with the compiler `name`. -cuda makes nvcc run both of its front ends
# and stop before g++; with WHOLE it goes on, since g++ then compiles what nvcc has rewritten.
function(stretto_compile_command out name source)
  if(name STREQUAL "nvcc")
    get_filename_component(stem "${source}" NAME_WE)
    set(command "${STRETTO_NVCC}" -std=c++20 -ccbin "${CMAKE_CUDA_HOST_COMPILER}" "-I${PROJECT_SOURCE_DIR}/include"
                -x cu -cuda -o "${CMAKE_CURRENT_BINARY_DIR}/${stem}.cu.ii")
    if("WHOLE" IN_LIST ARGN)
      list(TRANSFORM command REPLACE "^-cuda$" "-c")
    endif()
  else()
    set(command ${stretto_compile_${name}})
  endif()
  set(${out} ${command} "${source}" PARENT_SCOPE)
endfunction()
