# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# For the scripts test.cmake and demo.cmake: finds out what is missing, installs Debian packages by name where that is
# possible, and configures, builds and tests. Where nothing is missing, nothing is installed and no network is touched.
#   -DBUILD_DIR=...      where to build; each script has its default
#   -DINSTALL=OFF        never install a package
#   -DSTRETTO_...=..., -DCMAKE_CXX_COMPILER=..., -DCMAKE_BUILD_TYPE=...   passed on to the configuration
# Of these for the tests:
#   -DSTRETTO_FUZZ_SECONDS=...   how long each fuzz test runs: 10 by default; the test command takes 60 where it built within 450 s
#   -DSTRETTO_FUZZ_RUNS=1000000  or how many inputs it tries
#   -DSTRETTO_LIBTORCH=ON        installs LibTorch (some 200 packages), for examples/22_libtorch.cpp
#   -DSTRETTO_NIGHTLY=ON         adds what is too slow for every run; a fuzz test tries a million inputs then
if(CMAKE_VERSION VERSION_LESS 3.21)
  message(FATAL_ERROR "stretto: this script needs CMake 3.21 and this is ${CMAKE_VERSION}; "
                      "use a newer one, or configure and build by hand.")
endif()

get_filename_component(STRETTO_ROOT "${CMAKE_CURRENT_LIST_DIR}" DIRECTORY)

# Prints to standard output with no prefix, unlike message().
function(stretto_say)
  execute_process(COMMAND "${CMAKE_COMMAND}" -E echo "${ARGN}")
endfunction()

# stretto_need(REQUIRED|OPTIONAL <Debian package> <what for> PROGRAM <names> | FILE <patterns>)
# If none of the programs or files is there, the package joins stretto_missing_REQUIRED or stretto_missing_OPTIONAL.
function(stretto_need level package purpose kind)
  set(found "")
  if(kind STREQUAL "PROGRAM")
    foreach(name IN LISTS ARGN)
      find_program(program "${name}" NO_CACHE)
      if(program)
        set(found "${program}")
      endif()
      unset(program)
    endforeach()
  else()
    file(GLOB found ${ARGN})
  endif()
  if(NOT found)
    set(stretto_missing_${level} ${stretto_missing_${level}} "${package}" PARENT_SCOPE)
    set(stretto_missing_purposes "${stretto_missing_purposes}\n    ${package}: ${purpose}" PARENT_SCOPE)
  endif()
endfunction()

# What a build of any kind needs.
macro(stretto_need_build_tools)
  if(DEFINED CMAKE_CXX_COMPILER)
    stretto_need(REQUIRED g++ "a C++20 compiler" PROGRAM "${CMAKE_CXX_COMPILER}")
  elseif(DEFINED ENV{CXX})
    stretto_need(REQUIRED g++ "a C++20 compiler" PROGRAM "$ENV{CXX}")
  else()
    stretto_need(REQUIRED g++ "a C++20 compiler" PROGRAM c++ g++ clang++)
  endif()
  stretto_need(REQUIRED ninja-build "builds (make would do, too)" PROGRAM ninja ninja-build make gmake)
endmacro()

# Where a library's headers may be: the system's folders and the prefixes that CMake is told of.
function(stretto_header_patterns out)
  set(prefixes /usr /usr/local)
  foreach(variable IN ITEMS CMAKE_PREFIX_PATH Catch2_ROOT benchmark_ROOT)
    string(REPLACE ":" ";" more "$ENV{${variable}}")
    list(APPEND prefixes ${more} ${${variable}})
  endforeach()
  set(patterns "")
  foreach(prefix IN LISTS prefixes)
    foreach(header IN LISTS ARGN)
      list(APPEND patterns "${prefix}/include/${header}")
    endforeach()
  endforeach()
  set(${out} ${patterns} PARENT_SCOPE)
endfunction()

# What the tests use besides. The optional packages add tests: with clang++ the static, compile-fail and fuzz tests.
macro(stretto_need_test_tools)
  stretto_header_patterns(catch2 catch2/catch.hpp catch2/catch_all.hpp)
  stretto_need(REQUIRED catch2 "the unit tests" FILE ${catch2})
  stretto_header_patterns(benchmark benchmark/benchmark.h)
  stretto_need(OPTIONAL libbenchmark-dev "the benchmarks" FILE ${benchmark})
  stretto_need(OPTIONAL libopenblas-dev "the test of host/blas.hpp" FILE /usr/include/cblas.h /usr/include/*/cblas.h
               /usr/include/openblas/cblas.h /usr/local/include/cblas.h)
  stretto_need(OPTIONAL libopenmpi-dev "the tests of ranks as processes" PROGRAM mpicxx)
  stretto_need(OPTIONAL openmpi-bin "likewise" PROGRAM mpiexec)
  stretto_need(OPTIONAL libmpich-dev "the same under MPICH" PROGRAM mpicxx.mpich)
  stretto_need(OPTIONAL mpich "likewise" PROGRAM mpiexec.mpich)
  stretto_need(OPTIONAL libeigen3-dev "the example of Eigen" FILE /usr/include/eigen3/Eigen/Dense /usr/local/include/eigen3/Eigen/Dense)
  if(STRETTO_LIBTORCH)  # too large to be installed unasked
    stretto_need(OPTIONAL libtorch-dev "the example of LibTorch" FILE /usr/include/torch/csrc/api/include/torch/torch.h)
  endif()
  stretto_need(OPTIONAL clang "the static, compile-fail and fuzz tests with clang++" PROGRAM clang++)
  stretto_need(OPTIONAL libclang-rt-dev "the fuzz tests" FILE /usr/lib/llvm-*/lib/clang/*/lib/linux/libclang_rt.fuzzer-*
               /usr/lib/llvm-*/lib/clang/*/lib/*/libclang_rt.fuzzer.a /usr/lib/clang/*/lib/linux/libclang_rt.fuzzer-*
               /usr/lib/clang/*/lib/*/libclang_rt.fuzzer.a)
endmacro()

# Sets `out` to the words to put before apt-get, and `can` to whether it can be run at all.
function(stretto_find_apt can out)
  set(${can} FALSE PARENT_SCOPE)
  if(DEFINED INSTALL AND NOT INSTALL)
    return()
  endif()
  find_program(apt_get apt-get NO_CACHE)
  execute_process(COMMAND id -u OUTPUT_VARIABLE user OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
  set(prefix "")
  if(NOT user STREQUAL "0")
    find_program(sudo sudo NO_CACHE)
    if(NOT sudo)
      return()
    endif()
    execute_process(COMMAND "${sudo}" -n true RESULT_VARIABLE result OUTPUT_QUIET ERROR_QUIET)
    if(NOT result EQUAL 0)
      return()
    endif()
    set(prefix "${sudo}" -n)
  endif()
  if(apt_get)
    set(${can} TRUE PARENT_SCOPE)
    set(${out} ${prefix} env DEBIAN_FRONTEND=noninteractive "${apt_get}" -o DPkg::Lock::Timeout=120 PARENT_SCOPE)
  endif()
endfunction()

# Installs what is missing, or stops with one message that names it all. Optional packages never stop the script.
function(stretto_install_missing)
  set(missing ${stretto_missing_REQUIRED} ${stretto_missing_OPTIONAL})
  if(NOT missing)
    return()
  endif()
  list(JOIN missing " " names)
  stretto_find_apt(can apt)
  if(can)
    stretto_say("stretto: installing the Debian packages ${names}")
    execute_process(COMMAND ${apt} update)
    if(stretto_missing_REQUIRED)
      execute_process(COMMAND ${apt} install -y --no-install-recommends ${stretto_missing_REQUIRED}
                      RESULT_VARIABLE result)
      if(NOT result EQUAL 0)
        list(JOIN stretto_missing_REQUIRED " " names)
        message(FATAL_ERROR "stretto: apt-get could not install ${names}; install them by hand and start again.")
      endif()
    endif()
    # One by one, so that a name that this release lacks does not keep the others out.
    foreach(package IN LISTS stretto_missing_OPTIONAL)
      execute_process(COMMAND ${apt} install -y --no-install-recommends ${package} RESULT_VARIABLE result)
      if(NOT result EQUAL 0)
        stretto_say("stretto: ${package} could not be installed; what needs it is left out.")
      endif()
    endforeach()
  elseif(stretto_missing_REQUIRED)
    message(FATAL_ERROR "stretto: Debian packages are missing and can't be installed from here; as root, run\n"
                        "    apt-get install ${names}\nand start again.  They are for:${stretto_missing_purposes}")
  else()
    stretto_say("stretto: going on without the optional Debian packages ${names}; what needs them is left out.")
  endif()
endfunction()

# stretto_try_sanitizers(<works> <folder> <sanitizers> [<compiler>]): sets `works` to whether programs with them can be built and
# start. They need a runtime library, and addresses where they expect them, which a kernel may spread too widely.
function(stretto_try_sanitizers works folder sanitizers)
  set(${works} FALSE PARENT_SCOPE)
  if(ARGN)
    set(compiler "${ARGN}")
  elseif(DEFINED CMAKE_CXX_COMPILER)
    set(compiler "${CMAKE_CXX_COMPILER}")
  elseif(DEFINED ENV{CXX})
    set(compiler "$ENV{CXX}")
  else()
    find_program(compiler NAMES c++ g++ clang++ NO_CACHE)
  endif()
  file(WRITE "${folder}/starts.cpp" "#include <string>\nint main(int argc, char**) { return std::to_string(argc).size() == 1 ? 0 : 1; }\n")
  execute_process(COMMAND ${compiler} -fsanitize=${sanitizers} "${folder}/starts.cpp" -o "${folder}/starts"
                  RESULT_VARIABLE result OUTPUT_QUIET ERROR_QUIET)
  if(NOT result EQUAL 0)
    return()
  endif()
  foreach(try RANGE 1 10)  # where addresses are drawn at random, it starts now and then
    execute_process(COMMAND "${folder}/starts" RESULT_VARIABLE result OUTPUT_QUIET ERROR_QUIET)
    if(NOT result EQUAL 0)
      return()
    endif()
  endforeach()
  set(${works} TRUE PARENT_SCOPE)
endfunction()

# stretto_configure_and_build(<folder> <ok> <settings>...): sets `ok` to whether both steps went well. Where the caller has set
# stretto_target, that target alone is built.
function(stretto_configure_and_build folder ok)
  set(generator "")
  find_program(ninja NAMES ninja ninja-build NO_CACHE)
  if(ninja AND NOT EXISTS "${folder}/CMakeCache.txt" AND NOT DEFINED ENV{CMAKE_GENERATOR})
    set(generator -G Ninja)
  endif()
  set(settings "")
  get_cmake_property(names VARIABLES)
  foreach(name IN LISTS names)
    get_property(given CACHE "${name}" PROPERTY TYPE)
    if(name MATCHES "^(STRETTO_[A-Z_]+|CMAKE_CXX_COMPILER|CMAKE_BUILD_TYPE)$" AND given)
      list(APPEND settings "-D${name}=${${name}}")
    endif()
  endforeach()
  # The last setting of a name wins, so the caller's come first.
  execute_process(COMMAND "${CMAKE_COMMAND}" -S "${STRETTO_ROOT}" -B "${folder}" --no-warn-unused-cli ${generator}
                          ${ARGN} ${settings}
                  RESULT_VARIABLE result)
  if(result EQUAL 0)
    cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)
    set(only "")
    if(DEFINED stretto_target)
      set(only --target ${stretto_target})
    endif()
    execute_process(COMMAND "${CMAKE_COMMAND}" --build "${folder}" ${only} --parallel ${cores} RESULT_VARIABLE result)
  endif()
  set(${ok} FALSE PARENT_SCOPE)
  if(result EQUAL 0)
    set(${ok} TRUE PARENT_SCOPE)
  endif()
endfunction()

# stretto_run_tests(<folder>): runs CTest there and adds to stretto_passed, stretto_failed and stretto_skipped.
function(stretto_run_tests folder)
  set(report "${folder}/stretto_tests.xml")
  file(REMOVE "${report}")
  cmake_host_system_information(RESULT cores QUERY NUMBER_OF_LOGICAL_CORES)
  execute_process(COMMAND "${CMAKE_CTEST_COMMAND}" --test-dir "${folder}" --output-on-failure --parallel ${cores}
                          --output-junit "${report}" RESULT_VARIABLE result)
  set(text "")
  if(EXISTS "${report}")
    file(READ "${report}" text)
  endif()
  # The report's own totals count a test that could not start as skipped; here it has failed.
  string(REGEX MATCHALL "\n\t<testcase name=" total "${text}")
  string(REGEX MATCHALL "status=\"run\">\n" passed "${text}")
  string(REGEX MATCHALL "status=\"disabled\">\n" disabled "${text}")
  string(REGEX MATCHALL "status=\"notrun\">\n\t\t<skipped message=\"SKIP_RE" skipped "${text}")
  foreach(list IN ITEMS total passed disabled skipped)
    list(LENGTH ${list} ${list})
  endforeach()
  math(EXPR skipped "${skipped} + ${disabled}")
  math(EXPR failed "${total} - ${passed} - ${skipped}")
  if(failed EQUAL 0 AND (NOT result EQUAL 0 OR total EQUAL 0))
    set(failed 1)
  endif()
  foreach(count IN ITEMS passed failed skipped)
    math(EXPR sum "${stretto_${count}} + ${${count}}")
    set(stretto_${count} ${sum} PARENT_SCOPE)
  endforeach()
endfunction()
