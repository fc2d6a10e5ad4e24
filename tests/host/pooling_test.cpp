// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <stretto/host/pooling.hpp>

#include "host/elementwise.hpp"

using namespace stretto;

namespace {

const pooling_options several[] = {{}, {.window = {3, 3}, .stride = {2, 2}, .padding = {1, 1}}, {.window = {3, 2}, .stride = {1, 3}, .padding = {2, 1}, .counts_padding = true},
                                   {.window = {4, 5}, .stride = {4, 5}}, {.window = {1, 1}, .stride = {2, 3}}};

template <class T>
int differing(const tensor_view<T, 4>& a, const tensor<T, 4>& b) {
  int n = 0;
  stretto::detail::each_place(b.extents(), [&](auto i, auto h, auto w, auto c) { n += std::memcmp(&a(i, h, w, c), &b(i, h, w, c), sizeof(T)) != 0; });
  return n;
}

}  // namespace

TEST_CASE("pooling is near the truth on every set of instructions") {
  test::each_type([](auto t) {
    using T = decltype(t);
    for (const shape<4>& s : {shape<4>{{0, 4, 5, 3}}, shape<4>{{1, 4, 5, 1}}, shape<4>{{2, 5, 7, 19}}, shape<4>{{1, 8, 9, 64}}})
      for (const pooling_options& o : several) {
        const shape<4> small_shape = pooled(s, o);
        tensor<T, 4> x = test::numbers<T>(s, 1), dy = test::numbers<T>(small_shape, 2);
        for (std::int64_t i = 0; i < x.size(); i += 3) x.data()[i] = static_cast<T>(static_cast<float>(i % 5));  // some are alike
        if (x.size() > 30) x.data()[7] = static_cast<T>(-std::numeric_limits<float>::infinity());
        const auto wide_x = test::as<double>(x), wide_dy = test::as<double>(dy);
        tensor<T, 4> most(small_shape), mean(small_shape), most_dx(s), mean_dx(s);
        tensor<double, 4> truth_most(small_shape), truth_mean(small_shape), truth_most_dx(s), truth_mean_dx(s);
        reference::max_pooling(x, most, o), reference::max_pooling(wide_x, truth_most, o);
        reference::max_pooling_backward(x, dy, most_dx, o), reference::max_pooling_backward(wide_x, wide_dy, truth_most_dx, o);
        if (x.size() > 30) x.data()[7] = static_cast<T>(1.0f);
        const auto finite_x = test::as<double>(x);
        reference::average_pooling(x, mean, o), reference::average_pooling(finite_x, truth_mean, o);
        reference::average_pooling_backward(dy, mean_dx, o), reference::average_pooling_backward(wide_dy, truth_mean_dx, o);
        tensor<T, 4> x_most = x;
        if (x.size() > 30) x_most.data()[7] = static_cast<T>(-std::numeric_limits<float>::infinity());
        for (host::isa level : test::levels())
          for (int threads = 1; threads <= 3; ++threads) {
            INFO(host::isa_name(level) << " " << element_name(element_traits<T>::type) << " " << s.words().c_str() << " window " << o.window[0] << " by " << o.window[1]);
            host::queue q({.threads = threads, .most = level, .scratch_bytes = 4096});
            tensor<T, 4> y(small_shape), dx(s);
            host::max_pooling(q, x_most, y, o);
            CHECK(test::same_bits(y, most));
            host::max_pooling_backward(q, x_most, dy, dx, o);
            CHECK(test::near_truth(dx, most_dx, truth_most_dx));
            host::average_pooling(q, x, y, o);
            CHECK(test::near_truth(y, mean, truth_mean));
            // Channels between others, with the same bits.
            tensor<T, 4> wide_in({s[0], s[1], s[2], s[3] + 3}), wide_out({small_shape[0], small_shape[1], small_shape[2], s[3] + 3}), wide_dx(wide_in.extents());
            const auto in = wide_in.part(3, 1, s[3]), out = wide_out.part(3, 2, s[3]), din = wide_dx.part(3, 1, s[3]);
            stretto::detail::each_place(s, [&](auto n, auto h, auto w, auto c) { in(n, h, w, c) = x_most(n, h, w, c); });
            host::max_pooling(q, in, out, o);
            CHECK(differing(out, most) == 0);
            stretto::detail::each_place(small_shape, [&](auto n, auto h, auto w, auto c) { out(n, h, w, c) = dy(n, h, w, c); });
            host::max_pooling_backward(q, in, out, din, o);
            CHECK(differing(din, dx) == 0);
            host::average_pooling_backward(q, dy, dx, o);
            CHECK(test::near_truth(dx, mean_dx, truth_mean_dx));
            host::average_pooling_backward(q, out, din, o);
            CHECK(differing(din, dx) == 0);
          }
      }
  });
}

TEST_CASE("the largest of what is no number is no number, and its gradient goes there") {
  for (host::isa level : test::levels()) {
    host::queue q({.most = level});
    tensor<float, 4> x = test::numbers<float>(shape<4>{{1, 2, 2, 20}}, 1), y({1, 1, 1, 20}), dy = test::numbers<float>(shape<4>{{1, 1, 1, 20}}, 2), dx(x.extents());
    for (int c = 0; c < 20; ++c) x(0, c / 2 % 2, c % 2, c) = std::numeric_limits<float>::quiet_NaN();
    x(0, 1, 1, 0) = std::numeric_limits<float>::quiet_NaN();  // two: the first
    host::max_pooling(q, x, y);
    host::max_pooling_backward(q, x, dy, dx);
    for (int c = 0; c < 20; ++c) {
      CHECK(std::isnan(y(0, 0, 0, c)));
      for (int i = 0; i < 2; ++i)
        for (int j = 0; j < 2; ++j) CHECK(dx(0, i, j, c) == (i == c / 2 % 2 && j == c % 2 ? dy(0, 0, 0, c) : 0.0f));
    }
  }
}

TEST_CASE("pooling of double is the plain loops") {
  host::queue q;
  const pooling_options& o = several[1];
  const tensor<double, 4> x = test::numbers<double>(shape<4>{{1, 5, 5, 3}}, 1);
  tensor<double, 4> a(pooled(x.extents(), o)), b(a.extents()), da(x.extents()), db(x.extents());
  host::max_pooling(q, x, a, o), reference::max_pooling(x, b, o);
  CHECK(test::same_bits(a, b));
  host::max_pooling_backward(q, x, a, da, o), reference::max_pooling_backward(x, a, db, o);
  CHECK(test::same_bits(da, db));
  host::average_pooling(q, x, a, o), reference::average_pooling(x, b, o);
  CHECK(test::same_bits(a, b));
  host::average_pooling_backward(q, a, da, o), reference::average_pooling_backward(a, db, o);
  CHECK(test::same_bits(da, db));
}

TEST_CASE("of images without rows or columns windows in the padding cover nothing, and give 0") {
  const auto hold = [](auto t) {
    using T = decltype(t);
    for (const shape<4>& s : {shape<4>{{1, 0, 5, 19}}, shape<4>{{2, 4, 0, 19}}, shape<4>{{1, 0, 0, 3}}, shape<4>{{1, 5, 5, 0}}})
      for (const bool counts : {false, true})
        for (host::isa level : test::levels()) {
          const pooling_options o{.window = {2, 2}, .stride = {1, 1}, .padding = {1, 1}, .counts_padding = counts};
          const tensor<T, 4> x(s);
          tensor<T, 4> dx(s), y = test::numbers<T>(pooled(s, o), 1), loops = y;
          CHECK((y.size() > 0) == (s[3] > 0));
          host::queue q({.most = level, .scratch_bytes = 4096});
          host::max_pooling(q, x, y, o), reference::max_pooling(x, loops, o);
          int others = 0;
          for (std::int64_t i = 0; i < y.size(); ++i) others += static_cast<float>(y.data()[i]) != 0;
          CHECK(test::same_bits(y, loops));
          y = test::numbers<T>(y.extents(), 1);
          host::average_pooling(q, x, y, o), reference::average_pooling(x, loops, o);
          for (std::int64_t i = 0; i < y.size(); ++i) others += static_cast<float>(y.data()[i]) != 0;
          CHECK(test::same_bits(y, loops));
          CHECK(others == 0);
          host::max_pooling_backward(q, x, y, dx, o);
          host::average_pooling_backward(q, y, dx, o);
        }
  };
  test::each_type(hold);
  hold(double{});
}

TEST_CASE("a window that is larger than any image needs no more scratch memory than the image") {
  host::queue q({.scratch_bytes = 4096});
  const pooling_options o{.window = {2147483647, 2147483647}, .stride = {1, 1}};
  tensor<float, 4> x = test::numbers<float>(shape<4>{{1, 4, 4, 3}}, 1), dx = x, y(pooled(x.extents(), o));
  CHECK(y.empty());
  host::max_pooling(q, x, y, o), host::average_pooling(q, x, y, o), host::average_pooling_backward(q, y, dx, o);
  for (float v : dx) CHECK(v == 0);
}

TEST_CASE("pooling that can't be is refused") {
  host::queue q({.scratch_bytes = 0});
  tensor<float, 4> x({1, 4, 4, 3}), y({1, 2, 2, 3}), bad({1, 2, 2, 4}), dx({1, 4, 5, 3});
  CHECK_THROWS_WITH(host::max_pooling(q, x, y, {.stride = {2, 0}}), "stretto: max_pooling with a window of 2, stride 0 and padding 0 can't be; give 1 to 2147483647, and less padding than window");
  CHECK_THROWS_WITH(pooled(x.extents(), {.stride = {0, 2}}), "stretto: pooled with a window of 2, stride 0 and padding 0 can't be; give 1 to 2147483647, and less padding than window");
  CHECK_THROWS_WITH(host::average_pooling(q, x, y, {.padding = {2, 0}}),
                    "stretto: average_pooling with a window of 2, stride 2 and padding 2 can't be; give 1 to 2147483647, and less padding than window");
  CHECK_THROWS_WITH(host::average_pooling_backward(q, bad, x), "stretto: average_pooling_backward of images of shape (1, 4, 4, 3) gives shape (1, 2, 2, 3), not (1, 2, 2, 4); correct it");
  CHECK_THROWS_WITH(host::max_pooling_backward(q, x, y, dx), "stretto: max_pooling_backward of images of shape (1, 4, 4, 3) can't give a gradient of shape (1, 4, 5, 3); give it the same shape");
  CHECK_THROWS_WITH(host::max_pooling_backward(q, x, y, x),
                    "stretto: max_pooling_backward needs 64 bytes of scratch memory for each thread, and the queue has 0; make it with scratch_bytes = 64");
}
