// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <stretto/host/convolution.hpp>

#include "host/elementwise.hpp"

using namespace stretto;

namespace {

struct given {
  shape<4> x, weight;
  convolution_options o;
};

const given cases[] = {{{{2, 5, 6, 3}}, {{4, 3, 2, 3}}, {}},
                       {{{2, 9, 7, 5}}, {{7, 3, 3, 5}}, {.stride = {2, 2}, .padding = {1, 1}}},
                       {{{1, 8, 11, 19}}, {{18, 2, 3, 19}}, {.stride = {1, 3}, .padding = {3, 4}, .dilation = {2, 2}}},
                       {{{2, 4, 5, 33}}, {{17, 1, 1, 33}}, {}},
                       {{{2, 5, 5, 3}}, {{4, 1, 1, 3}}, {.stride = {2, 2}}},
                       {{{3, 15, 14, 4}}, {{5, 3, 3, 4}}, {.padding = {1, 1}}},
                       {{{1, 20, 20, 78}}, {{2, 3, 3, 78}}, {.padding = {1, 1}}},  // more places than are gathered at once
                       {{{2, 6, 5, 7}}, {{7, 3, 3, 1}}, {.padding = {1, 1}}},
                       {{{1, 7, 9, 50}}, {{50, 3, 2, 1}}, {.stride = {2, 3}, .padding = {2, 1}, .dilation = {1, 2}}},
                       {{{0, 5, 5, 3}}, {{4, 3, 3, 3}}, {}}};

/// The channels in the middle of others: pixels further apart than channels.
template <class T>
tensor_view<T, 4> between(const tensor<T, 4>& wide, std::int64_t channels) {
  return wide.part(3, 2, channels);
}

}  // namespace

TEST_CASE("convolutions are near the truth on every set of instructions") {
  test::each_type([](auto t) {
    using T = decltype(t);
    for (const given& g : cases) {
      const shape<4> s = convolved(g.x, g.weight, g.o);
      const tensor<T, 4> x = test::numbers<T>(g.x, 1), weight = test::numbers<T>(g.weight, 2), dy = test::numbers<T>(s, 4);
      const tensor<T, 1> bias = test::numbers<T>(shape<1>{{g.weight[0]}}, 3);
      const auto wide_x = test::as<double>(x), wide_weight = test::as<double>(weight), wide_dy = test::as<double>(dy);
      tensor<T, 4> loops(s), loops_dx(g.x);
      tensor<double, 4> truth(s), truth_dx(g.x);
      tensor<float, 4> loops_dw = test::numbers<float>(g.weight, 5);
      tensor<float, 1> loops_db = test::numbers<float>(shape<1>{{g.weight[0]}}, 6);
      const tensor<float, 4> before_dw = loops_dw;
      const tensor<float, 1> before_db = loops_db;
      tensor<double, 4> truth_dw = test::as<double>(before_dw);
      tensor<double, 1> truth_db = test::as<double>(before_db);
      reference::convolution(x, weight, bias, loops, g.o);
      reference::convolution(wide_x, wide_weight, test::as<double>(bias), truth, g.o);
      reference::convolution_backward_input(weight, dy, loops_dx, g.o);
      reference::convolution_backward_input(wide_weight, wide_dy, truth_dx, g.o);
      reference::convolution_backward_weight(x, dy, loops_dw, loops_db, g.o);
      reference::convolution_backward_weight(wide_x, wide_dy, truth_dw, truth_db, g.o);
      tensor<T, 1> room({host::convolution_room<T>(g.x, g.weight, g.o)});
      for (host::isa level : std::is_same_v<T, bf16> ? test::product_levels() : test::levels()) {
        tensor<T, 4> y(s), dx(g.x);
        tensor<float, 4> dw = before_dw;
        tensor<float, 1> db = before_db;
        INFO(host::isa_name(level) << " " << element_name(element_traits<T>::type) << " " << g.x.words().c_str() << " by " << g.weight.words().c_str());
        for (int threads : {1, 3}) {
          host::queue q({.threads = threads, .most = level});
          tensor<T, 4> again(s), dx_again(g.x);
          tensor<float, 4> dw_again = before_dw;
          tensor<float, 1> db_again = before_db;
          host::convolution(q, x, weight, bias, again, room, g.o);
          host::convolution_backward_input(q, weight, dy, dx_again, room, g.o);
          host::convolution_backward_weight(q, x, dy, dw_again, db_again, room, g.o);
          if (threads == 1) y = again, dx = dx_again, dw = dw_again, db = db_again;
          CHECK(test::same_bits(y, again));
          CHECK(test::same_bits(dx, dx_again));
          CHECK(test::same_bits(dw, dw_again));
          CHECK(test::same_bits(db, db_again));
        }
        CHECK(test::near_truth(y, loops, truth));
        CHECK(test::near_truth(dx, loops_dx, truth_dx));
        CHECK(test::near_truth(dw, loops_dw, truth_dw));
        CHECK(test::near_truth(db, loops_db, truth_db));
        // Channels between others.
        tensor<T, 4> wide_in({g.x[0], g.x[1], g.x[2], g.x[3] + 5}), wide_out({s[0], s[1], s[2], s[3] + 5}), wide_dx(wide_in.extents());
        const auto in = between(wide_in, g.x[3]), out = between(wide_out, s[3]), din = between(wide_dx, g.x[3]);
        stretto::detail::each_place(g.x, [&](auto n, auto h, auto w, auto c) { in(n, h, w, c) = x(n, h, w, c); });
        host::queue q({.most = level});
        dw = before_dw;
        host::convolution(q, in, weight, bias, out, room, g.o);
        int differ = 0;
        stretto::detail::each_place(s, [&](auto n, auto h, auto w, auto c) { differ += std::memcmp(&out(n, h, w, c), &y(n, h, w, c), sizeof(T)) != 0, out(n, h, w, c) = dy(n, h, w, c); });
        host::convolution_backward_input(q, weight, out, din, room, g.o);
        host::convolution_backward_weight(q, in, out, dw, {}, room, g.o);
        stretto::detail::each_place(g.x, [&](auto n, auto h, auto w, auto c) { differ += std::memcmp(&din(n, h, w, c), &dx(n, h, w, c), sizeof(T)) != 0; });
        CHECK(differ == 0);
        CHECK(test::near_truth(dw, loops_dw, truth_dw));
      }
    }
  });
}

TEST_CASE("an image has the same bits whatever else is convolved with it") {
  host::queue q;
  const convolution_options o{.padding = {1, 1}};
  const shape<4> all{{5, 13, 11, 6}}, one{{1, 13, 11, 6}}, w{{9, 3, 3, 6}};
  const tensor<float, 4> x = test::numbers<float>(all, 1), weight = test::numbers<float>(w, 2);
  tensor<float, 4> y(convolved(all, w, o)), alone(convolved(one, w, o)), dx(all), dx_alone(one);
  tensor<float, 1> room({host::convolution_room<float>(all, w, o)});
  host::convolution(q, x, weight, {}, y, room, o);
  host::convolution(q, x.part(0, 3, 1), weight, {}, alone, room, o);
  CHECK(std::memcmp(y.part(0, 3, 1).data(), alone.data(), static_cast<std::size_t>(alone.size()) * 4) == 0);
  host::convolution_backward_input(q, weight, y, dx, room, o);
  host::convolution_backward_input(q, weight, alone, dx_alone, room, o);
  CHECK(std::memcmp(dx.part(0, 3, 1).data(), dx_alone.data(), static_cast<std::size_t>(dx_alone.size()) * 4) == 0);
}

TEST_CASE("convolutions of double are the plain loops, without room") {
  host::queue q;
  const given& g = cases[1];
  const tensor<double, 4> x = test::numbers<double>(g.x, 1), weight = test::numbers<double>(g.weight, 2);
  tensor<double, 4> a(convolved(g.x, g.weight, g.o)), b(a.extents()), da(g.x), db(g.x), dwa(g.weight), dwb(g.weight);
  CHECK(host::convolution_room<double>(g.x, g.weight, g.o) == 0);
  host::convolution(q, x, weight, {}, a, {}, g.o);
  reference::convolution(x, weight, {}, b, g.o);
  CHECK(test::same_bits(a, b));
  host::convolution_backward_input(q, weight, a, da, {}, g.o);
  reference::convolution_backward_input(weight, a, db, g.o);
  CHECK(test::same_bits(da, db));
  host::convolution_backward_weight(q, x, a, dwa, {}, {}, g.o);
  reference::convolution_backward_weight(x, a, dwb, {}, g.o);
  CHECK(test::same_bits(dwa, dwb));
}

TEST_CASE("convolutions that can't be are refused") {
  host::queue q;
  tensor<float, 4> x({1, 5, 5, 3}), w({4, 3, 3, 3}), y({1, 3, 3, 4}), bad({4, 3, 3, 2});
  tensor<float, 1> room({host::convolution_room<float>(x.extents(), w.extents())}), none, bias({3});
  CHECK_THROWS_WITH(host::convolution(q, x, w, {}, y, room, {.stride = {0, 1}}),
                    "stretto: convolution with stride 0, padding 0 and dilation 1 can't be; give 1 or more, padding of 0 or more");
  CHECK_THROWS_WITH(host::convolution(q, x, bad, {}, y, room),
                    "stretto: convolution of 3 channels can't take weights of shape (4, 3, 3, 2); give (out, height, width, 3), or (3, height, width, 1) for each channel by itself");
  CHECK_THROWS_WITH(host::convolution(q, x, w, {}, x, room), "stretto: convolution of images of shape (1, 5, 5, 3) gives shape (1, 3, 3, 4), not (1, 5, 5, 3); correct it");
  CHECK_THROWS_WITH(host::convolution(q, x, w, bias, y, room), "stretto: convolution with 4 channels can't take bias of 3 numbers; give one a channel");
  CHECK_THROWS_WITH(host::convolution(q, x, w, {}, y, none), "stretto: convolution needs room for 243 numbers, and was given 0; give it as much as convolution_room says");
  CHECK_THROWS_WITH(host::convolution_backward_input(q, w, y, x, none),
                    "stretto: convolution_backward_input needs room for 1008 numbers, and was given 0; give it as much as convolution_room says");
  CHECK_THROWS_WITH(host::convolution_backward_weight(q, x, y, w, bias, room),
                    "stretto: convolution_backward_weight with 4 channels can't take dbias of 3 numbers; give one a channel");
}
