// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Orders worked out elsewhere, cell for cell, with their makespan, span and peaks at unit costs. The texts are those of
// torch.distributed.pipelining and Megatron-LM for the same sizes. At the end, the rules by which others make the same
// orders (torchgpipe's and DeepSpeed's clocks, torch's rounds, Megatron's table, DualPipe's steps), for all sizes.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <stretto/stretto.hpp>

#include "catch.hpp"
#include "sweep.hpp"

using namespace stretto;

namespace {

/// The span is the makespan unless given.
void require_order(const plan& p, const std::string& csv, double makespan, const std::vector<double>& peaks, double span = 0) {
  CHECK(to_csv(p) == csv);
  CHECK(check(p).sentence() == "");
  const forecast f = simulate(p);
  CHECK(f.makespan == makespan);
  CHECK(f.span == (span > 0 ? span : makespan));
  REQUIRE(static_cast<std::size_t>(f.peak_of.size()) == peaks.size());
  for (std::size_t r = 0; r < peaks.size(); ++r) CHECK(f.peak_of[static_cast<std::int64_t>(r)] == peaks[r]);
  CHECK(to_csv(make_plan(from_csv(csv))) == csv);
  CHECK(simulate(make_plan(from_csv(csv))).makespan == makespan);
}

}  // namespace

TEST_CASE("gpipe on 3 ranks with 4 micro-batches is the worked order") {
  require_order(make_plan(gpipe{}, {.ranks = 3, .micro_batches = 4}),
                "0F0,0F1,0F2,0F3,0B0,0B1,0B2,0B3\n"
                "1F0,1F1,1F2,1F3,1B0,1B1,1B2,1B3\n"
                "2F0,2F1,2F2,2F3,2B0,2B1,2B2,2B3\n",
                18, {4, 4, 4});
}

TEST_CASE("1f1b on 4 ranks with 6 micro-batches is the worked order") {
  require_order(make_plan(one_f_one_b{}, {.ranks = 4, .micro_batches = 6}),
                "0F0,0F1,0F2,0F3,0B0,0F4,0B1,0F5,0B2,0B3,0B4,0B5\n"
                "1F0,1F1,1F2,1B0,1F3,1B1,1F4,1B2,1F5,1B3,1B4,1B5\n"
                "2F0,2F1,2B0,2F2,2B1,2F3,2B2,2F4,2B3,2F5,2B4,2B5\n"
                "3F0,3B0,3F1,3B1,3F2,3B2,3F3,3B3,3F4,3B4,3F5,3B5\n",
                27, {4, 3, 2, 1});
}

TEST_CASE("interleaved 1f1b on 2 ranks with 2 chunks and 4 micro-batches is the worked order of torch, and Megatron's with groups of 2") {
  require_order(make_plan(interleaved_one_f_one_b{}, {.ranks = 2, .micro_batches = 4, .chunks = 2}),
                "0F0,0F1,2F0,2F1,0F2,2B0,0F3,2B1,2F2,0B0,2F3,0B1,2B2,2B3,0B2,0B3\n"
                "1F0,1F1,3F0,3B0,3F1,3B1,1F2,1B0,1F3,1B1,3F2,3B2,3F3,3B3,1B2,1B3\n",
                13.5, {2.5, 1.5});
  CHECK(to_csv(make_plan(interleaved_one_f_one_b{2}, {.ranks = 2, .micro_batches = 4, .chunks = 2})) ==
        to_csv(make_plan(interleaved_one_f_one_b{}, {.ranks = 2, .micro_batches = 4, .chunks = 2})));
}

TEST_CASE("interleaved 1f1b on 4 ranks with 2 chunks and 4 micro-batches is the worked order") {
  require_order(make_plan(interleaved_one_f_one_b{}, {.ranks = 4, .micro_batches = 4, .chunks = 2}),
                "0F0,0F1,0F2,0F3,4F0,4F1,4F2,4F3,4B0,4B1,4B2,4B3,0B0,0B1,0B2,0B3\n"
                "1F0,1F1,1F2,1F3,5F0,5F1,5F2,5F3,5B0,5B1,5B2,5B3,1B0,1B1,1B2,1B3\n"
                "2F0,2F1,2F2,2F3,6F0,6F1,6F2,6B0,6F3,6B1,6B2,6B3,2B0,2B1,2B2,2B3\n"
                "3F0,3F1,3F2,3F3,7F0,7B0,7F1,7B1,7F2,7B2,7F3,7B3,3B0,3B1,3B2,3B3\n",
                16.5, {4, 4, 3.5, 2.5});
}

TEST_CASE("interleaved 1f1b with fewer micro-batches than ranks goes in one round, as torch's flexible form does") {
  require_order(make_plan(interleaved_one_f_one_b{}, {.ranks = 4, .micro_batches = 3, .chunks = 2}),
                "0F0,0F1,0F2,4F0,4F1,4F2,4B0,4B1,4B2,0B0,0B1,0B2\n"
                "1F0,1F1,1F2,5F0,5F1,5F2,5B0,5B1,5B2,1B0,1B1,1B2\n"
                "2F0,2F1,2F2,6F0,6F1,6F2,6B0,6B1,6B2,2B0,2B1,2B2\n"
                "3F0,3F1,3F2,7F0,7B0,7F1,7B1,7F2,7B2,3B0,3B1,3B2\n",
                15, {3, 3, 3, 2});
}

TEST_CASE("interleaved 1f1b in groups of 3 with a rest of 2 is Megatron's order") {
  require_order(make_plan(interleaved_one_f_one_b{3}, {.ranks = 2, .micro_batches = 5, .chunks = 2}),
                "0F0,0F1,0F2,2F0,2F1,2F2,2B0,0F3,2B1,0F4,2B2,2F3,0B0,2F4,0B1,0B2,2B3,2B4,0B3,0B4\n"
                "1F0,1F1,1F2,3F0,3B0,3F1,3B1,3F2,3B2,1F3,1B0,1F4,1B1,3F3,1B2,3F4,3B3,3B4,1B3,1B4\n",
                16.5, {3, 2});
}

TEST_CASE("the chunks of rank 0 in groups of 3 are those of Megatron's own comment") {
  const plan p = make_plan(interleaved_one_f_one_b{3}, {.ranks = 2, .micro_batches = 5, .chunks = 2});
  std::string chunks;
  for (const action& a : p.order(0)) chunks += (a.pass == pass::backward ? "-" : "") + std::to_string(a.stage / 2 + 1) + " ";
  CHECK(chunks == "1 1 1 2 2 2 -2 1 -2 1 -2 2 -1 2 -1 -1 -2 -2 -1 -1 ");
}

TEST_CASE("gpipe drains downwards on request, and differs in nothing else") {
  require_order(make_plan(gpipe{drain_order::descending}, {.ranks = 2, .micro_batches = 3}),
                "0F0,0F1,0F2,0B2,0B1,0B0\n"
                "1F0,1F1,1F2,1B2,1B1,1B0\n",
                12, {3, 3});
}

TEST_CASE("eager 1f1b on 4 ranks with 8 micro-batches is the worked order") {
  require_order(make_plan(eager_one_f_one_b{}, {.ranks = 4, .micro_batches = 8}),
                "0F0,0F1,0F2,0F3,0F4,0F5,0F6,0B0,0F7,0B1,0B2,0B3,0B4,0B5,0B6,0B7\n"
                "1F0,1F1,1F2,1F3,1F4,1B0,1F5,1B1,1F6,1B2,1F7,1B3,1B4,1B5,1B6,1B7\n"
                "2F0,2F1,2F2,2B0,2F3,2B1,2F4,2B2,2F5,2B3,2F6,2B4,2F7,2B5,2B6,2B7\n"
                "3F0,3B0,3F1,3B1,3F2,3B2,3F3,3B3,3F4,3B4,3F5,3B5,3F6,3B6,3F7,3B7\n",
                33, {7, 5, 3, 1});
}

TEST_CASE("looped breadth first on 2 ranks with 2 chunks and 3 micro-batches is the worked order") {
  require_order(make_plan(looped_bfs{}, {.ranks = 2, .micro_batches = 3, .chunks = 2}),
                "0F0,0F1,0F2,2F0,2F1,2F2,2B2,2B1,2B0,0B2,0B1,0B0\n"
                "1F0,1F1,1F2,3F0,3F1,3F2,3B2,3B1,3B0,1B2,1B1,1B0\n",
                10.5, {3, 3});
}

TEST_CASE("zb-h1 on 4 ranks with 6 micro-batches is the worked order") {
  require_order(make_plan(zb_h1{}, {.ranks = 4, .micro_batches = 6}),
                "0F0,0F1,0F2,0F3,0I0,0W0,0F4,0I1,0W1,0F5,0I2,0W2,0I3,0W3,0I4,0W4,0I5,0W5\n"
                "1F0,1F1,1F2,1I0,1F3,1I1,1W0,1F4,1I2,1W1,1F5,1I3,1W2,1I4,1W3,1I5,1W4,1W5\n"
                "2F0,2F1,2I0,2F2,2I1,2F3,2I2,2W0,2F4,2I3,2W1,2F5,2I4,2W2,2I5,2W3,2W4,2W5\n"
                "3F0,3I0,3F1,3I1,3F2,3I2,3F3,3I3,3W0,3F4,3I4,3W1,3F5,3I5,3W2,3W3,3W4,3W5\n",
                21, {4, 4, 4, 4});
}

TEST_CASE("zb-h2 on 3 ranks with 6 micro-batches is the worked order") {
  require_order(make_plan(zb_h2{}, {.ranks = 3, .micro_batches = 6}),
                "0F0,0F1,0F2,0F3,0F4,0I0,0W0,0F5,0I1,0W1,0I2,0W2,0I3,0W3,0I4,0W4,0I5,0W5\n"
                "1F0,1F1,1F2,1I0,1F3,1I1,1F4,1I2,1W0,1F5,1I3,1W1,1I4,1W2,1I5,1W3,1W4,1W5\n"
                "2F0,2I0,2F1,2I1,2F2,2I2,2F3,2I3,2F4,2I4,2W0,2F5,2I5,2W1,2W2,2W3,2W4,2W5\n",
                20, {5, 5, 5}, 18);
}

TEST_CASE("interleaved zero bubble on 2 ranks with 2 chunks and 4 micro-batches is the worked order of torch") {
  require_order(make_plan(interleaved_zb{}, {.ranks = 2, .micro_batches = 4, .chunks = 2}),
                "0F0,0F1,2F0,2F1,2I0,2W0,0F2,2I1,2W1,0F3,0I0,0W0,2F2,0I1,0W1,2F3,2I2,2W2,2I3,2W3,0I2,0W2,0I3,0W3\n"
                "1F0,1F1,3F0,3I0,3F1,3I1,3W0,1F2,1I0,3W1,1F3,1I1,1W0,3F2,3I2,1W1,3F3,3I3,3W2,1I2,3W3,1I3,1W2,1W3\n",
                12.5, {2, 2});
}

TEST_CASE("interleaved zero bubble on 4 ranks with 1 chunk and 4 micro-batches is the worked order, that of zb-h1") {
  require_order(make_plan(interleaved_zb{}, {.ranks = 4, .micro_batches = 4}),
                "0F0,0F1,0F2,0F3,0I0,0W0,0I1,0W1,0I2,0W2,0I3,0W3\n"
                "1F0,1F1,1F2,1I0,1F3,1I1,1W0,1I2,1W1,1I3,1W2,1W3\n"
                "2F0,2F1,2I0,2F2,2I1,2F3,2I2,2W0,2I3,2W1,2W2,2W3\n"
                "3F0,3I0,3F1,3I1,3F2,3I2,3F3,3I3,3W0,3W1,3W2,3W3\n",
                15, {4, 4, 4, 4});
}

TEST_CASE("zb-v on 2 ranks with 4 micro-batches is the worked order of torch") {
  require_order(make_plan(zb_v{}, {.ranks = 2, .micro_batches = 4}),
                "0F0,0F1,0F2,3F0,3I0,3W0,3F1,3I1,3W1,0F3,0I0,0W0,3F2,3I2,3W2,0I1,0W1,3F3,3I3,3W3,0I2,0W2,0I3,0W3\n"
                "1F0,2F0,1F1,2F1,2I0,2W0,1F2,1I0,1W0,2F2,2I1,2W1,1F3,1I1,1W1,2F3,2I2,2W2,1I2,2I3,1I3,1W2,2W3,1W3\n",
                12.5, {2, 2}, 12);
}

TEST_CASE("zb-v on 4 ranks with 8 micro-batches is the worked order of torch") {
  require_order(make_plan(zb_v{}, {.ranks = 4, .micro_batches = 8}),
                "0F0,0F1,0F2,0F3,0F4,0F5,0F6,7F0,7I0,7W0,7F1,7I1,7W1,7F2,7I2,7W2,7F3,7I3,7W3,0F7,0I0,0W0,7F4,7I4,7W4,0I1,0W1,"
                "7F5,7I5,7W5,0I2,0W2,7F6,7I6,7W6,0I3,0W3,7F7,7I7,7W7,0I4,0W4,0I5,0W5,0I6,0W6,0I7,0W7\n"
                "1F0,1F1,1F2,1F3,1F4,6F0,1F5,6F1,6I0,6W0,6F2,6I1,6W1,6F3,6I2,6W2,1F6,1I0,1W0,6F4,6I3,6W3,1F7,1I1,1W1,6F5,6I4,"
                "6W4,1I2,1W2,6F6,6I5,6W5,1I3,1W3,6F7,6I6,6W6,1I4,6I7,1I5,1W4,1I6,1W5,1I7,1W6,6W7,1W7\n"
                "2F0,2F1,2F2,5F0,2F3,5F1,2F4,5F2,5I0,5W0,5F3,5I1,5W1,2F5,2I0,2W0,5F4,5I2,5W2,2F6,2I1,2W1,5F5,5I3,5W3,2F7,2I2,"
                "2W2,5F6,5I4,5W4,2I3,2W3,5F7,5I5,5W5,2I4,5I6,2I5,5I7,2I6,2W4,2I7,2W5,5W6,5W7,2W6,2W7\n"
                "3F0,4F0,3F1,4F1,3F2,4F2,3F3,4F3,4I0,4W0,3F4,3I0,3W0,4F4,4I1,4W1,3F5,3I1,3W1,4F5,4I2,4W2,3F6,3I2,3W2,4F6,4I3,"
                "4W3,3F7,3I3,3W3,4F7,4I4,4W4,3I4,4I5,3I5,4I6,3I6,4I7,3I7,3W4,4W5,4W6,4W7,3W5,3W6,3W7\n",
                25.5, {4, 4, 4, 4}, 24);
}

TEST_CASE("dualpipe-v on 2 ranks with 5 micro-batches is the worked order of torch") {
  require_order(make_plan(dualpipe_v{}, {.ranks = 2, .micro_batches = 5}),
                "0F0,0F1,0F2,3F0,3I0,3W0,3F1,(0F3;3B1)OVERLAP_F_B,(3F2;0B0)OVERLAP_F_B,(0F4;3B2)OVERLAP_F_B,"
                "(3F3;0B1)OVERLAP_F_B,3B3,(3F4;0B2)OVERLAP_F_B,3B4,0I3,0W3,0I4,0W4\n"
                "1F0,2F0,1F1,2F1,1F2,2B0,(2F2;1B0)OVERLAP_F_B,(1F3;2B1)OVERLAP_F_B,(2F3;1B1)OVERLAP_F_B,(1F4;2B2)OVERLAP_F_B,"
                "(2F4;1B2)OVERLAP_F_B,2B3,1B3,2I4,1I4,2W4,1W4\n",
                16, {2.5, 2.5});
}

TEST_CASE("dualpipe on 4 ranks with 8 micro-batches is the worked order") {
  require_order(make_plan(dualpipe{}, {.ranks = 4, .micro_batches = 8}),
                "0Fa0,0Fa1,0Fa2,3Fb0,3Ib0,3Wb0,3Fb1,(0Fa3;3Bb1)OVERLAP_F_B,(3Fb2;0Ba0)OVERLAP_F_B,3Bb2,(3Fb3;0Ba1)OVERLAP_F_B,"
                "3Bb3,0Ia2,0Wa2,0Ia3,0Wa3\n"
                "1Fa0,2Fb0,1Fa1,2Fb1,1Fa2,2Bb0,(2Fb2;1Ba0)OVERLAP_F_B,(1Fa3;2Bb1)OVERLAP_F_B,(2Fb3;1Ba1)OVERLAP_F_B,2Bb2,1Ba2,"
                "2Ib3,1Ia3,2Wb3,1Wa3\n"
                "1Fb0,2Fa0,1Fb1,2Fa1,1Fb2,2Ba0,(2Fa2;1Bb0)OVERLAP_F_B,(1Fb3;2Ba1)OVERLAP_F_B,(2Fa3;1Bb1)OVERLAP_F_B,2Ba2,1Bb2,"
                "2Ia3,1Ib3,2Wa3,1Wb3\n"
                "0Fb0,0Fb1,0Fb2,3Fa0,3Ia0,3Wa0,3Fa1,(0Fb3;3Ba1)OVERLAP_F_B,(3Fa2;0Bb0)OVERLAP_F_B,3Ba2,(3Fa3;0Bb1)OVERLAP_F_B,"
                "3Ba3,0Ib2,0Wb2,0Ib3,0Wb3\n",
                26, {5, 5, 5, 5});
}

TEST_CASE("1f1b-v on 2 ranks with 4 micro-batches takes and holds what the worked order of others does, in another order") {
  const plan theirs = make_plan(from_csv("0F0,0F1,0F2,3F0,3B0,3F1,3B1,0F3,0B0,3F2,3B2,0B1,3F3,3B3,0B2,0B3\n"
                                         "1F0,2F0,1F1,2F1,2B0,1B0,1F2,2F2,2B1,1B1,1F3,2F3,2B2,1B2,2B3,1B3\n"));
  const plan ours = make_plan(one_f_one_b_v{}, {.ranks = 2, .micro_batches = 4});
  CHECK(simulate(theirs).makespan == 14);
  CHECK(simulate(ours).makespan == 14);
  CHECK(simulate(theirs).peak == 2);
  CHECK(simulate(ours).peak == 2);
}

TEST_CASE("dualpipe-v on 4 ranks with 10 micro-batches begins and ends on the last rank as torch's file does") {
  const std::string csv = to_csv(make_plan(dualpipe_v{}, {.ranks = 4, .micro_batches = 10}));
  const std::string last = csv.substr(csv.rfind('\n', csv.size() - 2) + 1);
  const std::string begins = "3F0,4F0,3F1,4F1,3F2,4F2,3F3,4F3,3F4,4B0,(4F4;3B0)OVERLAP_F_B,", ends = "4I8,3I8,4I9,3I9,4W8,3W8,4W9,3W9\n";
  CHECK(last.substr(0, begins.size()) == begins);
  CHECK(last.substr(last.size() - ends.size()) == ends);
}

TEST_CASE("a program of 1f1b on 2 ranks is the worked one") {
  CHECK(to_csv(lower(make_plan(one_f_one_b{}, {.ranks = 2, .micro_batches = 2}))) ==
        "0F0,0SEND_F0,0F1,0SEND_F1,0RECV_B0,0B0,0RECV_B1,0B1\n"
        "1RECV_F0,1F0,1RECV_F1,1B0,1SEND_B0,1F1,1B1,1SEND_B1\n");
}

TEST_CASE("forward only goes through the chunks in groups, and through the slices of a micro-batch in turn") {
  CHECK(to_csv(make_plan(forward_only{}, {.ranks = 2, .micro_batches = 3, .chunks = 2})) ==
        "0F0,0F1,0F2,2F0,2F1,2F2\n"
        "1F0,1F1,1F2,3F0,3F1,3F2\n");
  CHECK(to_csv(make_plan(forward_only{}, {.ranks = 2, .micro_batches = 2, .chunks = 1, .slices = 2})) ==
        "0F0,0F0s1,0F1,0F1s1\n"
        "1F0,1F0s1,1F1,1F1s1\n");
}

namespace {

using row = std::vector<action>;

/// A rank's order: `ahead` forward passes, then forward and backward passes in turn, then backward passes.
row in_turn(const row& forwards, const row& backwards, int ahead) {
  const auto warmup = std::min(static_cast<std::size_t>(ahead), forwards.size());
  row all(forwards.begin(), forwards.begin() + static_cast<std::ptrdiff_t>(warmup));
  for (std::size_t k = 0; k < backwards.size(); ++k) {
    if (warmup + k < forwards.size()) all.push_back(forwards[warmup + k]);
    all.push_back(backwards[k]);
  }
  return all;
}

template <class S>
void require_row(const S& s, const sizes& z, int group, int rank, const row& wanted) {
  row found;
  s.order(z, rank, [&](const action& a) { found.push_back(a); });
  INFO(sweep::place(s.name, z, group) << ", rank " << rank);
  if (found != wanted) FAIL("another order");
}

}  // namespace

TEST_CASE("gpipe's forward passes are those of torchgpipe's clock, for all sizes") {
  for (int p = 1; p <= 8; ++p)
    for (int m = 1; m <= 24; ++m) {
      std::vector<row> rows(static_cast<std::size_t>(p));
      for (int clock = 0; clock < m + p - 1; ++clock)
        for (int j = std::max(1 + clock - m, 0); j < std::min(1 + clock, p); ++j) rows[static_cast<std::size_t>(j)].push_back(action::forward(j, clock - j));
      for (int r = 0; r < p; ++r) {
        row& wanted = rows[static_cast<std::size_t>(r)];
        for (int i = 0; i < m; ++i) wanted.push_back(action::backward(r, i));
        require_row(gpipe{}, {p, m}, 0, r, wanted);
      }
    }
}

TEST_CASE("1f1b is DeepSpeed's clock, for all sizes") {
  for (int p = 1; p <= 8; ++p)
    for (int m = 1; m <= 24; ++m)
      for (int r = 0; r < p; ++r) {
        row wanted;
        for (int step = 0; step < 2 * (m + p - 1); ++step) {
          const bool forward = step % 2 == r % 2;
          const int half = step / 2;
          const int batch = forward ? half - r / 2 : r % 2 == 1 ? half - p + (r + 1) / 2 : half - p + 1 + r / 2;
          if (batch >= 0 && batch < m) wanted.push_back(forward ? action::forward(r, batch) : action::backward(r, batch));
        }
        require_row(one_f_one_b{}, {p, m}, 0, r, wanted);
      }
}

TEST_CASE("1f1b is torch's loop, backward first behind a longer warmup, for all sizes that torch takes and those it doesn't") {
  for (int p = 1; p <= 8; ++p)
    for (int m = 1; m <= 24; ++m)
      for (int r = 0; r < p; ++r) {
        row wanted;
        int next = 0;
        while (next < std::min(m, p - r)) wanted.push_back(action::forward(r, next++));
        for (int i = 0; i < m; ++i) {
          wanted.push_back(action::backward(r, i));
          if (next < m) wanted.push_back(action::forward(r, next++));
        }
        require_row(one_f_one_b{}, {p, m}, 0, r, wanted);
      }
}

TEST_CASE("interleaved 1f1b in rounds is torch's rule, wherever the rounds divide the micro-batches") {
  int plans = 0;
  for (int p = 1; p <= 8; ++p)
    for (int m = 1; m <= 24; ++m)
      for (int v = 1; v <= 4; ++v) {
        const int rounds = std::max(1, m / p), g = m / rounds;
        if (m % rounds != 0) continue;
        ++plans;
        for (int r = 0; r < p; ++r) {
          row forwards, backwards;
          std::vector<int> next(static_cast<std::size_t>(2 * v), 0);  // micro-batch of each chunk, there and back
          for (int k = 0; k < m * v; ++k) {
            const int chunk = k / g % v, back = v - 1 - chunk;
            forwards.push_back(action::forward(chunk * p + r, next[static_cast<std::size_t>(chunk)]++));
            backwards.push_back(action::backward(back * p + r, next[static_cast<std::size_t>(v + back)]++));
          }
          require_row(interleaved_one_f_one_b{}, {p, m, v}, 0, r, in_turn(forwards, backwards, (v - 1) * g + 2 * (p - 1 - r)));
        }
      }
  CHECK(plans > 300);
}

TEST_CASE("interleaved 1f1b in groups is Megatron's table, for every group that it takes") {
  int plans = 0;
  for (int p = 1; p <= 8; ++p)
    for (int m = p; m <= 24; ++m)
      for (int v = 1; v <= 4; ++v)
        for (int n = p; n <= m; ++n) {
          if (m % n != 0 && m % n < p) continue;
          ++plans;
          std::vector<std::pair<int, int>> table;  // chunk, micro-batch
          for (int first = 0; first < m; first += n)
            for (int chunk = 0; chunk < v; ++chunk)
              for (int i = first; i < std::min(first + n, m); ++i) table.push_back({chunk, i});
          if (refuses(interleaved_one_f_one_b{n}, {p, m, v})) FAIL("refused: " << sweep::place("interleaved_1f1b", {p, m, v}, n));
          for (int r = 0; r < p; ++r) {
            row forwards, backwards;
            for (const auto& [chunk, i] : table) {
              forwards.push_back(action::forward(chunk * p + r, i));
              backwards.push_back(action::backward((v - 1 - chunk) * p + r, i));
            }
            require_row(interleaved_one_f_one_b{n}, {p, m, v}, n, r, in_turn(forwards, backwards, (v - 1) * n + 2 * (p - 1 - r)));
          }
        }
  CHECK(plans > 2000);
}

TEST_CASE("eager 1f1b has 2(P - r) - 1 forwards in front of the first backward, and is interleaved 1f1b with 1 chunk") {
  for (int p = 1; p <= 8; ++p)
    for (int m = 1; m <= 24; ++m)
      for (int r = 0; r < p; ++r) {
        row wanted, interleaved;
        int next = 0;
        while (next < std::min(m, 2 * (p - r) - 1)) wanted.push_back(action::forward(r, next++));
        for (int i = 0; i < m; ++i) {
          wanted.push_back(action::backward(r, i));
          if (next < m) wanted.push_back(action::forward(r, next++));
        }
        require_row(eager_one_f_one_b{}, {p, m}, 0, r, wanted);
        interleaved_one_f_one_b{}.order({p, m}, r, [&](const action& a) { interleaved.push_back(a); });
        require_row(eager_one_f_one_b{}, {p, m}, 0, r, interleaved);
      }
}

TEST_CASE("eager 1f1b with no forward pass extra is 1f1b, and with a list of warm-ups it runs ahead by those") {
  for (int p = 1; p <= 8; ++p)
    for (int m = 1; m <= 24; ++m) {
      warmup_list one_each;
      for (int r = 0; r < p; ++r) one_each.push_back(p - 1 - r);
      for (int r = 0; r < p; ++r) {
        row wanted;
        one_f_one_b{}.order({p, m}, r, [&](const action& a) { wanted.push_back(a); });
        require_row(eager_one_f_one_b{.extra = 0}, {p, m}, 0, r, wanted);
        require_row(eager_one_f_one_b{.warmup = one_each}, {p, m}, 0, r, wanted);
      }
    }
  CHECK(to_csv(make_plan(eager_one_f_one_b{.warmup = warmup_list::of({3, 3, 0})}, {.ranks = 3, .micro_batches = 4})) ==
        "0F0,0F1,0F2,0F3,0B0,0B1,0B2,0B3\n"
        "1F0,1F1,1F2,1F3,1B0,1B1,1B2,1B3\n"
        "2F0,2B0,2F1,2B1,2F2,2B2,2F3,2B3\n");
  constexpr auto& fixed = static_plan<configured<eager_one_f_one_b{.warmup = warmup_list::of({2, 0})}>, ranks<2>, micro_batches<4>>;
  static_assert(fixed.order(0)[3] == action::backward(0, 0));
}

TEST_CASE("looped breadth first with 1 chunk is gpipe, draining downwards or upwards alike") {
  for (int p = 1; p <= 8; ++p)
    for (int m = 1; m <= 24; ++m)
      for (int r = 0; r < p; ++r)
        for (const drain_order drain : {drain_order::ascending, drain_order::descending}) {
          row wanted;
          gpipe{.drain = drain}.order({p, m}, r, [&](const action& a) { wanted.push_back(a); });
          require_row(looped_bfs{.drain = drain}, {p, m}, 0, r, wanted);
        }
}

namespace {

/// The handcrafted zero-bubble loop, told by what has run: a W where those that wait are more than `lag`.
row handcrafted(int stage, int m, int ahead, int lag) {
  row all;
  int f = 0, i = 0, w = 0;
  while (f < std::min(m, ahead)) all.push_back(action::forward(stage, f++));
  while (i < m) {
    all.push_back(action::backward_input(stage, i++));
    if (i - w > lag) all.push_back(action::backward_weight(stage, w++));
    if (f < m) all.push_back(action::forward(stage, f++));
  }
  while (w < m) all.push_back(action::backward_weight(stage, w++));
  return all;
}

/// torch's interleaved zero bubble: weight passes wait in a queue.
row queued(int p, int m, int v, int r) {
  const int rounds = std::max(1, m / p), g = m / rounds;
  const int warmup = std::min((v - 1) * g + p - 1 - r, m * v);
  std::vector<int> f(static_cast<std::size_t>(v), 0), b = f;
  row all, waiting;
  int forwards = 0;
  const auto forward = [&] {
    const int chunk = forwards++ / g % v;
    all.push_back(action::forward(chunk * p + r, f[static_cast<std::size_t>(chunk)]++));
  };
  for (int k = 0; k < warmup; ++k) forward();
  for (int k = 0; k < m * v; ++k) {
    if (forwards < m * v) forward();
    const int chunk = v - 1 - k / g % v, batch = b[static_cast<std::size_t>(chunk)]++;
    all.push_back(action::backward_input(chunk * p + r, batch));
    waiting.push_back(action::backward_weight(chunk * p + r, batch));
    if (k >= r) {
      all.push_back(waiting.front());
      waiting.erase(waiting.begin());
    }
  }
  all.insert(all.end(), waiting.begin(), waiting.end());
  return all;
}

/// DualPipe's eight steps with a queue of weight passes that wait, as its authors write them.
row eight_steps(int p, int r, int m, int x, int y, int first_of_x, int first_of_y) {
  row all, waiting;
  int f[2] = {first_of_x, first_of_y}, b[2] = {first_of_x, first_of_y};
  const int stage[2] = {x, y};
  const auto forward = [&](int way) { return action::forward(stage[way], f[way]++); };
  const auto backward = [&](int way, bool split) {
    const int batch = b[way]++;
    if (split) waiting.push_back(action::backward_weight(stage[way], batch));
    return split ? action::backward_input(stage[way], batch) : action::backward(stage[way], batch);
  };
  const auto weight = [&] {
    all.push_back(waiting.front());
    waiting.erase(waiting.begin());
  };
  const auto pair = [&](int way, bool together) {
    const action a = forward(way);
    all.push_back(together ? a.with_next() : a);
    all.push_back(backward(1 - way, false));
  };
  for (int i = 0; i < 2 * (p - r - 1); ++i) all.push_back(forward(0));
  for (int i = 0; i < r + 1; ++i)
    for (int way : {0, 1}) all.push_back(forward(way));
  for (int i = 0; i < p - r - 1; ++i) {
    all.push_back(backward(1, true));
    weight();
    all.push_back(forward(1));
  }
  for (int i = 0; i < m - 2 * p + r + 1; ++i) {
    pair(0, i > 0 || r < p - 1);
    pair(1, true);
  }
  for (int i = 0; i < p - r - 1; ++i) {
    all.push_back(backward(1, false));
    pair(1, true);
  }
  bool split = false;
  for (int i = 0; i < r + 1; ++i) {
    if (i == (r + 1) / 2 && r % 2 == 1) split = true;
    all.push_back(backward(1, split));
    if (i == (r + 1) / 2 && r % 2 == 0) split = true;
    all.push_back(backward(0, split));
  }
  for (int i = 0; i < p - r - 1; ++i) {
    weight();
    all.push_back(backward(0, true));
  }
  for (int i = 0; i < r + 1; ++i) weight();
  CHECK(waiting.empty());
  return all;
}

}  // namespace

TEST_CASE("zb-h1 and zb-h2 are the handcrafted loops, for all sizes, and interleaved zero bubble with 1 chunk is zb-h1") {
  for (int p = 1; p <= 8; ++p)
    for (int m = 1; m <= 24; ++m)
      for (int r = 0; r < p; ++r) {
        require_row(zb_h1{}, {p, m}, 0, r, handcrafted(r, m, p - r, r));
        require_row(zb_h2{}, {p, m}, 0, r, handcrafted(r, m, 2 * (p - r) - 1, 2 * r));
        require_row(interleaved_zb{}, {p, m}, 0, r, handcrafted(r, m, p - r, r));
      }
}

TEST_CASE("interleaved zero bubble is torch's rule, wherever the rounds divide the micro-batches") {
  int plans = 0;
  for (int p = 1; p <= 8; ++p)
    for (int m = 1; m <= 24; ++m)
      for (int v = 1; v <= 4; ++v) {
        if (m % std::max(1, m / p) != 0) continue;
        ++plans;
        for (int r = 0; r < p; ++r) require_row(interleaved_zb{}, {p, m, v}, 0, r, queued(p, m, v, r));
      }
  CHECK(plans > 300);
}

TEST_CASE("interleaved zero bubble in groups is sound for every group from P to M, with any rest, and that of P is its rounds where P divides M") {
  int plans = 0, uneven = 0;
  for (int p = 1; p <= 8; ++p)
    for (int m = p; m <= 24; m += sweep::thin)
      for (int v = 1; v <= 4; ++v)
        for (int n = p; n <= m; ++n) {
          INFO(sweep::place("interleaved_zb", {p, m, v}, n));
          ++plans, uneven += m % n != 0 && m % n < p;
          const plan made = make_plan(interleaved_zb{n}, {p, m, v});
          if (!check(made).ok()) FAIL(check(made).words.str());
          if (!check(lower(made)).ok()) FAIL(check(lower(made)).words.str());
          if (m % p == 0 && n == p && to_csv(made) != to_csv(make_plan(interleaved_zb{}, {p, m, v}))) FAIL("other rounds");
        }
  CHECK(plans > 7000 / sweep::scarce);
  CHECK(uneven > 2000 / sweep::scarce);
  CHECK(to_csv(make_plan(interleaved_zb{3}, {.ranks = 2, .micro_batches = 4, .chunks = 2})) ==
        "0F0,0F1,0F2,2F0,2F1,2I0,2W0,2F2,2I1,2W1,0F3,2I2,2W2,2F3,0I0,0W0,0I1,0W1,0I2,0W2,2I3,2W3,0I3,0W3\n"
        "1F0,1F1,1F2,3F0,3I0,3F1,3I1,3W0,3F2,3I2,3W1,1F3,1I0,3W2,3F3,1I1,1W0,1I2,1W1,3I3,1W2,1I3,3W3,1W3\n");
}

TEST_CASE("dualpipe-v and dualpipe are the eight steps with a queue of weight passes, from 2P micro-batches on") {
  int plans = 0;
  for (int p = 1; p <= 8; ++p)
    for (int m = 2 * p; m <= 24; ++m)
      for (int r = 0; r < p; ++r) {
        ++plans;
        require_row(dualpipe_v{}, {p, m}, 0, r, eight_steps(p, r, m, r, 2 * p - 1 - r, 0, 0));
        if (p % 2 != 0 || m % 2 != 0) continue;
        const bool front = r < p / 2;
        const int place = front ? r : p - 1 - r;
        require_row(dualpipe{}, {p, m}, 0, r, eight_steps(p / 2, place, m / 2, place, p - 1 - place, front ? 0 : m / 2, front ? m / 2 : 0));
      }
  CHECK(plans == 492);
}

namespace {

/// Leaves out the micro-batches `from` to `from` + `count` - 1 of a stage, and numbers those behind anew.
row without(const row& all, int stage, int from, int count) {
  row left;
  for (action a : all) {
    if (a.stage == stage && a.micro_batch >= from) {
      if (a.micro_batch < from + count) {  // what is left of a pair stands alone
        if (a.kind != role::run_with_next && !left.empty() && left.back().kind == role::run_with_next) left.back().kind = role::run;
        continue;
      }
      a.micro_batch -= count;
    }
    left.push_back(a);
  }
  return left;
}

}  // namespace

TEST_CASE("dualpipe-v for fewer than 2P - 1 micro-batches is its order for 2P - 1 without the first of them, above P without the last") {
  int plans = 0;
  for (int p = 1; p <= 8; ++p)
    for (int m = 1; m < 2 * p - 1; ++m)
      for (int r = 0; r < p; ++r) {
        ++plans;
        row wanted;
        dualpipe_v{}.order({p, 2 * p - 1}, r, [&](const action& a) { wanted.push_back(a); });
        const int missing = 2 * p - 1 - m, from = m <= p ? 0 : m;
        wanted = without(without(wanted, r, from, missing), 2 * p - 1 - r, from, missing);
        require_row(dualpipe_v{}, {p, m}, 0, r, wanted);
      }
  CHECK(plans == 336);
}

TEST_CASE("dualpipe with an odd number of micro-batches is its order for one more without the last of route b, from P on") {
  for (int p = 2; p <= 8; p += 2)
    for (int m = p + 1; m <= 25; m += 2) {
      REQUIRE(check(make_plan(dualpipe{}, {p, m})).sentence() == "");
      for (int r = 0; r < p; ++r) {
        row wanted;
        dualpipe{}.order({p, m + 1}, r, [&](const action& a) { wanted.push_back(a); });
        require_row(dualpipe{}, {p, m}, 0, r, without(wanted, p - 1 - r, m, 1));
      }
    }
}

TEST_CASE("dualpipe on 4 ranks with 3 micro-batches has 2 and 1 of a direction, and no pairs") {
  require_order(make_plan(dualpipe{}, {.ranks = 4, .micro_batches = 3}),
                "0Fa0,0Fa1,3Fb0,3Bb0,0Ia0,0Wa0,0Ia1,0Wa1\n"
                "1Fa0,1Fa1,2Fb0,1Ba0,2Ib0,1Ia1,2Wb0,1Wa1\n"
                "2Fa0,1Fb0,2Fa1,2Ba0,2Ia1,1Ib0,2Wa1,1Wb0\n"
                "0Fb0,3Fa0,3Ba0,3Fa1,3Ba1,0Ib0,0Wb0\n",
                14, {3, 3, 3, 2});
}

TEST_CASE("dualpipe-v on 2 ranks with 2 micro-batches ends with the split passes") {
  require_order(make_plan(dualpipe_v{}, {.ranks = 2, .micro_batches = 2}),
                "0F0,0F1,3F0,3B0,3F1,3B1,0I0,0W0,0I1,0W1\n"
                "1F0,2F0,1F1,2F1,2B0,1B0,2I1,1I1,2W1,1W1\n",
                7, {1.5, 2});
}

TEST_CASE("zb-v for fewer than 2P - 1 micro-batches is its order for 2P - 1 without those behind") {
  for (int p = 1; p <= 8; ++p)
    for (int m = 1; m < 2 * p - 1; ++m)
      for (int r = 0; r < p; ++r) {
        row wanted;
        zb_v{}.order({p, 2 * p - 1}, r, [&](const action& a) {
          if (a.micro_batch < m) wanted.push_back(a);
        });
        require_row(zb_v{}, {p, m}, 0, r, wanted);
      }
}

TEST_CASE("1f1b-v holds at most (4P + 4)/3 chunks and takes no longer than 1f1b at equal costs, from P micro-batches on its bubble is 5P - 5, 6 or 7 forward passes of a chunk") {
  int thinner = 0;
  for (int p = 1; p <= 24; ++p)
    for (int m = 1; m <= 3 * p; m += 1 + p / 4) {
      INFO(sweep::place("1f1b_v", {p, m}));
      const plan made = make_plan(one_f_one_b_v{}, {p, m});
      if (!check(made).ok()) FAIL(check(made).words.str());
      const forecast v = simulate(made);
      const int bubble = p == 2 ? 4 : 5 * p - (p % 3 == 1 ? 5 : p % 3 == 0 ? 6 : 7);
      if (2 * v.peak > std::min(2 * m, (4 * p + 4) / 3)) FAIL("holds " << v.peak);
      if (m >= p && 2 * v.bubble() != bubble) FAIL("a bubble of " << v.bubble());
      if (v.bubble() > 3 * (p - 1)) FAIL("a bubble of " << v.bubble());
      thinner += v.peak < simulate(make_plan(one_f_one_b{}, {p, m})).peak;
    }
  CHECK(thinner > 100);
}

TEST_CASE("1f1b-v takes no longer than the published generator, at its peak") {
  struct row_of {
    int ranks, micro_batches, bubble, peak;  // in chunks
  };
  for (const row_of& r : {row_of{2, 2, 4, 4}, {2, 8, 4, 4}, {4, 4, 15, 6}, {4, 8, 15, 6}, {8, 16, 33, 12}, {8, 32, 33, 12}, {16, 64, 75, 22}}) {
    INFO(r.ranks << " ranks, " << r.micro_batches << " micro-batches");
    const forecast f = simulate(make_plan(one_f_one_b_v{}, {r.ranks, r.micro_batches}));
    CHECK(2 * f.bubble() == r.bubble);
    CHECK(2 * f.peak == r.peak);
  }
}
