// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Operations a token of models whose numbers are known, and a sum over all products and all positions that is done by hand.
#include <cstdint>
#include <string>

#include <stretto/train/model_flops.hpp>

#include "catch.hpp"

using namespace stretto;

namespace {

constexpr decoder_shape gpt2_small{.parameters = 124'439'808, .layers = 12, .width = 768, .heads = 12, .vocabulary = 50257, .sequence = 1024};

/// Products of a forward pass over one sequence, position by position.
double counted_forward(const decoder_shape& m, double head, double groups, double hidden) {
  double sum = 0;
  for (std::int64_t at = 0; at < m.sequence; ++at) {
    const double h = static_cast<double>(m.width), heads = static_cast<double>(m.heads);
    for (std::int64_t l = 0; l < m.layers; ++l) {
      sum += 2 * h * heads * head + 2 * 2 * h * groups * head + 2 * heads * head * h;  // queries, keys and values, output
      sum += heads * 2 * 2 * head * static_cast<double>(at + 1);                       // scores and what they weigh
      sum += (m.gated ? 3 : 2) * 2 * h * hidden;
    }
    sum += 2 * h * static_cast<double>(m.vocabulary);
  }
  return sum;
}

}  // namespace

TEST_CASE("operations a token of GPT-2 124M by each convention") {
  CHECK(flops_per_token(gpt2_small, flops_convention::palm) == 6.0 * 124'439'808 + 12.0 * 12 * 768 * 1024);
  CHECK(flops_per_token(gpt2_small, flops_convention::palm) == Catch::Approx(8.60e8).epsilon(0.001));
  CHECK(flops_per_token(gpt2_small, flops_convention::half_square) == Catch::Approx(8.03e8).epsilon(0.001));
  CHECK(flops_per_token(gpt2_small, flops_convention::exact) == 3.0 * (12 * (24.0 * 768 * 768 + 2.0 * 768 * 1025) + 2.0 * 768 * 50257));
  CHECK(flops_per_token(gpt2_small, flops_convention::exact) == Catch::Approx(7.98e8).epsilon(0.001));
  CHECK(std::string(name_of(flops_convention::palm)) == "palm");
  CHECK(std::string(name_of(flops_convention::half_square)) == "half_square");
  CHECK(std::string(name_of(flops_convention::exact)) == "exact");
}

TEST_CASE("the exact convention counts grouped heads, gates and heads of their own width") {
  const decoder_shape grouped_heads{.layers = 3, .width = 64, .heads = 8, .groups = 2, .head_width = 16, .hidden = 172, .gated = true, .vocabulary = 1000, .sequence = 37};
  CHECK(37 * flops_per_token(grouped_heads, flops_convention::exact) == Catch::Approx(3 * counted_forward(grouped_heads, 16, 2, 172)).epsilon(1e-12));
  CHECK(1024 * flops_per_token(gpt2_small, flops_convention::exact) == Catch::Approx(3 * counted_forward(gpt2_small, 64, 12, 3072)).epsilon(1e-12));
  // Scores of heads that are together wider than the model, by the other two.
  const decoder_shape wide{.parameters = 1, .layers = 1, .width = 64, .heads = 8, .head_width = 16, .sequence = 10};
  CHECK(flops_per_token(wide, flops_convention::palm) == 6 + 12 * 128 * 10);
}

TEST_CASE("sizes that no decoder has are refused in words") {
  decoder_shape m = gpt2_small;
  m.layers = 0;
  CHECK_THROWS_WITH(flops_per_token(m, flops_convention::palm), "stretto: a decoder's layers is 0; give at least 1");
  m = gpt2_small, m.parameters = -5;
  CHECK_THROWS_WITH(flops_per_token(m, flops_convention::half_square), "stretto: a decoder's parameters is -5; give at least 1");
  CHECK_NOTHROW(flops_per_token(m, flops_convention::exact));
  m.vocabulary = 0;
  CHECK_THROWS_WITH(flops_per_token(m, flops_convention::exact), "stretto: a decoder's vocabulary is 0; give at least 1");
}

TEST_CASE("a share of a peak needs a peak") {
  CHECK(share_of_peak(400e12, 1000e12) == Catch::Approx(0.4));
  CHECK_THROWS_WITH(share_of_peak(1, 0), "stretto: a peak is not a number of operations a second above 0; give one in FLOP/s, 989e12 for instance");
}
