// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <stretto/host/dropout.hpp>

#include "host/elementwise.hpp"

using namespace stretto;

TEST_CASE("dropout has the bits of plain loops on every set of instructions") {
  test::each_type([](auto t) {
    using T = decltype(t);
    for (const shape<2>& s : {shape<2>{{0, 5}}, shape<2>{{3, 0}}, shape<2>{{1, 1}}, shape<2>{{3, 67}}, shape<2>{{2, 1500}}, shape<2>{{1, 4211}}})
      for (std::int64_t first_column : {0, 1, 6, 63, 1027})
        for (double rate : {0.0, 0.3, 0.5, 0.99}) {
          const dropout_options o{.rate = rate, .stream = {11, 22, 0, 33}, .first_row = 5, .first_column = first_column};
          const tensor<T, 2> all = test::numbers<T>(shape<2>{{s[0], s[1] + 3}}, 1);
          const auto x = all.columns(1, s[1]);
          tensor<T, 2> loops(s);
          reference::dropout(x, loops, o);
          for (host::isa level : test::levels()) {
            INFO(host::isa_name(level) << " " << element_name(element_traits<T>::type) << " " << s.words().c_str() << " from " << first_column << " rate " << rate);
            host::queue q({.threads = 2, .most = level, .scratch_bytes = 0});
            tensor<T, 2> y(s), here = all;
            host::dropout(q, x, y, o);
            CHECK(test::same_bits(y, loops));
            host::dropout(q, here.columns(1, s[1]), here.columns(1, s[1]), o);
            for (std::int64_t i = 0; i < s[0] && s[1] > 0; ++i) CHECK(std::memcmp(here.row(i) + 1, y.row(i), static_cast<std::size_t>(s[1]) * sizeof(T)) == 0);
          }
        }
  });
}

TEST_CASE("dropout is the same however rows and columns are shared out") {
  host::queue q;
  test::each_type([&](auto t) {
    using T = decltype(t);
    const tensor<T, 2> x = test::numbers<T>(shape<2>{{12, 301}}, 1);
    tensor<T, 2> whole(x.extents()), parts(x.extents());
    dropout_options o{.rate = 0.25, .stream = {1, 2, 0, 3}, .first_row = 4294967280, .first_column = (std::int64_t{1} << 34) - 70};
    host::dropout(q, x, whole, o);
    for (std::int64_t row = 0; row < 12; row += 4)
      for (std::int64_t column = 0; column < 301; column += 101) {
        const std::int64_t n = column + 101 < 301 ? 101 : 301 - column;
        dropout_options part = o;
        part.first_row += row, part.first_column += column;
        host::dropout(q, x.rows(row, 4).columns(column, n), parts.rows(row, 4).columns(column, n), part);
      }
    CHECK(test::same_bits(whole, parts));
    // Rows in another order.
    tensor<std::int64_t, 1> rows({12});
    tensor<T, 2> mixed(x.extents()), back(x.extents());
    for (int i = 0; i < 12; ++i) {
      rows[i] = o.first_row + i * 5 % 12;
      std::memcpy(mixed.row(i), x.row(i * 5 % 12), 301 * sizeof(T));
    }
    o.rows = rows;
    host::dropout(q, mixed, mixed, o);
    for (int i = 0; i < 12; ++i) std::memcpy(back.row(i * 5 % 12), mixed.row(i), 301 * sizeof(T));
    CHECK(test::same_bits(whole, back));
  });
}

TEST_CASE("dropout of many numbers has the bits of parts of them") {
  test::each_type([](auto t) {
    using T = decltype(t);
    const std::int64_t rows = (4 << 20) / 1030 / static_cast<std::int64_t>(sizeof(T)) + 9;
    const tensor<T, 2> x = test::numbers<T>(shape<2>{{rows, 1030}}, 1);
    tensor<T, 2> all(x.extents()), parts(x.extents());
    for (host::isa level : test::levels()) {
      host::queue q({.threads = 2, .most = level, .scratch_bytes = 0});
      host::dropout(q, x, all, {.rate = 0.1});
      for (std::int64_t r = 0; r < rows; r += 500) {
        const std::int64_t n = r + 500 < rows ? 500 : rows - r;
        host::dropout(q, x.rows(r, n), parts.rows(r, n), {.rate = 0.1, .first_row = r});
      }
      CHECK(test::same_bits(all, parts));
    }
  });
}

TEST_CASE("what dropout drops is 0 whatever it was, and what it keeps stays no number") {
  for (host::isa level : test::levels()) {
    host::queue q({.most = level});
    tensor<float, 2> x = test::numbers<float>(shape<2>{{1, 100}}, 1, 1, 1), y(x.extents()), ones = x, kept(x.extents());
    for (int i = 0; i < 100; ++i) x(0, i) = i % 2 == 0 ? std::numeric_limits<float>::quiet_NaN() : std::numeric_limits<float>::infinity();
    host::dropout(q, x, y, {.rate = 0.5});
    host::dropout(q, ones, kept, {.rate = 0.5});
    for (int i = 0; i < 100; ++i) {
      if (kept(0, i) == 0) CHECK(y(0, i) == 0.0f);
      else if (i % 2 == 0) CHECK(std::isnan(y(0, i)));
      else CHECK(std::isinf(y(0, i)));
    }
  }
}

TEST_CASE("dropout of double is the plain loops") {
  host::queue q;
  const tensor<double, 2> x = test::numbers<double>(shape<2>{{3, 50}}, 1);
  tensor<double, 2> a(x.extents()), b(x.extents());
  host::dropout(q, x, a, {.rate = 0.3});
  reference::dropout(x, b, {.rate = 0.3});
  CHECK(test::same_bits(a, b));
}

TEST_CASE("columns at the end of 64 bits are dropped as in plain loops") {
  test::each_type([](auto t) {
    using T = decltype(t);
    const tensor<T, 2> x = test::numbers<T>(shape<2>{{2, 1500}}, 1, 1, 2);
    for (const std::int64_t before : {1, 6, 700}) {
      const dropout_options o{.rate = 0.5, .first_row = 4294967294, .first_column = INT64_MAX - before};
      tensor<T, 2> y(x.extents()), loops(x.extents());
      reference::dropout(x, loops, o);
      for (host::isa level : test::levels()) {
        host::queue q({.most = level});
        host::dropout(q, x, y, o);
        CHECK(test::same_bits(y, loops));
      }
    }
  });
}

TEST_CASE("dropout that can't be is refused") {
  host::queue q;
  tensor<float, 2> x({2, 3}), y({2, 4});
  tensor<std::int64_t, 1> rows({3});
  CHECK_THROWS_WITH(host::dropout(q, x, y, {}), "stretto: dropout takes matrices of one shape, and was given (2, 3) and (2, 4); make them alike");
  for (double rate : {-0.1, 1.0, std::nan("")}) CHECK_THROWS_WITH(host::dropout(q, x, x, {.rate = rate}), "stretto: the rate of dropout is 0 or more and less than 1; correct it");
  CHECK_THROWS_WITH(host::dropout(q, x, x, {.rows = rows}), "stretto: dropout of 2 rows was told where 3 stand; give one number a row, or first_row");
  CHECK_THROWS_WITH(host::dropout(q, x, x, {.first_row = 4294967295}), "stretto: dropout was told that a row is number 4294967296 of the batch; give 0 to 4294967295");
  CHECK_THROWS_WITH(host::dropout(q, x, x, {.first_row = INT64_MAX}), "stretto: dropout was told that a row is number 9223372036854775807 of the batch; give 0 to 4294967295");
  CHECK_THROWS_WITH(host::dropout(q, x, x, {.first_row = -1}), "stretto: dropout was told that a row is number -1 of the batch; give 0 to 4294967295");
  CHECK_THROWS_WITH(host::dropout(q, x, x, {.first_column = -1}), "stretto: dropout was told that the first column is number -1; give 0 or more");
}
