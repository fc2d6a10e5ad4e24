# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# Included by strangers' projects: stretto::stretto brings an include path and C++20, and nothing else.
foreach(property IN ITEMS INTERFACE_COMPILE_OPTIONS INTERFACE_COMPILE_DEFINITIONS INTERFACE_LINK_LIBRARIES
                          INTERFACE_LINK_OPTIONS INTERFACE_SOURCES INTERFACE_PRECOMPILE_HEADERS)
  get_property(value TARGET stretto::stretto PROPERTY ${property})
  if(NOT "${value}" STREQUAL "")
    message(FATAL_ERROR "stretto: ${property} of stretto::stretto is '${value}', which leaks to consumers; make it private.")
  endif()
endforeach()
get_property(value TARGET stretto::stretto PROPERTY INTERFACE_COMPILE_FEATURES)
if(NOT value STREQUAL "cxx_std_20")
  message(FATAL_ERROR "stretto: INTERFACE_COMPILE_FEATURES of stretto::stretto is '${value}'; it should be cxx_std_20.")
endif()
