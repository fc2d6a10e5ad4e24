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

TEST_CASE("zeros beyond an image meet infinite weights and what is no number as in the plain loops") {
  constexpr float infinity = std::numeric_limits<float>::infinity(), none = std::numeric_limits<float>::quiet_NaN();
  const given edges[] = {{{{1, 5, 6, 3}}, {{4, 3, 3, 3}}, {.padding = {1, 1}}},
                         {{{2, 6, 5, 3}}, {{5, 3, 4, 3}}, {.stride = {2, 3}, .padding = {2, 1}, .dilation = {1, 2}}},
                         {{{1, 4, 4, 3}}, {{4, 1, 1, 3}}, {.padding = {1, 0}}},
                         {{{1, 6, 5, 21}}, {{21, 3, 3, 1}}, {.padding = {1, 1}}}};
  const auto hold = [&](auto t) {
    using T = decltype(t);
    for (const given& g : edges)
      for (const float odd : {infinity, -infinity, none})
        for (std::int64_t tap = 0; tap < g.weight[1] * g.weight[2]; ++tap) {
          const shape<4> s = convolved(g.x, g.weight, g.o);
          tensor<T, 4> x = test::numbers<T>(g.x, 1), weight = test::numbers<T>(g.weight, 2), dy = test::numbers<T>(s, 3), loops(s), loops_dx(g.x);
          tensor<float, 4> loops_dw(g.weight);
          weight(1, tap / g.weight[2], tap % g.weight[2], 0) = static_cast<T>(odd);
          dy(0, tap % s[1], 0, 2) = static_cast<T>(odd);
          reference::convolution(x, weight, {}, loops, g.o);
          reference::convolution_backward_input(weight, dy, loops_dx, g.o);
          reference::convolution_backward_weight(x, dy, loops_dw, {}, g.o);
          tensor<T, 1> room({host::convolution_room<T>(g.x, g.weight, g.o)});
          const auto differ = [](const auto& a, const auto& b) {
            int n = 0;
            for (std::int64_t i = 0; i < a.size(); ++i) {
              const float p = static_cast<float>(a.data()[i]), r = static_cast<float>(b.data()[i]);
              n += std::isnan(p) != std::isnan(r) || (std::isinf(r) && p != r) || (std::isfinite(r) && std::abs(p - r) > 0.1f) ? 1 : 0;
            }
            return n;
          };
          for (host::isa level : std::is_same_v<T, bf16> ? test::product_levels() : test::levels()) {
            INFO(host::isa_name(level) << " " << element_name(element_traits<T>::type) << " " << g.weight.words().c_str() << " tap " << tap << " " << odd);
            host::queue q({.most = level});
            tensor<T, 4> y(s), dx(g.x);
            tensor<float, 4> dw(g.weight);
            host::convolution(q, x, weight, {}, y, room, g.o);
            host::convolution_backward_input(q, weight, dy, dx, room, g.o);
            host::convolution_backward_weight(q, x, dy, dw, {}, room, g.o);
            CHECK(differ(y, loops) == 0);
            CHECK(differ(dx, loops_dx) == 0);
            CHECK(differ(dw, loops_dw) == 0);
          }
        }
  };
  test::each_type(hold);
}

TEST_CASE("strides beyond the image end, and take the taps that there are") {
  host::queue q;
  for (const std::int64_t stride : {7, 100000, 2147483647}) {
    const convolution_options o{.stride = {stride, stride}, .padding = {1, 1}};
    const shape<4> shape_x{{1, 5, 6, 3}}, w{{4, 3, 3, 3}}, s = convolved(shape_x, w, o);
    CHECK(s == shape<4>{{1, 1, 1, 4}});
    const tensor<float, 4> weight = test::numbers<float>(w, 1), dy = test::numbers<float>(s, 2);
    tensor<float, 4> dx = test::numbers<float>(shape_x, 3), loops(shape_x);
    tensor<float, 1> room({host::convolution_room<float>(shape_x, w, o)});
    host::convolution_backward_input(q, weight, dy, dx, room, o);
    reference::convolution_backward_input(weight, dy, loops, o);
    for (std::int64_t i = 0; i < dx.size(); ++i) CHECK(std::abs(dx.data()[i] - loops.data()[i]) < 1e-5f);
  }
}

TEST_CASE("a convolution of images without channels or columns adds nothing") {
  host::queue q;
  for (const given& g : {given{{{1, 4, 4, 0}}, {{2, 3, 3, 0}}, {.padding = {1, 1}}}, given{{{1, 4, 0, 3}}, {{2, 3, 3, 3}}, {.padding = {1, 2}}}, given{{{1, 4, 4, 3}}, {{0, 3, 3, 3}}, {.padding = {1, 1}}}}) {
    const shape<4> s = convolved(g.x, g.weight, g.o);
    const tensor<float, 4> x(g.x), weight(g.weight), dy(s);
    tensor<float, 4> y = test::numbers<float>(s, 1), dx = test::numbers<float>(g.x, 2), dw(g.weight);
    tensor<float, 1> room({host::convolution_room<float>(g.x, g.weight, g.o)}), none;
    const tensor_view<float, 1> gathers = g.x[3] == 0 ? none : room;  // without channels there is nothing to gather
    host::convolution(q, x, weight, {}, y, gathers, g.o);
    host::convolution_backward_input(q, weight, dy, dx, room, g.o);
    host::convolution_backward_weight(q, x, dy, dw, {}, gathers, g.o);
    for (float v : y) CHECK(v == 0);
    for (float v : dx) CHECK(v == 0);
    for (float v : dw) CHECK(v == 0);
  }
}

TEST_CASE("a gradient of weights that is refused has added nothing to dbias") {
  host::queue q, poor({.scratch_bytes = 0});
  const tensor<float, 4> x = test::numbers<float>(shape<4>{{1, 5, 5, 3}}, 1), dy = test::numbers<float>(shape<4>{{1, 3, 3, 4}}, 2), dy_alone = test::numbers<float>(shape<4>{{1, 3, 3, 3}}, 3);
  tensor<float, 4> dw({4, 3, 3, 3}), dw_alone({3, 3, 3, 1}), wide({4, 3, 3, 4});
  tensor<float, 1> room({243}), none, dbias({4}), dbias_alone({3});
  CHECK_THROWS(host::convolution_backward_weight(q, x, dy, dw, dbias, none));
  CHECK_THROWS(host::convolution_backward_weight(poor, x, dy, dw, dbias, room));
  CHECK_THROWS(host::convolution_backward_weight(q, x, dy, wide.part(3, 0, 3), dbias, room));
  CHECK_THROWS(host::convolution_backward_weight(poor, x, dy_alone, dw_alone, dbias_alone, none));
  for (float v : dbias) CHECK(v == 0);
  for (float v : dbias_alone) CHECK(v == 0);
  host::convolution_backward_weight(q, x, dy, dw, dbias, room);
  CHECK(dbias[0] != 0);
}

TEST_CASE("convolutions that can't be are refused") {
  host::queue q;
  tensor<float, 4> x({1, 5, 5, 3}), w({4, 3, 3, 3}), y({1, 3, 3, 4}), bad({4, 3, 3, 2});
  tensor<float, 1> room({host::convolution_room<float>(x.extents(), w.extents())}), none, bias({3});
  CHECK_THROWS_WITH(host::convolution(q, x, w, {}, y, room, {.stride = {0, 1}}),
                    "stretto: convolution with stride 0, padding 0 and dilation 1 can't be; give 1 or more, padding of 0 or more, and at most 2147483647");
  CHECK_THROWS_WITH(host::convolution_room<float>(x.extents(), w.extents(), {.stride = {0, 1}}),
                    "stretto: convolution_room with stride 0, padding 0 and dilation 1 can't be; give 1 or more, padding of 0 or more, and at most 2147483647");
  CHECK_THROWS_WITH(host::convolution(q, x, w, {}, y, room, {.padding = {0, INT64_MAX}}),
                    "stretto: convolution with stride 1, padding 9223372036854775807 and dilation 1 can't be; give 1 or more, padding of 0 or more, and at most 2147483647");
  constexpr std::int64_t most = 2147483647;
  CHECK_THROWS_WITH(host::convolution_room<float>({{1, 1, 1, 1}}, {{1, 1, 1, 1}}, {.padding = {most, most}}),
                    "stretto: a tensor of shape (1, 4294967295, 4294967295) has more elements than there are addresses; correct its extents");
  CHECK_THROWS_WITH(host::convolution_room<float>({{1, most, most, most}}, w.extents()),
                    "stretto: a tensor of shape (1, 2147483647, 2147483647, 2147483647) has more elements than there are addresses; correct its extents");
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
