// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <stretto/host/rotary.hpp>

#include "host/elementwise.hpp"

using namespace stretto;

namespace {

tensor<std::int32_t, 1> scattered(std::int64_t tokens, std::int64_t below) {
  tensor<std::int32_t, 1> t({tokens});
  for (std::int64_t i = 0; i < tokens; ++i) t[i] = static_cast<std::int32_t>((i * 37 + 11) % below);
  return t;
}

constexpr rotary_pairs both[] = {rotary_pairs::halves, rotary_pairs::neighbours};

}  // namespace

TEST_CASE("rotary embedding is near the truth on every set of instructions") {
  test::each_type([](auto t) {
    using T = decltype(t);
    struct sizes { std::int64_t tokens, heads, size, dims; };
    for (const sizes& n : {sizes{0, 2, 4, 4}, sizes{1, 1, 2, 2}, sizes{3, 2, 6, 4}, sizes{2, 3, 34, 34}, sizes{5, 1, 67, 64}, sizes{3, 2, 200, 154}})
      for (rotary_pairs pairs : both)
        for (bool back : {false, true}) {
          const rotary_options o{.theta = 500, .pairs = pairs};
          const rotary_table<float> table(100, n.dims, o);
          const rotary_table<double> exact(100, n.dims, o);
          const auto positions = scattered(n.tokens, 100);
          // One of three blocks of columns, so rows are far apart and begin anywhere.
          const tensor<T, 2> all = test::numbers<T>(shape<2>{{n.tokens, 3 * n.heads * n.size}}, 1);
          const auto x = by_heads(all.columns(n.heads * n.size, n.heads * n.size), n.heads);
          const shape<3> s = x.extents();
          tensor<double, 3> truth(s), wide(s);
          tensor<T, 3> loops(s);
          for (std::int64_t i = 0; i < n.tokens; ++i)
            for (std::int64_t h = 0; h < n.heads; ++h)
              for (std::int64_t k = 0; k < n.size; ++k) wide(i, h, k) = static_cast<double>(x(i, h, k));
          back ? reference::rotary_backward(wide, positions, exact, truth) : reference::rotary(wide, positions, exact, truth);
          back ? reference::rotary_backward(x, positions, table, loops) : reference::rotary(x, positions, table, loops);
          for (host::isa level : test::levels())
            for (int threads = 1; threads <= 3; ++threads) {
              INFO(host::isa_name(level) << " " << element_name(element_traits<T>::type) << " " << s.words().c_str() << (back ? " back" : ""));
              host::queue q({.threads = threads, .most = level, .scratch_bytes = 0});
              tensor<T, 3> y(s);
              back ? host::rotary_backward(q, x, positions, table, y) : host::rotary(q, x, positions, table, y);
              CHECK(test::near_truth(y, loops, truth));
              tensor<T, 2> here = all;
              const auto part = by_heads(here.columns(n.heads * n.size, n.heads * n.size), n.heads);
              back ? host::rotary_backward(q, part, positions, table, part) : host::rotary(q, part, positions, table, part);
              for (std::int64_t i = 0; i < n.tokens; ++i) {  // in place, and nothing beside it
                const std::int64_t width = n.heads * n.size;
                CHECK(std::memcmp(here.row(i), all.row(i), static_cast<std::size_t>(width) * sizeof(T)) == 0);
                CHECK(std::memcmp(here.row(i) + width, y.matrix().row(i * n.heads), static_cast<std::size_t>(width) * sizeof(T)) == 0);
                CHECK(std::memcmp(here.row(i) + 2 * width, all.row(i) + 2 * width, static_cast<std::size_t>(width) * sizeof(T)) == 0);
              }
            }
        }
  });
}

TEST_CASE("a token has the same bits wherever it stands, and past the cache") {
  test::each_type([](auto t) {
    using T = decltype(t);
    const std::int64_t tokens = (4 << 20) / 512 / static_cast<std::int64_t>(sizeof(T)) + 3;
    const auto positions = scattered(tokens, 300);
    const tensor<T, 3> x = test::numbers<T>(shape<3>{{tokens, 4, 128}}, 1);
    tensor<T, 3> y(x.extents()), parts(x.extents());
    for (rotary_pairs pairs : both) {
      const rotary_table<float> table(300, 128, {.pairs = pairs});
      for (host::isa level : test::levels()) {
        host::queue q({.threads = 2, .most = level, .scratch_bytes = 0});
        host::rotary(q, x, positions, table, y);
        for (std::int64_t i = 0; i < tokens; i += 1000) {
          const std::int64_t n = i + 1000 < tokens ? 1000 : tokens - i;
          host::rotary(q, x.part(0, i, n), positions.part(0, i, n), table, parts.part(0, i, n));
        }
        CHECK(test::same_bits(y, parts));
      }
    }
  });
}

TEST_CASE("rotary embedding of double is the plain loops") {
  host::queue q;
  const rotary_table<double> table(10, 6);
  const tensor<double, 3> x = test::numbers<double>(shape<3>{{4, 2, 7}}, 1);
  const auto positions = scattered(4, 10);
  tensor<double, 3> a(x.extents()), b(x.extents());
  host::rotary(q, x, positions, table, a);
  reference::rotary(x, positions, table, b);
  CHECK(test::same_bits(a, b));
  host::rotary_backward(q, x, positions, table, a);
  reference::rotary_backward(x, positions, table, b);
  CHECK(test::same_bits(a, b));
}

TEST_CASE("rotary embedding that can't be is refused") {
  host::queue q;
  const rotary_table<float> table(8, 4);
  tensor<float, 3> x({2, 1, 4}), y({2, 1, 5}), narrow({2, 1, 2});
  tensor<std::int32_t, 1> positions({2}), three({3});
  CHECK_THROWS_WITH(host::rotary(q, x, positions, table, y), "stretto: rotary of shape (2, 1, 4) can't give shape (2, 1, 5); give it the same shape");
  CHECK_THROWS_WITH(host::rotary_backward(q, x, three, table, x), "stretto: rotary_backward of 2 tokens was given 3 positions; give one a token");
  CHECK_THROWS_WITH(host::rotary(q, narrow, positions, table, narrow), "stretto: rotary with a table for 4 numbers of a head can't turn heads of 2; make the table for the heads");
  positions[1] = 8;
  CHECK_THROWS_WITH(host::rotary(q, x, positions, table, x), "stretto: token 1 is at position 8, and the rotary table has positions 0 to 7; make it for more");
  positions[1] = -1;
  CHECK_THROWS_WITH(host::rotary(q, x, positions, table, x), "stretto: token 1 is at position -1, and the rotary table has positions 0 to 7; make it for more");
}
