// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A plan of every schedule with close to 4,096 actions is generated and checked while this compiles, within the compilers'
// default limits.
#include <cstdint>

#include <stretto/plan.hpp>
#include <stretto/schedule.hpp>

namespace {

using namespace stretto;

/// Sizes at which a schedule has close to 4,096 actions, or as many as it has a plan for.
template <class S>
constexpr sizes large() {
  sizes z{.ranks = takes_chunks<S>() ? 8 : 16, .micro_batches = 32, .chunks = takes_chunks<S>() ? 4 : 1};
  while (z.chunks > 1 && refuses(S{}, z)) z.chunks /= 2;
  std::int64_t some = 0;
  for (int r = 0; r < z.ranks; ++r) S{}.order(z, r, [&](const action&) { ++some; });
  z.micro_batches = static_cast<int>(4096 * 32 / some);
  while (z.micro_batches > 1 && refuses(S{}, z)) --z.micro_batches;
  return z;
}

template <class S>
constexpr bool fits() {
  constexpr sizes z = large<S>();
  const std::int64_t count = static_plan<S, ranks<z.ranks>, micro_batches<z.micro_batches>, chunks<z.chunks>>.actions.size();
  return count > 3600 && count <= 4096;
}

template <class... S>
constexpr bool all_fit(schedule_list<S...>) {
  return (fits<S>() && ...);
}

static_assert(all_fit(all_schedules{}));
static_assert(static_plan<configured<interleaved_one_f_one_b{.group = 16}>, ranks<16>, micro_batches<64>, chunks<2>>.actions.size() == 4096);
static_assert(static_plan<forward_only, ranks<8>, micro_batches<64>, chunks<2>, slices<4>>.actions.size() == 4096);

}  // namespace
