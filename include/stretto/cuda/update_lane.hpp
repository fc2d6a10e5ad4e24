// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What an optimizer of a device is given beside a parameter: where its work is put, and what lies there for it.
//
//     struct my_optimizer {
//       using memory = basic_memory<Runtime>;                          its parameters and states lie there
//       static constexpr int states = 2;
//       static constexpr std::int64_t scratch_bytes = 65536;
//       template <class P> static void clear(const P&, const update_lane&);                 gradient = 0
//       template <class P> static void squares(const P&, double* to, const update_lane&);   the sum of its squares, to pinned memory
//       template <class P> void operator()(const P&, const update_lane&) const;             a step, with at.scalars on the device
//     };
// All of it is put on the stream; nobody waits. Cost: none.
#pragma once

#include <cstdint>

namespace stretto::inline v0 {
struct optimizer_scalars;
}

namespace stretto::inline v0::cuda {

struct update_lane {
  const void* stream = nullptr;  ///< a Runtime::stream
  void* scratch = nullptr;       ///< scratch_bytes on the device
  const optimizer_scalars* scalars = nullptr;  ///< on the device
};

}  // namespace stretto::inline v0::cuda
