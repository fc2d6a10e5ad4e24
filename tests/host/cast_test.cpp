// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <stretto/host/cast.hpp>

#include "host/elementwise.hpp"

using namespace stretto;

namespace {

template <class From, class To>
void hold_cast() {
  for (const shape<2>& s : {shape<2>{{0, 5}}, shape<2>{{3, 0}}, shape<2>{{1, 1}}, shape<2>{{3, 67}}, shape<2>{{2, 1500}}})
    for (rounding mode : {rounding::nearest, rounding::stochastic}) {
      const cast_options o{.mode = mode, .stream = {1, 2, 0, 3}, .first_row = 9, .first_column = 1001};
      tensor<From, 2> all = test::numbers<From>(shape<2>{{s[0], s[1] + 3}}, 1, -100, 100);
      const float odd[] = {0.0f, -0.0f, 65504.0f, 65519.5f, 1e6f, -1e-7f, 3e-8f, 1e-39f, std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(), 6e-5f, 7e-5f};
      for (std::int64_t i = 0; i < all.size(); ++i)
        if (i % 3 == 0) all.data()[i] = static_cast<From>(odd[i / 3 % 12]);
      const auto x = all.columns(1, s[1]);
      tensor<To, 2> loops(s);
      reference::cast(x, loops, o);
      for (host::isa level : test::levels()) {
        INFO(host::isa_name(level) << " " << element_name(element_traits<From>::type) << " to " << element_name(element_traits<To>::type) << " " << s.words().c_str());
        host::queue q({.threads = 2, .most = level, .scratch_bytes = 0});
        tensor<To, 2> y(s), parts(s);
        host::cast(q, x, y, o);
        CHECK(test::same_bits(y, loops));
        for (std::int64_t c = 0; c < s[1]; c += 31) {
          const std::int64_t n = c + 31 < s[1] ? 31 : s[1] - c;
          cast_options part = o;
          part.first_column += c;
          host::cast(q, x.columns(c, n), parts.columns(c, n), part);
        }
        CHECK(test::same_bits(parts, loops));
      }
    }
}

}  // namespace

TEST_CASE("casts have the bits of plain loops on every set of instructions") {
  hold_cast<float, bf16>();
  hold_cast<float, fp16>();
  hold_cast<bf16, float>();
  hold_cast<fp16, float>();
  hold_cast<bf16, fp16>();
  hold_cast<fp16, bf16>();
  hold_cast<float, float>();
}

TEST_CASE("casts of what is no number give what is no number") {
  for (host::isa level : test::levels())
    for (rounding mode : {rounding::nearest, rounding::stochastic}) {
      host::queue q({.most = level});
      tensor<float, 2> x({1, 40});
      tensor<bf16, 2> a({1, 40});
      tensor<fp16, 2> b({1, 40});
      for (int i = 0; i < 40; ++i) x(0, i) = std::bit_cast<float>(0x7f800001u + 0x7fffu * static_cast<unsigned>(i) + (i % 2 == 0 ? 0x80000000u : 0u));
      host::cast(q, x, a, {.mode = mode});
      host::cast(q, x, b, {.mode = mode});
      for (int i = 0; i < 40; ++i) {
        CHECK(std::isnan(static_cast<float>(a(0, i))));
        CHECK(std::isnan(static_cast<float>(b(0, i))));
      }
    }
}

TEST_CASE("casts of many numbers have the bits of parts of them") {
  const tensor<float, 2> x = test::numbers<float>(shape<2>{{2100, 1030}}, 1, -5, 5);
  tensor<bf16, 2> all(x.extents()), parts(x.extents());
  for (host::isa level : test::levels())
    for (rounding mode : {rounding::nearest, rounding::stochastic}) {
      host::queue q({.threads = 2, .most = level, .scratch_bytes = 0});
      host::cast(q, x, all, {.mode = mode});
      for (std::int64_t r = 0; r < 2100; r += 700) host::cast(q, x.rows(r, 700), parts.rows(r, 700), {.mode = mode, .first_row = r});
      CHECK(test::same_bits(all, parts));
    }
}

TEST_CASE("casts of double are the plain loops") {
  host::queue q;
  const tensor<double, 2> x = test::numbers<double>(shape<2>{{3, 50}}, 1);
  tensor<bf16, 2> a(x.extents()), b(x.extents());
  tensor<double, 2> back(x.extents());
  host::cast(q, x, a);
  reference::cast(x, b);
  CHECK(test::same_bits(a, b));
  host::cast(q, a, back);
  for (std::int64_t i = 0; i < x.size(); ++i) CHECK(back.data()[i] == static_cast<double>(static_cast<float>(a.data()[i])));
}

TEST_CASE("columns at the end of 64 bits are rounded by chance as in plain loops") {
  const tensor<float, 2> x = test::numbers<float>(shape<2>{{2, 1500}}, 1);
  tensor<bf16, 2> y(x.extents()), loops(x.extents());
  for (const std::int64_t before : {0, 1, 6, 701}) {
    const cast_options o{.mode = rounding::stochastic, .first_row = 4294967294, .first_column = INT64_MAX - before};
    reference::cast(x, loops, o);
    for (host::isa level : test::levels()) {
      host::queue q({.most = level});
      host::cast(q, x, y, o);
      CHECK(test::same_bits(y, loops));
    }
  }
}

TEST_CASE("casts that can't be are refused") {
  host::queue q;
  tensor<float, 2> x({2, 3});
  tensor<bf16, 2> y({2, 4}), z({2, 3});
  CHECK_THROWS_WITH(host::cast(q, x, y), "stretto: cast takes matrices of one shape, and was given (2, 3) and (2, 4); make them alike");
  CHECK_THROWS_WITH(host::cast(q, x, z, {.mode = rounding::stochastic, .first_row = INT64_MAX}),
                    "stretto: cast was told that a row is number 9223372036854775807 of the batch; give 0 to 4294967295");
  CHECK_THROWS_WITH(host::cast(q, x, z, {.mode = rounding::stochastic, .first_row = 4294967295}), "stretto: cast was told that a row is number 4294967296 of the batch; give 0 to 4294967295");
  CHECK_THROWS_WITH(host::cast(q, x, z, {.mode = rounding::stochastic, .first_row = -2}), "stretto: cast was told that a row is number -2 of the batch; give 0 to 4294967295");
  CHECK_THROWS_WITH(host::cast(q, x, z, {.mode = rounding::stochastic, .first_column = -1}), "stretto: cast was told that the first column is number -1; give 0 or more");
}
