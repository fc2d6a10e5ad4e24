# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# What Stretto's own targets (tests, tools, benchmarks) are built with. All of it is PRIVATE: a consumer of
# stretto::stretto sees none of these flags.
include_guard(GLOBAL)

# -Wsign-conversion is left out: counts are int and index standard containers throughout.
function(stretto_warnings target)
  set(flags -Wall -Wextra -Wpedantic -Wconversion -Wno-sign-conversion -Wshadow -Wold-style-cast -Wcast-align
      -Wnon-virtual-dtor -Woverloaded-virtual -Wdouble-promotion -Wformat=2 -Wimplicit-fallthrough -Wundef)
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    list(APPEND flags -Wduplicated-cond -Wlogical-op)
    # g++ 12 warns of "text" + std::string (gcc.gnu.org/PR105651).
    if(CMAKE_CXX_COMPILER_VERSION VERSION_LESS 13)
      list(APPEND flags -Wno-restrict)
    endif()
  endif()
  if(STRETTO_WERROR)
    list(APPEND flags -Werror)
  endif()
  target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CXX>:${flags}>")
  if(STRETTO_WERROR)
    target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CUDA>:-Werror=all-warnings>")
  endif()
endfunction()

# stretto_sanitize(<target> [LIGHT]). LIGHT is without the checks of every pointer that is followed, which double the time
# to compile; AddressSanitizer ends a program at a null pointer by itself.
function(stretto_sanitize target)
  if(STRETTO_SANITIZE)
    set(flags -fsanitize=${STRETTO_SANITIZE} -fno-omit-frame-pointer)
    if("LIGHT" IN_LIST ARGN AND STRETTO_SANITIZE MATCHES "undefined")
      list(APPEND flags -fno-sanitize=null,alignment,object-size,vptr)
    endif()
    if(STRETTO_SANITIZE MATCHES "undefined")
      list(APPEND flags -fno-sanitize-recover=undefined)
    endif()
    target_compile_options(${target} PRIVATE ${flags})
    target_link_options(${target} PRIVATE ${flags})
    # No compiler but g++ says so by itself.
    target_compile_definitions(${target} PRIVATE STRETTO_SANITIZED)
    if(STRETTO_SANITIZE MATCHES "thread")
      target_compile_definitions(${target} PRIVATE STRETTO_SANITIZED_FOR_RACES)
    endif()
  endif()
endfunction()

# stretto_own(<target> [LIGHT]): an executable or library of Stretto's own; LIGHT as above.
function(stretto_own target)
  target_link_libraries(${target} PRIVATE stretto::stretto)
  stretto_warnings(${target})
  stretto_sanitize(${target} ${ARGN})
endfunction()

# An older CMake doesn't know that nvcc has C++20.
function(stretto_cuda_standard target)
  if(NOT "cuda_std_20" IN_LIST CMAKE_CUDA_COMPILE_FEATURES)
    target_compile_options(${target} PRIVATE $<$<COMPILE_LANG_AND_ID:CUDA,NVIDIA>:-std=c++20>)
  endif()
endfunction()

# stretto_cuda(<target>): as stretto_own, of what nvcc compiles.
function(stretto_cuda target)
  stretto_own(${target})
  find_package(CUDAToolkit REQUIRED)
  target_link_libraries(${target} PRIVATE CUDA::cublasLt)
  stretto_cuda_standard(${target})
endfunction()

# stretto_front_end(<target>): nvcc makes no code for a device of it, and so takes a quarter of the time. Over a device that isn't
# there it runs as ever.
function(stretto_front_end target)
  set_target_properties(${target} PROPERTIES CUDA_ARCHITECTURES 80-real)
  target_compile_options(${target} PRIVATE "$<$<COMPILE_LANGUAGE:CUDA>:-fdevice-syntax-only>")
endfunction()

if(STRETTO_SANITIZE)
  include(CMakePushCheckState)
  include(CheckCXXSourceCompiles)
  string(MAKE_C_IDENTIFIER "STRETTO_HAS_SANITIZE_${STRETTO_SANITIZE}" stretto_sanitize_works)
  cmake_push_check_state(RESET)
  set(CMAKE_REQUIRED_FLAGS "-fsanitize=${STRETTO_SANITIZE}")
  check_cxx_source_compiles("int main() {}" ${stretto_sanitize_works})
  cmake_pop_check_state()
  if(NOT ${stretto_sanitize_works})
    message(FATAL_ERROR "stretto: ${CMAKE_CXX_COMPILER} can't build a program with -fsanitize=${STRETTO_SANITIZE}; "
                        "install its runtime, or choose other sanitizers in STRETTO_SANITIZE.")
  endif()
endif()
