// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Build:        g++ -std=c++20 -Iinclude examples/04_own_pass.cpp -o own_pass
// Prints:       1F1B with a pass of one's own: every rank computes a share of the vocabulary, and the last stage's
//               backward pass waits for all shares. The picture, the times beside plain 1F1B, the messages, and two
//               verdicts: on S in another order on rank 1, and on S too late on rank 2.
// Change next:  the cost of S; the number of S before the first B; hops::last to hops::all, to see who waits then.
#include <cstdio>
#include <string>
#include <utility>

#include <stretto/stretto.hpp>

/// 1F1B whose output layer is split over all ranks: S of a micro-batch runs on each rank, after the last stage's F of
/// it and before the last stage's B of it. One more micro-batch than in 1F1B is on its way, so that nobody waits.
struct vocabulary_1f1b {
  static constexpr const char* name = "vocabulary_1f1b";

  static constexpr stretto::pass_id s = stretto::pass::first_user;

  constexpr stretto::graph passes(const stretto::sizes&) const {
    using namespace stretto;
    graph g = training();
    // The pass: done by ranks, whatever stages they own; text forms call it S.
    g.add(pass_kind{.name = "S", .by = scope::rank});
    // Its rows. S waits for the F of the route's last hop, whose result comes to the other ranks in messages named S.
    // At the last hop the backward pass waits for the S of every rank in S's group (here all ranks): a barrier.
    g.add(edge{s, relation::last_hop, pass::forward, "S"});
    g.add(edge{pass::backward_input, relation::group, s, {}, hops::last});
    return g;
  }

  constexpr void order(const stretto::sizes& z, int rank, auto&& put) const {
    const int behind = z.ranks - 1 - rank;  // ranks behind this one
    int f = 0, v = 0;
    const auto forward = [&] {
      if (f < z.micro_batches) put(stretto::action::forward(rank, f++));
    };
    const auto vocabulary = [&] {
      if (v < z.micro_batches) put(stretto::action::of(s, rank, v++));
    };
    for (int i = 0; i < behind + 2; ++i) forward();
    for (int i = 0; i < behind; ++i) vocabulary();
    for (int b = 0; b < z.micro_batches; ++b) {
      vocabulary();
      put(stretto::action::backward(rank, b));
      forward();
    }
  }
};

void compare(const char* title, const stretto::plan& p, const stretto::costs& c) {
  const stretto::forecast f = stretto::simulate(p, c);
  std::printf("%-7s makespan %g, work %g, bubble %g, peak %g\n", title, f.makespan, f.work, f.bubble(), f.peak);
}

int main() {
  const stretto::sizes z{.ranks = 3, .micro_batches = 6};
  stretto::plan p = stretto::make_plan(vocabulary_1f1b{}, z);
  stretto::require(stretto::check(p));

  stretto::costs c(1, 1, 1);
  c.pass[vocabulary_1f1b::s] = 1;  // of one rank's share of the vocabulary
  std::printf("%s\n", stretto::to_grid(p, c).c_str());

  compare("with S", p, c);
  compare("1F1B", stretto::make_plan(stretto::one_f_one_b{}, z), c);

  // Lowered, the last stage sends to every rank: > names the receiver.
  const std::string csv = stretto::to_csv(stretto::lower(p));
  const auto last_row = csv.rfind('\n', csv.size() - 2) + 1;
  std::printf("\n%s…\n\n", csv.substr(last_row, 60).c_str());

  // The members of a group must begin its collectives in one order.
  const auto s_of = [&](int rank, int m) {
    auto i = p.rows[rank];
    while (p.actions[i] != stretto::action::of(vocabulary_1f1b::s, rank, m)) ++i;
    return i;
  };
  std::swap(p.actions[s_of(1, 0)], p.actions[s_of(1, 1)]);
  std::printf("%s\n", stretto::check(p).words.c_str());
  std::swap(p.actions[s_of(1, 0)], p.actions[s_of(1, 1)]);

  // And a barrier can't be passed before one's own share is done.
  std::swap(p.actions[s_of(2, 0)], p.actions[s_of(2, 0) + 1]);
  std::printf("%s\n", stretto::check(p).words.c_str());
}
