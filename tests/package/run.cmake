# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# One step of the package tests, from an empty folder each time.
#   -DSTEP=install   installs the build BUILD_DIR to PREFIX, by way of another folder: a package must bear being moved
#   -DSTEP=project   configures SOURCE in WORK with SETTINGS, builds it, and installs it to PREFIX or runs `stranger`
# CXX, GENERATOR and MAKE_PROGRAM are those of Stretto's own build; SETTINGS is separated by |.
cmake_minimum_required(VERSION 3.20)

function(run)
  execute_process(COMMAND ${ARGN} RESULT_VARIABLE result OUTPUT_VARIABLE output ERROR_VARIABLE output)
  if(NOT result EQUAL 0)
    list(JOIN ARGN " " words)
    message("${output}")
    message(FATAL_ERROR "stretto: '${words}' ended with ${result} after printing the above; mend what it names.")
  endif()
endfunction()

# A stranger has none of Stretto's compiler settings in the environment.
foreach(name IN ITEMS CXXFLAGS CPPFLAGS LDFLAGS CMAKE_PREFIX_PATH CPATH CPLUS_INCLUDE_PATH)
  unset(ENV{${name}})
endforeach()

if(STEP STREQUAL "install")
  file(REMOVE_RECURSE "${PREFIX}" "${PREFIX}-first")
  run("${CMAKE_COMMAND}" --install "${BUILD_DIR}" --config "${CONFIG}" --prefix "${PREFIX}-first")
  file(RENAME "${PREFIX}-first" "${PREFIX}")
  file(GLOB_RECURSE files RELATIVE "${PREFIX}" "${PREFIX}/*")
  set(wanted include/stretto/stretto.hpp share/licenses/stretto/LICENSE share/cmake/stretto/stretto-config.cmake)
  if(TOOL)
    list(APPEND wanted "bin/${TOOL}" bin/stretto-explain)
  endif()
  foreach(file IN LISTS wanted)
    if(NOT file IN_LIST files)
      message(FATAL_ERROR "stretto: the install lacks ${file}; add its rule to cmake/stretto_install.cmake.")
    endif()
  endforeach()
  foreach(file IN LISTS files)
    if(NOT file MATCHES "^(include/stretto/|share/(licenses|cmake)/stretto/|bin/stretto-)")
      message(FATAL_ERROR "stretto: the install has ${file}, which is none of Stretto's places; remove its rule.")
    endif()
  endforeach()
  if(TOOL)
    run("${PREFIX}/bin/${TOOL}" list)
    run("${PREFIX}/bin/stretto-explain" --version)
  endif()
  return()
endif()

string(REPLACE "|" ";" settings "${SETTINGS}")
file(REMOVE_RECURSE "${WORK}")
run("${CMAKE_COMMAND}" -S "${SOURCE}" -B "${WORK}" -G "${GENERATOR}" "-DCMAKE_MAKE_PROGRAM=${MAKE_PROGRAM}"
    "-DCMAKE_CXX_COMPILER=${CXX}" ${settings})
run("${CMAKE_COMMAND}" --build "${WORK}")
if(PREFIX)
  file(REMOVE_RECURSE "${PREFIX}")
  run("${CMAKE_COMMAND}" --install "${WORK}" --prefix "${PREFIX}")
else()
  find_program(stranger stranger PATHS "${WORK}" "${WORK}/Debug" NO_DEFAULT_PATH NO_CACHE REQUIRED)
  run("${stranger}")
  # None of these projects installs anything, so anything that is installed comes from Stretto.
  run("${CMAKE_COMMAND}" --install "${WORK}" --config Debug --prefix "${WORK}/installed")
  file(GLOB_RECURSE files "${WORK}/installed/*")
  if(files)
    message(FATAL_ERROR "stretto: installing a project that adds Stretto also installs ${files}; STRETTO_INSTALL leaks.")
  endif()
endif()
