# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Included by projects that build Stretto as a part of themselves, with STRETTO_DIR its source folder: they get the
# library and none of its tests, examples, benchmarks, install rules or settings.
foreach(option IN ITEMS STRETTO_BUILD_TESTS STRETTO_BUILD_EXAMPLES STRETTO_BUILD_BENCH STRETTO_INSTALL)
  if(${option})
    message(FATAL_ERROR "stretto: ${option} is on in a project that only adds Stretto; its default must be off there.")
  endif()
endforeach()
get_property(targets DIRECTORY "${STRETTO_DIR}" PROPERTY BUILDSYSTEM_TARGETS)
get_property(folders DIRECTORY "${STRETTO_DIR}" PROPERTY SUBDIRECTORIES)
get_property(tests DIRECTORY "${STRETTO_DIR}" PROPERTY TESTS)
if(NOT targets STREQUAL "stretto" OR folders OR tests)
  message(FATAL_ERROR "stretto: adding Stretto brings targets '${targets}', folders '${folders}' and tests '${tests}'; "
                      "it should bring the target stretto only.")
endif()
if(CMAKE_BUILD_TYPE OR CMAKE_EXPORT_COMPILE_COMMANDS OR DEFINED CMAKE_CXX_EXTENSIONS)
  message(FATAL_ERROR "stretto: adding Stretto changes its consumer's build type or settings; it must leave them alone.")
endif()
