// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Numbers in words: each border between two units, and widths that hold.
#include <cmath>
#include <cstdint>
#include <limits>
#include <string>

#include <stretto/train/number_words.hpp>

#include "catch.hpp"

using namespace stretto;

TEST_CASE("whole numbers have a comma before every three digits") {
  CHECK(grouped(0) == "0");
  CHECK(grouped(999) == "999");
  CHECK(grouped(1000) == "1,000");
  CHECK(grouped(-999) == "-999");
  CHECK(grouped(-1000) == "-1,000");
  CHECK(grouped(12345678) == "12,345,678");
  CHECK(grouped(INT64_MIN) == "-9,223,372,036,854,775,808");
}

TEST_CASE("durations stand in the units that suit them") {
  CHECK(duration_words(0) == "0 ms");
  CHECK(duration_words(0.1234) == "123 ms");
  CHECK(duration_words(0.9996) == "1.0 s");
  CHECK(duration_words(9.96) == "10 s");
  CHECK(duration_words(59.4) == "59 s");
  CHECK(duration_words(59.6) == "1 min 00 s");
  CHECK(duration_words(249) == "4 min 09 s");
  CHECK(duration_words(245) == "4 min 05 s");
  CHECK(duration_words(3599.6) == "1 h 00 min");
  CHECK(duration_words(3725) == "1 h 02 min");
  CHECK(duration_words(86399) == "1 d 00 h");
  CHECK(duration_words(3 * 86400 + 4 * 3600) == "3 d 04 h");
  CHECK(duration_words(-1) == "?");
  CHECK(duration_words(std::numeric_limits<double>::infinity()) == "?");
  CHECK(duration_words(std::nan("")) == "?");
}

TEST_CASE("a number in so many characters keeps its width whatever its size") {
  CHECK(detail::fit(4.12341, 6) == "4.1234");
  CHECK(detail::fit(9.99999, 6) == "10.000");
  CHECK(detail::fit(12345, 6) == " 12345");
  CHECK(detail::fit(0, 6) == "0.0000");
  CHECK(detail::fit(0.0004, 6) == "0.0004");
  CHECK(detail::fit(0.00004, 6) == " 4e-05");
  CHECK(detail::fit(-1.5, 6) == "-1.500");
  CHECK(detail::fit(std::nan(""), 6) == "   nan");
  CHECK(detail::fit(-std::numeric_limits<double>::infinity(), 6) == "  -inf");
  for (double v = 1e-90; v < 1e90; v *= 1.37)
    for (int width = 6; width < 12; ++width) {
      const std::string words = detail::fit(v, width);
      CHECK(static_cast<int>(words.size()) == width);
      CHECK(std::stod(words) == Catch::Approx(v).epsilon(0.51));
    }
}
