# SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#
# stretto_kernel_names(<out> <root>): the names of all kernels in include/stretto/cuda/kernels.
function(stretto_kernel_names out root)
  set(kernels "")
  file(GLOB headers "${root}/include/stretto/cuda/kernels/*.cuh")
  foreach(header IN LISTS headers)
    file(STRINGS "${header}" lines REGEX "^STRETTO_KERNEL ")
    foreach(line IN LISTS lines)
      string(REGEX REPLACE "__launch_bounds__\\([^)]*\\)" "" line "${line}")
      string(REGEX MATCH "([a-z_0-9]+)\\(" found "${line}")
      list(APPEND kernels "${CMAKE_MATCH_1}")
    endforeach()
  endforeach()
  set(${out} "${kernels}" PARENT_SCOPE)
endfunction()
