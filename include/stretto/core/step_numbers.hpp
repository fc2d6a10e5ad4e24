// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What changes from step to step and isn't data. A rank's tools that want to know have
//
//     void begin_step(const step_numbers&);        called before each run of the rank's list
// and may put it into their device's memory, where operations read it.
#pragma once

#include <cstdint>

namespace stretto::inline v0 {

struct step_numbers {
  double loss_gradient = 0;  ///< what the last layer's gradient is
  std::uint32_t step = 0;    ///< as random numbers are keyed by it
};

}  // namespace stretto::inline v0
