// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include "catch.hpp"

#include <algorithm>
#include <cmath>
#include <vector>

#include <stretto/core/random.hpp>
#include <stretto/stream/histogram.hpp>

using namespace stretto;

TEST_CASE("a histogram gives shares within a 128th, and the extremes and small numbers exactly") {
  for (double scale : {1.0, 100.0, 1e6, 1e10}) {
    histogram h, halves[2];
    std::vector<std::int64_t> all;
    const random_stream r{3, 0, 0, 0};
    double sum = 0;
    for (int i = 0; i < 5000; ++i) {
      const double u = static_cast<double>(r.uniform(i));
      all.push_back(static_cast<std::int64_t>(scale * (u * u * u * 20 + 1)));
      h.add(all.back());
      halves[i % 2].add(all.back());
      sum += static_cast<double>(all.back());
    }
    std::sort(all.begin(), all.end());
    halves[0].merge(halves[1]);
    for (double share : {0.0, 0.001, 0.1, 0.5, 0.9, 0.99, 0.999, 1.0}) {
      const auto rank = std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil(share * 5000)));
      const auto exact = static_cast<double>(all[static_cast<std::size_t>(rank - 1)]);
      CAPTURE(scale, share);
      CHECK(std::abs(static_cast<double>(h.quantile(share)) - exact) <= (exact < 128 ? 0 : exact / 128));
      CHECK(halves[0].quantile(share) == h.quantile(share));
    }
    CHECK((h.least() == all.front() && h.most() == all.back() && h.count() == 5000));
    CHECK(h.mean() == Approx(sum / 5000));
  }
}

TEST_CASE("a histogram takes any number, and has an answer for none") {
  histogram h;
  CHECK((h.quantile(0.5) == 0 && h.most() == 0 && h.mean() == 0));
  h.add(-5);
  CHECK((h.least() == 0 && h.most() == 0));
  for (int shift = 0; shift < 63; ++shift) h.add(std::int64_t{1} << shift), h.add((std::int64_t{1} << shift) - 1);
  CHECK(h.count() == 127);
  CHECK(h.most() == (std::int64_t{1} << 45) - 1);
  CHECK(h.quantile(1) == h.most());
}
