// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Orders worked out elsewhere, cell for cell, with their makespan, span and peaks at unit costs. The texts are those of
// torch.distributed.pipelining and Megatron-LM for the same sizes. At the end, the rules by which others make the same
// orders (torchgpipe's and DeepSpeed's clocks, torch's rounds, Megatron's table), for all sizes.
#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include <stretto/stretto.hpp>

#include "catch.hpp"
#include "sweep.hpp"

using namespace stretto;

namespace {

void require_order(const plan& p, const std::string& csv, double makespan, const std::vector<double>& peaks) {
  CHECK(to_csv(p) == csv);
  CHECK(check(p).sentence() == "");
  const forecast f = simulate(p);
  CHECK(f.makespan == makespan);
  CHECK(f.span == makespan);
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
