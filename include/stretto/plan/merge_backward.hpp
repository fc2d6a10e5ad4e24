// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// merge_backward(plan): an input pass with the weight pass of the same stage, micro-batch and slice directly behind it
// becomes one fused backward.
//
//     0I0 0I1 0W0 0I2 0W2 0W1        0I0 0I1 0W0 0B2 0W1
// Overlapped pairs stay as they are. Cost: O(actions).
// Source: the merging of PyTorch's schedules.
#pragma once

#include <cstdint>

#include <stretto/plan/plan_like.hpp>

namespace stretto::inline v0 {

constexpr plan merge_backward(const plan_view& p) {
  constexpr std::uint32_t halves = 1u << pass::backward_input | 1u << pass::backward_weight;
  const graph& g = *p.passes;
  const bool has_fused = g.has(pass::backward) && g.passes[pass::backward].covers == halves;
  return rewritten(p, [&](int, const view<const action>& list, auto&& put) {
    for (std::int64_t i = 0; i < list.count; ++i) {
      const action& a = list[i];
      const bool fits = has_fused && i + 1 < list.count && a.kind == role::run && a.pass == pass::backward_input &&
                        (i == 0 || list[i - 1].kind != role::run_with_next) &&
                        list[i + 1] == action::backward_weight(a.stage, a.micro_batch, a.slice);
      put(fits ? action::backward(a.stage, a.micro_batch, a.slice) : a);
      i += fits ? 1 : 0;
    }
  });
}

}  // namespace stretto::inline v0
