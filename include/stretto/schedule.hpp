// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// All schedules, and the list of them that tools go through. A new schedule is one file in schedule/ and one entry here.
#pragma once

#include <stretto/schedule/dualpipe.hpp>
#include <stretto/schedule/dualpipe_v.hpp>
#include <stretto/schedule/eager_one_f_one_b.hpp>
#include <stretto/schedule/forward_of.hpp>
#include <stretto/schedule/forward_only.hpp>
#include <stretto/schedule/from_csv.hpp>
#include <stretto/schedule/from_table.hpp>
#include <stretto/schedule/gpipe.hpp>
#include <stretto/schedule/interleaved_one_f_one_b.hpp>
#include <stretto/schedule/interleaved_zb.hpp>
#include <stretto/schedule/looped_bfs.hpp>
#include <stretto/schedule/one_f_one_b.hpp>
#include <stretto/schedule/one_f_one_b_split.hpp>
#include <stretto/schedule/one_f_one_b_v.hpp>
#include <stretto/schedule/service_of.hpp>
#include <stretto/schedule/zb_h1.hpp>
#include <stretto/schedule/zb_h2.hpp>
#include <stretto/schedule/zb_v.hpp>

namespace stretto::inline v0 {

template <class... Schedules>
struct schedule_list {
  /// Calls visit(Schedule{}) for each.
  static constexpr void each(auto&& visit) { (visit(Schedules{}), ...); }
};

/// The schedules that are made from sizes alone.
using all_schedules = schedule_list<
    gpipe,
    one_f_one_b,
    one_f_one_b_split,
    eager_one_f_one_b,
    interleaved_one_f_one_b,
    looped_bfs,
    zb_h1,
    zb_h2,
    interleaved_zb,
    zb_v,
    one_f_one_b_v,
    dualpipe,
    dualpipe_v,
    forward_only>;

}  // namespace stretto::inline v0
