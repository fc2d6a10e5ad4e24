// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The transport of gpt_mpi: made when it is first asked for.
#pragma once

#include <stretto/transport/mpi.hpp>

namespace gpt {

inline stretto::mpi& processes() {
  static stretto::mpi all({.deadline = 300});
  return all;
}

}  // namespace gpt
