// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Who this process is, and plans by which the tests run.
#pragma once

#include <stretto/transport/mpi.hpp>

#include "run/toy.hpp"

namespace processes {

using namespace stretto;

inline int rank() {
  int r = 0;
  MPI_Comm_rank(MPI_COMM_WORLD, &r);
  return r;
}
inline int count() {
  int n = 0;
  MPI_Comm_size(MPI_COMM_WORLD, &n);
  return n;
}

/// Whether it holds on all ranks: so that all of them go the same way.
inline bool everywhere(bool holds) {
  int mine = holds ? 1 : 0, all = 0;
  MPI_Allreduce(&mine, &all, 1, MPI_INT, MPI_MIN, MPI_COMM_WORLD);
  return all != 0;
}

template <class S, class... Of>
inline constexpr bool is_one_of = (std::is_same_v<S, Of> || ...);

/// Plans of six schedules, and of all others where asked: visit(plan, name).
template <class Visit>
void each_plan(int ranks, int micro_batches, bool all, Visit&& visit) {
  all_schedules::each([&](auto s) {
    using S = decltype(s);
    if constexpr (!std::is_same_v<S, forward_only>)
      for (int chunks = 1; chunks <= (takes_chunks<S>() ? 2 : 1); ++chunks) {
        const sizes z{.ranks = ranks, .micro_batches = micro_batches, .chunks = chunks};
        constexpr bool of_six = is_one_of<S, gpipe, one_f_one_b, interleaved_one_f_one_b, zb_h1, zb_v, dualpipe_v>;
        if ((all || (of_six && (chunks == 2 || !takes_chunks<S>()))) && !refuses(s, z)) visit(make_plan(s, z), std::string_view(s.name));
      }
  });
}

}  // namespace processes
