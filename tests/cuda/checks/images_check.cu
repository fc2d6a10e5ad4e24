// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Convolution and pooling on a CUDA device, and their gradients, beside plain loops in the same precision and in double. Link
// -lcublasLt.
#include <vector>

#include <stretto/cuda/convolution.cuh>
#include <stretto/cuda/pooling.cuh>

#include "check.hpp"

namespace {

using namespace check;

/// What must stand without gaps may begin anywhere.
constexpr layout shifted{"shifted", 3, 0};

struct convolution_case {
  shape<4> x, weight;
  convolution_options o;
};

template <class Runtime>
struct image_checks {
  report& r;
  basic_queue<Runtime> q;

  explicit image_checks(report& report_) : r(report_) {}

  template <class T>
  void convolution(const convolution_case& g, const layout& how, bool biased) {
    if (r.skips()) return;
    const shape<4> s = convolved(g.x, g.weight, g.o);
    const layout whole = how.first % 8 != 0 ? shifted : packed;
    const auto x = numbers<T>(g.x, 1), w = numbers<T>(g.weight, 2), dy = numbers<T>(s, 3);
    const auto bias = numbers<T>(shape<1>{{g.weight[0]}}, 4);
    const auto had = numbers<float>(g.weight, 5);
    const auto had_bias = numbers<float>(shape<1>{{g.weight[0]}}, 6);
    placed<Runtime, T, 4> from(x, how), gradient(dy, how), y(s, how), again(s, how), dx(g.x, how);
    placed<Runtime, T, 4> weights(w, whole);
    placed<Runtime, T, 1> row(bias, whole), room(shape<1>{{cuda::convolution_room<T>(q, g.x, g.weight, g.o)}});
    placed<Runtime, float, 4> dw(had), dw_again(had);
    placed<Runtime, float, 1> db(had_bias);
    const auto given = biased ? row.view : decltype(row.view){};
    cuda::convolution(q, from.view, weights.view, given, y.view, room.view, g.o);
    cuda::convolution(q, from.view, weights.view, given, again.view, room.view, g.o);
    cuda::convolution_backward_input(q, weights.view, gradient.view, dx.view, room.view, g.o);
    cuda::convolution_backward_weight(q, from.view, gradient.view, dw.view, biased ? db.view : decltype(db.view){}, room.view, g.o);
    cuda::convolution_backward_weight(q, from.view, gradient.view, dw_again.view, {}, room.view, g.o);
    q.synchronize();
    if (!r.judges()) return;
    const std::string name = words<T>("convolution", g.x, "by " + std::string(g.weight.words().c_str()) + " stride " + std::to_string(g.o.stride[0]) + " " + how.name + (biased ? " with a bias" : ""));
    tensor<T, 4> plain(s), plain_dx(g.x);
    tensor<double, 4> truth(s), true_dx(g.x), true_dw = as<double>(had);
    tensor<float, 4> plain_dw = had;
    tensor<float, 1> plain_db = had_bias;
    tensor<double, 1> true_db = as<double>(had_bias);
    const auto wide_x = as<double>(x), wide_w = as<double>(w), wide_dy = as<double>(dy);
    const auto wide_bias = as<double>(bias);
    reference::convolution(x, w, biased ? tensor_view<const T, 1>(bias) : tensor_view<const T, 1>{}, plain, g.o);
    reference::convolution(wide_x, wide_w, biased ? tensor_view<const double, 1>(wide_bias) : tensor_view<const double, 1>{}, truth, g.o);
    reference::convolution_backward_input(w, dy, plain_dx, g.o);
    reference::convolution_backward_input(wide_w, wide_dy, true_dx, g.o);
    reference::convolution_backward_weight(x, dy, plain_dw, plain_db, g.o);
    reference::convolution_backward_weight(wide_x, wide_dy, true_dw, true_db, g.o);
    r.near(name, y.back(), plain, truth);
    r.same(name + ": again", y.back(), again.back());
    r.near(name + " backward, input", dx.back(), plain_dx, true_dx);
    r.near(name + " backward, weight", dw.back(), plain_dw, true_dw);
    r.same(name + " backward, weight: again", dw.back(), dw_again.back());
    if (biased) r.near(name + " backward, bias", db.back(), plain_db, true_db);
    r.check(name + ": nothing beside", y.kept() && dx.kept() && dw.kept() && db.kept() && room.kept());
  }

  template <class T>
  void pooling(const shape<4>& s, const pooling_options& o, const layout& how) {
    if (r.skips()) return;
    const shape<4> t = pooled(s, o);
    auto x = numbers<T>(s, 7);
    for (std::int64_t i = 0; i < x.size(); i += 5) x.data()[i] = static_cast<T>(0.75f);  // largest ones alike
    const auto dy = numbers<T>(t, 8);
    placed<Runtime, T, 4> from(x, how), gradient(dy, how), most(t, how), mean(t, how), dmost(s, how), dmean(s, how);
    cuda::max_pooling(q, from.view, most.view, o);
    cuda::average_pooling(q, from.view, mean.view, o);
    cuda::max_pooling_backward(q, from.view, gradient.view, dmost.view, o);
    cuda::average_pooling_backward(q, gradient.view, dmean.view, o);
    q.synchronize();
    if (!r.judges()) return;
    const std::string name = words<T>("pooling", s, "window " + std::to_string(o.window[0]) + " stride " + std::to_string(o.stride[0]) + (o.counts_padding ? " counting padding " : " ") + how.name);
    const auto wide = as<double>(x), wide_dy = as<double>(dy);
    tensor<T, 4> plain(t), plain_dx(s);
    tensor<double, 4> truth(t), true_dx(s);
    reference::max_pooling(x, plain, o);
    r.same(name + ", largest", most.back(), plain);
    reference::average_pooling(x, plain, o), reference::average_pooling(wide, truth, o);
    r.near(name + ", means", mean.back(), plain, truth);
    reference::max_pooling_backward(x, dy, plain_dx, o), reference::max_pooling_backward(wide, wide_dy, true_dx, o);
    r.near(name + " backward, largest", dmost.back(), plain_dx, true_dx);
    reference::average_pooling_backward(dy, plain_dx, o), reference::average_pooling_backward(wide_dy, true_dx, o);
    r.near(name + " backward, means", dmean.back(), plain_dx, true_dx);
    r.check(name + ": nothing beside", most.kept() && mean.kept() && dmost.kept() && dmean.kept());
  }

  /// What is no number is larger than any other, and zeros beyond an image are multiplied, but where each channel is by itself.
  void no_numbers() {
    const float none = std::numeric_limits<float>::quiet_NaN(), infinite = std::numeric_limits<float>::infinity();
    auto x = numbers<float>(shape<4>{{1, 4, 4, 2}}, 9);
    x(0, 1, 1, 0) = none;
    placed<Runtime, float, 4> from(x), y(shape<4>{{1, 2, 2, 2}}), dy(numbers<float>(shape<4>{{1, 2, 2, 2}}, 10)), dx(x.extents());
    cuda::max_pooling(q, from.view, y.view, {});
    cuda::max_pooling_backward(q, from.view, dy.view, dx.view, {});
    tensor<float, 4> w({2, 3, 3, 2}), alone({2, 3, 3, 1});
    for (float& v : w) v = 1;
    for (float& v : alone) v = 1;
    w(0, 0, 0, 0) = infinite, alone(0, 0, 0, 0) = infinite;
    const auto plain_x = numbers<float>(shape<4>{{1, 4, 4, 2}}, 11, 0.5, 1);
    placed<Runtime, float, 4> images(plain_x), weights(w), weights_alone(alone), z(x.extents()), z_alone(x.extents());
    placed<Runtime, float, 1> room(shape<1>{{cuda::convolution_room<float>(q, x.extents(), w.extents(), {.padding = {1, 1}})}});
    cuda::convolution(q, images.view, weights.view, {}, z.view, room.view, {.padding = {1, 1}});
    cuda::convolution(q, images.view, weights_alone.view, {}, z_alone.view, {}, {.padding = {1, 1}});
    q.synchronize();
    if (!r.judges()) return;
    tensor<float, 4> most({1, 2, 2, 2}), back(x.extents()), plain(x.extents()), plain_alone(x.extents());
    reference::max_pooling(x, most, {});
    reference::max_pooling_backward(x, dy.back(), back, {});
    r.check("pooling of what is no number", report::alike(y.back(), most) && std::isnan(y.back()(0, 0, 0, 0)));
    r.same("pooling of what is no number, backward", dx.back(), back);
    reference::convolution(plain_x, w, {}, plain, {.padding = {1, 1}});
    reference::convolution(plain_x, alone, {}, plain_alone, {.padding = {1, 1}});
    r.check("convolution with an infinite weight", report::alike(z.back(), plain) && std::isnan(z.back()(0, 0, 0, 0)));
    r.check("convolution of each channel with an infinite weight", report::alike(z_alone.back(), plain_alone) && !std::isnan(z_alone.back()(0, 0, 0, 0)));
  }

  void refusals() {
    placed<Runtime, float, 4> x(shape<4>{{1, 4, 4, 3}}), w(shape<4>{{2, 3, 3, 3}}), y(shape<4>{{1, 2, 2, 2}}), small_image(shape<4>{{1, 2, 2, 3}});
    r.throws("channels", "stretto: convolution of 3 channels can't take weights of shape (1, 2, 2, 2); give (out, height, width, 3), or (3, height, width, 1) for each channel by itself",
             [&] { cuda::convolution(q, x.view, y.view, {}, y.view, {}, {}); });
    r.throws("room", "stretto: convolution needs room for 128 numbers, and was given 0; give it as much as convolution_room says", [&] { cuda::convolution(q, x.view, w.view, {}, y.view, {}, {}); });
    r.throws("shape", "stretto: max_pooling of images of shape (1, 4, 4, 3) gives shape (1, 2, 2, 3), not (1, 2, 2, 2); correct it", [&] { cuda::max_pooling(q, x.view, y.view, {}); });
    r.throws("gradient", "stretto: max_pooling_backward of images of shape (1, 4, 4, 3) can't give a gradient of shape (1, 2, 2, 3); give it the same shape",
             [&] { cuda::max_pooling_backward(q, x.view, small_image.view, small_image.view, {}); });
  }

  void speeds() {
    if (!r.judges() || !r.measures()) return;
    const shape<4> s{{64, 56, 56, 64}}, w{{64, 3, 3, 64}};
    const convolution_options o{.padding = {1, 1}};
    placed<Runtime, bf16, 4> x(s), y(s), weight(w);
    placed<Runtime, float, 4> dw(w);
    placed<Runtime, bf16, 1> room(shape<1>{{cuda::convolution_room<bf16>(q, s, w, o)}});
    const std::int64_t bytes = s.count() * 2;
    r.speed("convolution bf16 64 of 56 by 56 by 64, 3 by 3", q, 2 * bytes, [&] { cuda::convolution(q, x.view, weight.view, {}, y.view, room.view, o); }, 10);
    r.speed("convolution_backward_input likewise", q, 2 * bytes, [&] { cuda::convolution_backward_input(q, weight.view, y.view, x.view, room.view, o); }, 10);
    r.speed("convolution_backward_weight likewise", q, 2 * bytes, [&] { cuda::convolution_backward_weight(q, x.view, y.view, dw.view, {}, room.view, o); }, 10);
    placed<Runtime, bf16, 4> halves(pooled(s));
    r.speed("max_pooling bf16 64 of 56 by 56 by 64", q, bytes * 5 / 4, [&] { cuda::max_pooling(q, x.view, halves.view); });
  }

  void all() {
    refusals();
    no_numbers();
    const convolution_case cases[] = {
        {{{1, 1, 1, 1}}, {{1, 1, 1, 1}}, {}},
        {{{0, 4, 4, 3}}, {{2, 3, 3, 3}}, {.padding = {1, 1}}},
        {{{2, 5, 7, 3}}, {{4, 3, 3, 3}}, {.padding = {1, 1}}},
        {{{2, 6, 5, 8}}, {{16, 3, 3, 8}}, {.stride = {2, 2}, .padding = {1, 1}}},
        {{{1, 9, 8, 16}}, {{8, 2, 3, 16}}, {.stride = {2, 3}, .padding = {0, 2}, .dilation = {2, 1}}},
        {{{2, 4, 4, 16}}, {{24, 1, 1, 16}}, {}},
        {{{2, 5, 5, 8}}, {{8, 1, 1, 8}}, {.stride = {2, 2}}},
        {{{1, 7, 3, 5}}, {{3, 7, 3, 5}}, {.stride = {3, 1}, .padding = {3, 1}}},
        {{{1, 6, 6, 4}}, {{2, 2, 2, 4}}, {.stride = {4, 4}}},
        {{{2, 6, 7, 8}}, {{8, 3, 3, 1}}, {.padding = {1, 1}}},
        {{{1, 9, 9, 5}}, {{5, 3, 2, 1}}, {.stride = {2, 2}, .padding = {1, 0}, .dilation = {1, 3}}},
        {{{3, 20, 20, 72}}, {{72, 3, 3, 1}}, {.padding = {1, 1}}},
    };
    for (const layout& how : layouts)
      each_type([&](auto zero) {
        using T = decltype(zero);
        for (const convolution_case& g : cases)
          for (const bool biased : {false, true}) convolution<T>(g, how, biased);
        pooling<T>({{1, 1, 1, 1}}, {.window = {1, 1}, .stride = {1, 1}}, how);
        pooling<T>({{2, 6, 7, 8}}, {}, how);
        pooling<T>({{2, 7, 6, 5}}, {.window = {3, 3}, .stride = {2, 2}, .padding = {1, 1}}, how);
        pooling<T>({{1, 7, 6, 16}}, {.window = {3, 2}, .stride = {1, 1}, .padding = {1, 0}, .counts_padding = true}, how);
        pooling<T>({{2, 5, 4, 24}}, {.window = {5, 4}, .stride = {5, 4}}, how);
        pooling<T>({{1, 5, 5, 3}}, {.window = {1, 1}, .stride = {3, 2}}, how);
        pooling<T>({{1, 0, 2, 8}}, {.window = {2, 2}, .stride = {1, 1}, .padding = {1, 1}}, how);
      });
    if constexpr (!Runtime::watches) convolution<bf16>({{{33, 30, 31, 96}}, {{8, 3, 3, 96}}, {.padding = {1, 1}}}, packed, false);  // more rows than are gathered at once
    speeds();
  }
};

struct cases {
  template <class Runtime>
  static void run(report& r) {
    image_checks<Runtime>(r).all();
  }
};

}  // namespace

int main(int argc, char** argv) { return check::main<cases>(argc, argv, "images"); }
