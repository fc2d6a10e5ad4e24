// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What a rank has of its parameters, and how all of its steps are run.
//
//     local_parameter<>::of(one, rank, row, 2)      a parameter, its row on the board, two runs of numbers for the optimizer
// Cost: the optimizer's numbers, in memory.
#pragma once

#include <cstdint>
#include <vector>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/run/ranges.hpp>
#include <stretto/stage/context.hpp>
#include <stretto/stage/parameters.hpp>
#include <stretto/tensor/tensor.hpp>

namespace stretto::inline v0::detail {

inline error asked_otherwise(int rank, std::int64_t step) {
  return error(text("stretto: rank ", rank, " was asked for another run than this rank, or with another normalizer, or has gone on for eight steps, at run ", step,
                    "; ask all ranks for the same steps, and for results before eight more").str(), {.rank = rank});
}

/// A parameter of a local rank, its row on the board and the optimizer's numbers beside it.
template <class Space = host_memory>
struct local_parameter {
  parameter what;
  int row = 0;
  std::vector<tensor<float, 1, Space>> narrow;
  std::vector<tensor<double, 1, Space>> wide;

  static local_parameter of(const parameter& one, int rank, int row, int states) {
    local_parameter p;
    p.what = one, p.what.rank = rank;
    p.row = row;
    const std::int64_t n = one.gradient != nullptr ? one.count : 0;
    for (int k = 0; k < states; ++k) {
      if (one.type == number_type::float32) p.narrow.emplace_back(stretto::shape<1>{{n}});
      else p.wide.emplace_back(stretto::shape<1>{{n}});
    }
    for (std::size_t k = 0; k < p.narrow.size(); ++k) p.what.states[k] = p.narrow[k].data();
    for (std::size_t k = 0; k < p.wide.size(); ++k) p.what.states[k] = p.wide[k].data();
    return p;
  }
};

struct run_settings {
  std::uint32_t seed = 0;
  std::int64_t samples = 1;
  double clip = 0;
  bool skips = false;
  std::int64_t skipped = 0;  // steps before the first
  bool records = false;
  const range_hooks* ranges = nullptr;
  view<const feed_source> feeds;
};

}  // namespace stretto::inline v0::detail
