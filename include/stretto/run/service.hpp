// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What ranks ask of whoever has items for them, where an order of forward passes is walked for as long as items come. Item
// n is micro-batch n % M of walk n / M, M being the order's micro-batches, so each channel is a ring of M boxes: a queue.
//
//     ready(stage, n)  ─►  take, unless it is the first stage  ─►  begin  ─►  layers, unless it is empty  ─►  end  ─►  put
// A mark that isn't 0 makes an item empty: it goes through all stages in its place, and no layer sees it. So order and
// identity of messages stay what was proved of the plan, whatever is dropped. The walk that an item marked `last` is of is
// the last one. Functions are called on the threads of the ranks. Cost: four indirect calls a pass.
#pragma once

#include <cstdint>

#include <stretto/stage/context.hpp>

namespace stretto::inline v0 {

struct service_calls {
  static constexpr std::int32_t last = 1 << 30;  ///< in a mark: no walk comes after this one

  void* with = nullptr;
  /// Whether a stage can take its next item. The rank is rung when that may have changed.
  bool (*ready)(void* with, int stage, std::int64_t number) = nullptr;
  /// An item is about to be worked on; gives its mark. `mark`: what it came with, 0 on the first stage.
  std::int32_t (*begin)(void* with, int stage, std::int64_t number, std::int32_t mark, context& c) = nullptr;
  /// A layer threw; gives the mark to go on with, or 0 to end the run.
  std::int32_t (*threw)(void* with, int stage, std::int64_t number, int layer, const char* what) = nullptr;
  /// It was worked on, or passed by.
  void (*end)(void* with, int stage, std::int64_t number, std::int32_t mark) = nullptr;
};

}  // namespace stretto::inline v0
