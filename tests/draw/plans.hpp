// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Plans that pictures are tested with: every schedule of the list, pairs by hand, several lanes, names that mean harm.
#pragma once

#include <string>
#include <vector>

#include <stretto/draw/timeline.hpp>
#include <stretto/plan/draft.hpp>
#include <stretto/schedule.hpp>

namespace plans {

using namespace stretto;

inline const char* const harm = "</script></title>&\"'<b>\\ \x01\xff \xe2\x80\xa8";

/// Two ranks, with overlapped pairs on the first.
inline plan with_pairs() {
  draft d;
  d.order_of = {{action::forward(0, 0), action::forward(0, 1), action::backward(0, 0).with_next(), action::forward(0, 2), action::backward(0, 1), action::backward(0, 2)},
                {action::forward(1, 0), action::backward(1, 0), action::forward(1, 1), action::backward(1, 1), action::forward(1, 2), action::backward(1, 2)}};
  return make_plan(d);
}

/// One rank with a lane for copies and a pass that takes no time.
inline plan with_lanes() {
  draft d;
  const pass_id copy = d.kinds.add(pass_kind{.name = "COPY", .on = lane::copy_out});
  d.kinds.add(edge{copy, relation::same_place, pass::forward});
  d.order_of = {{action::forward(0, 0), action::of(copy, 0, 0), action::forward(0, 1), action::of(copy, 0, 1), action::backward(0, 0), action::backward(0, 1),
                 action::of(pass::reduce_grad, 0, 0)}};
  return make_plan(d);
}

/// All of them, by small sizes that each schedule takes.
inline std::vector<plan> all() {
  std::vector<plan> some;
  all_schedules::each([&](auto s) {
    using S = decltype(s);
    some.push_back(make_plan(s, {.ranks = 4, .micro_batches = 8, .chunks = takes_chunks<S>() ? 2 : 1}));
  });
  some.push_back(with_pairs());
  some.push_back(with_lanes());
  return some;
}

}  // namespace plans
