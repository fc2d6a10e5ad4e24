// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Build:        g++ -std=c++20 -Iinclude examples/02_own_schedule.cpp -o own_schedule
// Prints:       a schedule of one's own, drawn and checked, and its makespan and peak beside those of 1F1B.
// Change next:  the width; the two loops of order(), for example one micro-batch of the next wave before the drain.
#include <cstdio>
#include <string>

#include <stretto/stretto.hpp>

/// Waves: `width` micro-batches go forward, then the same ones go backward, then the next wave begins. A rank never
/// holds more than a wave; between two waves the plan runs empty.
struct waves {
  static constexpr const char* name = "waves";

  int width = 2;

  constexpr stretto::refusal refuses(const stretto::sizes& z) const {
    if (const stretto::refusal r = stretto::one_chunk_whole(z)) return r;
    if (width < 1) return {"a wave has at least one micro-batch", stretto::size_name::option, width, -1, 1, "width"};
    if (const int rest = z.micro_batches % width; rest != 0)
      return {"the last wave would not be full", stretto::size_name::micro_batches, z.micro_batches,
              z.micro_batches > width ? z.micro_batches - rest : -1, z.micro_batches - rest + width};
    return {};
  }

  constexpr void order(const stretto::sizes& z, int rank, auto&& put) const {
    for (int first = 0; first < z.micro_batches; first += width) {
      for (int m = first; m < first + width; ++m) put(stretto::action::forward(rank, m));
      for (int m = first; m < first + width; ++m) put(stretto::action::backward(rank, m));
    }
  }
};

void compare(const char* title, const stretto::plan& p) {
  const stretto::forecast f = stretto::simulate(p, stretto::costs(1, 1, 1));
  const double rate = 100 * f.bubble_rate();
  std::printf("%-12s makespan %2g   bubble rate %4.1f %%   peak %g\n", title, f.makespan, rate, f.peak);
}

int main() {
  const stretto::sizes z{.ranks = 4, .micro_batches = 8};
  const stretto::plan p = stretto::make_plan(waves{.width = 4}, z);
  stretto::require(stretto::check(p));  // throws the verdict's sentence where there is a fault
  std::printf("%s\n", stretto::to_grid(p).c_str());

  compare("waves of 2", stretto::make_plan(waves{.width = 2}, z));
  compare("waves of 4", p);
  compare("waves of 8", stretto::make_plan(waves{.width = 8}, z));
  compare("1F1B", stretto::make_plan(stretto::one_f_one_b{}, z));

  try {
    stretto::make_plan(waves{.width = 3}, z);
  } catch (const stretto::error& e) {
    std::printf("\n%s\n", e.what());
  }
}
