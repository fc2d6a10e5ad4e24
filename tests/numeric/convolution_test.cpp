// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <stretto/numeric/convolution.hpp>

#include "numeric/differences.hpp"

using namespace stretto;

TEST_CASE("gradients of convolutions are what differences say") {
  struct given { shape<4> x, weight; convolution_options o; };
  for (const given& g : {given{{{2, 4, 5, 3}}, {{2, 3, 2, 3}}, {}}, given{{{1, 5, 6, 2}}, {{3, 3, 3, 2}}, {.stride = {2, 3}, .padding = {1, 2}}},
                         given{{{1, 7, 6, 2}}, {{1, 2, 3, 2}}, {.stride = {1, 2}, .padding = {2, 0}, .dilation = {3, 2}}},
                         given{{{2, 5, 4, 3}}, {{3, 3, 3, 1}}, {.stride = {2, 1}, .padding = {1, 1}}}}) {
    tensor<double, 4> x = test::numbers<double>(g.x, 1), weight = test::numbers<double>(g.weight, 2), y(convolved(g.x, g.weight, g.o)), dx(g.x), dweight(g.weight);
    tensor<double, 1> bias = test::numbers<double>(shape<1>{{g.weight[0]}}, 3), dbias({g.weight[0]});
    const tensor<double, 4> dy = test::numbers<double>(y.extents(), 4);
    REQUIRE(y.size() > 0);
    const auto loss = [&] {
      reference::convolution(x, weight, bias, y, g.o);
      return test::weighted(y, dy);
    };
    reference::convolution_backward_input(weight, dy, dx, g.o);
    reference::convolution_backward_weight(x, dy, dweight, dbias, g.o);
    test::check_gradient<4>(x, dx, loss);
    test::check_gradient<4>(weight, dweight, loss);
    test::check_gradient<1>(bias, dbias, loss);
  }
}

TEST_CASE("convolutions by hand") {
  tensor<double, 4> x({1, 3, 3, 1}), weight({1, 2, 2, 1}), y({1, 2, 2, 1});
  for (int i = 0; i < 9; ++i) x.data()[i] = i + 1;
  for (int i = 0; i < 4; ++i) weight.data()[i] = i + 1;
  reference::convolution(x, weight, {}, y);
  CHECK(y(0, 0, 0, 0) == 1 * 1 + 2 * 2 + 3 * 4 + 4 * 5);
  CHECK(y(0, 1, 1, 0) == 1 * 5 + 2 * 6 + 3 * 8 + 4 * 9);
  tensor<double, 4> padded({1, 2, 2, 1});
  reference::convolution(x, weight, {}, padded, {.stride = {2, 2}, .padding = {1, 1}, .dilation = {2, 2}});
  CHECK(padded(0, 0, 0, 0) == 4 * 5);
  CHECK(padded(0, 1, 1, 0) == 1 * 5);
}

TEST_CASE("beyond an image there are zeros, which an infinite weight makes no number, but not where a channel is by itself") {
  constexpr double infinity = std::numeric_limits<double>::infinity();
  const convolution_options o{.padding = {0, 1}};
  tensor<double, 4> x({1, 1, 2, 1}), weight({1, 1, 3, 1}), y({1, 1, 2, 1}), dx({1, 1, 2, 1}), two({1, 1, 2, 2}), each({2, 1, 3, 1}), apart({1, 1, 2, 2});
  for (double& v : x) v = 1;
  for (double& v : two) v = 1;
  weight(0, 0, 0, 0) = each(0, 0, 0, 0) = infinity;
  reference::convolution(x, weight, {}, y, o);
  CHECK((std::isnan(y(0, 0, 0, 0)) && y(0, 0, 1, 0) == infinity));
  reference::convolution_backward_input(weight, x, dx, o);
  CHECK((dx(0, 0, 0, 0) == infinity && std::isnan(dx(0, 0, 1, 0))));
  reference::convolution(two, each, {}, apart, o);
  CHECK((apart(0, 0, 0, 0) == 0 && apart(0, 0, 1, 0) == infinity));
  y(0, 0, 0, 0) = infinity, y(0, 0, 1, 0) = 0;
  tensor<double, 4> dweight({1, 1, 3, 1});
  reference::convolution_backward_weight(x, y, dweight, {}, o);
  CHECK((std::isnan(dweight(0, 0, 0, 0)) && dweight(0, 0, 1, 0) == infinity));
}

TEST_CASE("shapes of what convolutions give") {
  CHECK(convolved({{2, 224, 224, 3}}, {{64, 7, 7, 3}}, {.stride = {2, 2}, .padding = {3, 3}}) == shape<4>{{2, 112, 112, 64}});
  CHECK(convolved({{1, 5, 5, 1}}, {{1, 3, 3, 1}}, {.dilation = {2, 2}}) == shape<4>{{1, 1, 1, 1}});
  CHECK(convolved({{1, 4, 5, 1}}, {{1, 3, 3, 1}}, {.dilation = {2, 2}}) == shape<4>{{1, 0, 1, 1}});
  constexpr std::int64_t most = 2147483647, huge = std::int64_t{1} << 58;
  CHECK(convolved({{1, 4, 5, 1}}, {{1, huge, 1, 1}}, {.padding = {most, 0}, .dilation = {most, 1}}) == shape<4>{{1, 0, 5, 1}});
  CHECK(convolved({{1, huge, 1, 1}}, {{1, 1, 1, 1}}, {.stride = {most, most}, .padding = {most, most}}) == shape<4>{{1, huge / most + 3, 3, 1}});
  CHECK_THROWS_WITH(convolved({{1, 4, 5, 1}}, {{1, 3, 3, 1}}, {.stride = {1, 0}}),
                    "stretto: convolved with stride 0, padding 0 and dilation 1 can't be; give 1 or more, padding of 0 or more, and at most 2147483647");
  CHECK_THROWS_WITH(convolved({{1, huge, huge, 1}}, {{1, 3, 3, 1}}),
                    "stretto: a tensor of shape (1, 288230376151711744, 288230376151711744, 1) has more elements than there are addresses; correct its extents");
}
