// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The line of a step for people and as JSON: what it says word by word, what it leaves out, and that columns stay.
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

#include <stretto/train/step_report.hpp>

#include "catch.hpp"

using namespace stretto;

namespace {

step_report full_report() {
  step_report r;
  r.step = 12, r.steps = 400, r.ranks = 4, r.loss = 4.1234, r.norm = 1.234, r.rate = 3e-4, r.tokens = 1524, r.seconds = 0.1234;
  r.tokens_per_second = 12345, r.tokens_per_second_per_rank = 3086.25, r.flops = 1e13, r.mfu = 0.412, r.bubble = 0.123;
  r.slowest_rank = 2, r.memory_bytes = 128849019, r.memory_rank = 0;
  return r;
}

}  // namespace

TEST_CASE("the step line says what was measured") {
  CHECK(step_line(full_report()) ==
        "step  12/400 | loss 4.1234 | norm 1.234 | rate 3.00e-04 | 123.4 ms |  12,345 tok/s | mfu 41.2 % | bubble 12.3 % | slowest rank 2 | 0.12 GiB (rank 0)");
  step_report r;
  r.step = 3, r.loss = 11.5;
  CHECK(step_line(r) == "step      3 | loss 11.500");
  r.skipped = true, r.loss_scale = 65536, r.share_of_roof = 0.5;
  CHECK(step_line(r) == "step      3 | loss 11.500 | roof 50.0 % | scale 65536.00 | skipped");
}

TEST_CASE("the step line keeps its columns while numbers change") {
  const std::size_t width = step_line(full_report()).size();
  step_report r = full_report();
  const auto holds = [&](const char* what) {
    INFO(what << ": " << step_line(r));
    CHECK(step_line(r).size() == width);
    r = full_report();
  };
  r.step = 400, holds("step");
  for (double v : {1e-7, 0.5, 99.0, 1e5, 1e30, std::nan(""), std::numeric_limits<double>::infinity()}) r.loss = v, holds("loss"), r.norm = v, holds("norm");
  for (double v : {1e-7, 0.001, 0.5, 9.99999, 10.0, 99.0, 5000.0}) r.seconds = v, holds("seconds");
  for (double v : {0.0, 1.0, 999'999.4, 999'999.6, 1e6, 999.96e6, 1e9, 1e12}) r.tokens_per_second = v, holds("tokens");
  for (double v : {0.0, 0.01, 0.0999, 0.9994, 0.9996, 1.0}) r.mfu = v, holds("mfu"), r.bubble = v, holds("bubble");
  for (std::int64_t v : {std::int64_t{0}, std::int64_t{1} << 10, std::int64_t{1} << 20, std::int64_t{109951162}, std::int64_t{1} << 40, INT64_MAX}) r.memory_bytes = v, holds("memory");
}

TEST_CASE("a line of JSON has every digit and leaves out what was not measured") {
  step_report r;
  r.step = 12, r.loss = 0.1, r.tokens = 1'000'000'007, r.bubble = 0, r.rate = 1.0 / 3;
  CHECK(json_line(r) == R"({"step":12,"loss":0.1,"rate":0.3333333333333333,"tokens":1000000007,"bubble":0,"skipped":0})");
  r.loss = std::nan(""), r.norm = std::numeric_limits<double>::infinity(), r.tokens = -1, r.bubble = -1, r.rate = -1, r.skipped = true;
  CHECK(json_line(r) == R"({"step":12,"loss":"NaN","norm":"Infinity","skipped":1})");
  r.loss = -std::numeric_limits<double>::infinity();
  CHECK(json_line(r) == R"({"step":12,"loss":"-Infinity","norm":"Infinity","skipped":1})");
}

TEST_CASE("rates follow from tokens and seconds") {
  step_report r;
  r.ranks = 4, r.tokens = 1000, r.seconds = 0.5;
  fill_rates(r, {.flops_per_token = 1e9, .peak = 1e12, .roof = 8e11});
  CHECK(r.tokens_per_second == 2000);
  CHECK(r.tokens_per_second_per_rank == 500);
  CHECK(r.flops == 2e12);
  CHECK(r.mfu == 0.5);
  CHECK(r.share_of_roof == 0.625);
  step_report unknown;
  unknown.seconds = 0, unknown.tokens = 5;
  fill_rates(unknown, {.flops_per_token = 1e9, .peak = 1e12});
  CHECK(unknown.tokens_per_second == -1);
  CHECK(unknown.mfu == -1);
}
