// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// cross_entropy on a CUDA device: losses, gradients and shards, with every option, near the truth.
#include <stretto/cuda/cross_entropy.cuh>

#include "check.hpp"

namespace {

using namespace stretto;
using check::as, check::basic_memory, check::basic_queue, check::layout, check::numbers, check::placed, check::report, check::words;

constexpr cuda::queue_options little{.scratch_bytes = 1 << 16, .upload_bytes = 256, .uploads = 1};

template <class T>
struct given {
  tensor<T, 2> x;
  tensor<std::int32_t, 1> labels;
  tensor<float, 1> weights;

  /// Labels within `valid` columns.
  given(const shape<2>& s, std::int64_t valid) : x(numbers<T, 2>(s, 1, -6, 6)), labels(shape<1>{{s[0]}}), weights(numbers<float, 1>({{s[0]}}, 2, 0.5, 2)) {
    for (std::int64_t t = 0; t < s[0]; ++t) labels[t] = t % 4 == 2 ? -100 : static_cast<std::int32_t>(t * 977 % valid);
    if (s[0] > 3) {  // the largest: of equals the first, or not
      for (std::int64_t i = 0; i < valid; ++i) x(0, i) = x(0, labels[0] + 0) = static_cast<T>(7.0f);
      labels[3] = static_cast<std::int32_t>(valid - 1), x(3, labels[3]) = static_cast<T>(8.0f);
    }
  }
  /// Kind 0: nothing besides; 1: all options; 2: smoothing and z-loss.
  template <class Space>
  cross_entropy_options_in<Space> options(int kind, const tensor_view<const float, 1, Space>& w, std::int64_t vocabulary) const {
    cross_entropy_options_in<Space> o;
    o.vocabulary = vocabulary, o.count_right = true;
    if (kind == 1) o.soft_cap = 4, o.weights = w;
    if (kind > 0) o.label_smoothing = 0.1, o.z_loss = 0.01;
    return o;
  }
};

template <class T>
struct made {
  tensor<computes_in<T>, 1> loss, lse;
  tensor<T, 2> dx;
  cross_entropy_sum sums;
};
constexpr double whole_factor = 0.25;

template <class T>
made<T> plain_loops(const tensor<T, 2>& x, const given<T>* g, const tensor<std::int32_t, 1>& labels, const cross_entropy_options& o) {
  static_cast<void>(g);
  using number = computes_in<T>;
  made<T> m{tensor<number, 1>(labels.extents()), tensor<number, 1>(labels.extents()), tensor<T, 2>(x.extents()), {}};
  m.sums = reference::cross_entropy(x, labels, m.loss, m.lse, o);
  reference::cross_entropy_backward(x, labels, m.lse, static_cast<number>(whole_factor), m.dx, o);
  return m;
}

template <class Runtime, class T>
made<T> on_device(const given<T>& g, int kind, std::int64_t vocabulary, const layout& how, bool factor_there, bool in_place, bool& kept) {
  basic_queue<Runtime> q(little);
  const shape<1> rows{{g.x.rows()}};
  placed<Runtime, T, 2> x(g.x, how), dx(g.x.extents(), in_place ? check::packed : how);
  const placed<Runtime, std::int32_t, 1> labels(g.labels, how);
  const placed<Runtime, float, 1> weights(g.weights, how);
  placed<Runtime, float, 1> loss(rows, how), lse(rows, how);
  placed<Runtime, double, 1> sums(shape<1>{{4}}), factor(numbers<double, 1>({{1}}, 1, whole_factor, whole_factor));
  const auto o = g.options(kind, tensor_view<const float, 1, basic_memory<Runtime>>(weights.view), vocabulary);
  cross_entropy(q, x.view, labels.view, loss.view, lse.view, sums.view, o);
  auto& to = in_place ? x : dx;
  if (factor_there) cross_entropy_backward(q, x.view, labels.view, lse.view, factor.view, to.view, o);
  else cross_entropy_backward(q, x.view, labels.view, lse.view, static_cast<float>(whole_factor), to.view, o);
  q.synchronize();
  kept = kept && x.kept() && dx.kept() && loss.kept() && lse.kept();
  const tensor<double, 1> four = sums.back();
  return {loss.back(), lse.back(), to.back(), cuda::cross_entropy_sum_of(four.data())};
}

template <class T>
bool same(const made<T>& a, const made<T>& b) {
  const auto bits = [](const auto& one, const auto& other) { return one.size() == 0 || std::memcmp(one.data(), other.data(), static_cast<std::size_t>(one.size()) * sizeof(*one.data())) == 0; };
  return bits(a.loss, b.loss) && bits(a.lse, b.lse) && bits(a.dx, b.dx) && std::memcmp(&a.sums, &b.sums, sizeof a.sums) == 0;
}

template <class Runtime, class T>
void near_the_truth(report& r, const shape<2>& s, std::int64_t valid) {
  if (r.skips()) return;
  const given<T> g(s, valid);
  for (int kind = 0; kind < 3; ++kind) {
    const std::string name = words<T>("cross_entropy", s, "kind " + std::to_string(kind) + " of " + std::to_string(valid));
    bool kept = true;
    const std::int64_t vocabulary = valid < s[1] ? valid : 0;
    const made<T> got = on_device<Runtime>(g, kind, vocabulary, check::packed, false, false, kept);
    if (r.judges()) {
      const auto o = g.options(kind, tensor_view<const float, 1>(g.weights), vocabulary);
      const made<T> plain = plain_loops<T>(g.x, nullptr, g.labels, o);
      const made<double> truth = plain_loops<double>(as<double>(g.x), nullptr, g.labels, o);
      r.near(name + " loss", got.loss, plain.loss, truth.loss);
      r.near(name + " lse", got.lse, plain.lse, truth.lse);
      r.near(name + " dx", got.dx, plain.dx, truth.dx);
      const double off = std::abs(got.sums.loss - truth.sums.loss), bound = 2 * std::abs(plain.sums.loss - truth.sums.loss) + 1e-6 * std::abs(truth.sums.loss) + 1e-12;
      r.check(name + " sums", off <= bound && std::abs(got.sums.weight - plain.sums.weight) <= 1e-12 * plain.sums.weight && got.sums.tokens == plain.sums.tokens &&
                                  got.sums.right == plain.sums.right,
              std::to_string(got.sums.loss) + ", right " + std::to_string(got.sums.right) + " for " + std::to_string(plain.sums.right));
    }
    for (const layout& how : check::layouts)
      for (const bool in_place : {false, true})
        r.check(name + " " + how.name + (in_place ? " in place" : ""), same(got, on_device<Runtime>(g, kind, vocabulary, how, in_place, in_place, kept)), "bit for bit");
    r.check(name + " nothing beside", kept);
  }
}

/// Shards of the vocabulary, each against plain loops.
template <class Runtime, class T>
void shards(report& r, std::int64_t columns, std::int64_t whole) {
  if (r.skips()) return;
  basic_queue<Runtime> q(little);
  const std::int64_t rows = 6;
  const given<T> g(shape<2>{{rows, columns}}, columns);
  for (const std::int64_t first : {std::int64_t{0}, columns, 3 * columns}) {
    const std::string name = words<T>("cross_entropy_shard", g.x.extents(), "from " + std::to_string(first) + " of " + std::to_string(whole));
    const placed<Runtime, T, 2> x(g.x, check::odd);
    placed<Runtime, T, 2> dx(g.x.extents());
    tensor<std::int32_t, 1> wanted(shape<1>{{rows}});
    for (std::int64_t t = 0; t < rows; ++t) wanted[t] = t == 4 ? -100 : static_cast<std::int32_t>((first + t * 31) % whole);
    const placed<Runtime, std::int32_t, 1> labels(wanted);
    placed<Runtime, float, 1> lse(shape<1>{{rows}}), target(shape<1>{{rows}}), sum(shape<1>{{rows}});
    cross_entropy_options o{.label_smoothing = 0.1, .z_loss = 0.01, .soft_cap = 5, .shard = {first, whole}};
    cross_entropy_shard(q, x.view, labels.view, lse.view, target.view, sum.view, o.with(tensor_view<const float, 1, basic_memory<Runtime>>()));
    cross_entropy_backward(q, x.view, labels.view, lse.view, 0.5f, dx.view, o.with(tensor_view<const float, 1, basic_memory<Runtime>>()));
    q.synchronize();
    if (!r.judges()) continue;
    tensor<float, 1> p[3];
    tensor<double, 1> d[3];
    for (int i = 0; i < 3; ++i) p[i] = tensor<float, 1>(shape<1>{{rows}}), d[i] = tensor<double, 1>(shape<1>{{rows}});
    tensor<T, 2> pdx(g.x.extents());
    tensor<double, 2> ddx(g.x.extents());
    reference::cross_entropy_shard(g.x, wanted, p[0], p[1], p[2], o);
    reference::cross_entropy_shard(as<double>(g.x), wanted, d[0], d[1], d[2], o);
    reference::cross_entropy_backward(g.x, wanted, p[0], 0.5f, pdx, o);
    reference::cross_entropy_backward(as<double>(g.x), wanted, d[0], 0.5, ddx, o);
    r.near(name + " lse", lse.back(), p[0], d[0]), r.near(name + " target", target.back(), p[1], d[1]), r.near(name + " sum", sum.back(), p[2], d[2]);
    if (o.valid(columns) > 0) r.near(name + " dx", dx.back(), pdx, ddx);
  }
}

template <class Runtime, class T>
void special(report& r) {
  given<T> g(shape<2>{{6, 37}}, 37);
  for (std::int64_t t = 0; t < 6; ++t) g.labels[t] = 5;
  const float none = std::numeric_limits<float>::quiet_NaN(), infinite = std::numeric_limits<float>::infinity();
  g.x(1, 36) = static_cast<T>(none), g.x(2, 7) = static_cast<T>(-infinite), g.x(3, 7) = static_cast<T>(infinite), g.x(5, 5) = static_cast<T>(-infinite);
  for (std::int64_t i = 0; i < 37; ++i) g.x(4, i) = static_cast<T>(-infinite);
  bool kept = true;
  const made<T> got = on_device<Runtime>(g, 0, 0, check::packed, false, false, kept);
  if (!r.judges()) return;
  const made<T> plain = plain_loops<T>(g.x, nullptr, g.labels, g.options(0, tensor_view<const float, 1>(), 0));
  r.check(words<T>("cross_entropy", g.x.extents(), "special"), report::alike(got.loss, plain.loss) && report::alike(got.lse, plain.lse) && report::alike(got.dx, plain.dx));
  g.labels[0] = 37;  // there is none
  const made<T> wrong = on_device<Runtime>(g, 0, 0, check::packed, false, false, kept);
  r.check(words<T>("cross_entropy", g.x.extents(), "wrong label"), std::isnan(wrong.loss[0]) && std::isnan(wrong.sums.loss));
}

template <class Runtime>
void sentences(report& r) {
  basic_queue<Runtime> q(little);
  const placed<Runtime, float, 2> x(shape<2>{{3, 8}}), other(shape<2>{{3, 7}});
  const placed<Runtime, std::int32_t, 1> labels(shape<1>{{3}}), two(shape<1>{{2}});
  const placed<Runtime, float, 1> three(shape<1>{{3}});
  const placed<Runtime, double, 1> sums(shape<1>{{4}}), five(shape<1>{{5}});
  r.throws("too few labels", "stretto: cross_entropy with 3 rows can't take labels of 2 numbers; give one a row", [&] { cross_entropy(q, x.view, two.view, three.view, three.view, sums.view); });
  r.throws("five sums", "stretto: cross_entropy writes 4 sums, and was given room for 5; give room for 4, or {}", [&] { cross_entropy(q, x.view, labels.view, three.view, three.view, five.view); });
  r.throws("a shard", "stretto: cross_entropy needs the whole vocabulary, and was given a shard from 0 on; use cross_entropy_shard",
           [&] { cross_entropy(q, x.view, labels.view, three.view, three.view, sums.view, {.shard = {0, 8}}); });
  r.throws("dlogits of another shape", "stretto: cross_entropy_backward of 3 rows and 8 columns can't take dlogits of shape (3, 7); give it the same shape",
           [&] { cross_entropy_backward(q, x.view, labels.view, three.view, 1.0f, other.view); });
  r.throws("five factors", "stretto: cross_entropy_backward takes one factor, and was given 5; give a number, or a view of one",
           [&] { cross_entropy_backward(q, x.view, labels.view, three.view, five.view, x.view); });
}

template <class Runtime, class T>
void speeds(report& r) {
  if (Runtime::watches || !r.measures()) return;
  basic_queue<Runtime> q;
  for (const std::int64_t n : {1000, 32000, 50257, 50304, 131072}) {
    const shape<2> s{{(1 << 28) / n, n}};
    tensor<T, 2, basic_memory<Runtime>> x(s), dx(s);
    tensor<std::int32_t, 1, basic_memory<Runtime>> labels(shape<1>{{s[0]}});
    tensor<float, 1, basic_memory<Runtime>> loss(shape<1>{{s[0]}}), lse(shape<1>{{s[0]}});
    tensor<double, 1, basic_memory<Runtime>> sums(shape<1>{{4}});
    const std::int64_t one = s[0] * n * static_cast<std::int64_t>(sizeof(T));
    r.speed(words<T>("cross_entropy", s), q, one, [&] { cross_entropy(q, x, labels, loss, lse, sums); });
    r.speed(words<T>("cross_entropy capped", s), q, one, [&] { cross_entropy(q, x, labels, loss, lse, sums, {.soft_cap = 30}); });
    r.speed(words<T>("cross_entropy_backward", s), q, 2 * one, [&] { cross_entropy_backward(q, x, labels, lse, 1.0f, dx); });
    r.speed(words<T>("cross_entropy_backward in place", s), q, 2 * one, [&] { cross_entropy_backward(q, dx, labels, lse, 1.0f, dx); });
  }
}

struct cases {
  template <class Runtime>
  static void run(report& r) {
    check::each_type([&](auto of) {
      using T = decltype(of);
      for (const shape<2>& s : {shape<2>{{0, 8}}, shape<2>{{1, 1}}, shape<2>{{5, 3}}, shape<2>{{6, 61}}, shape<2>{{7, 128}}, shape<2>{{70, 10}}, shape<2>{{4, 1031}}, shape<2>{{4, 5003}},
                                shape<2>{{4, 20011}}}) {
        near_the_truth<Runtime, T>(r, s, s[1]);
        if (s[1] > 8) near_the_truth<Runtime, T>(r, s, s[1] - 5);
      }
      shards<Runtime, T>(r, 61, 150);
      shards<Runtime, T>(r, 1024, 4000);
      special<Runtime, T>(r);
    });
    sentences<Runtime>(r);
    speeds<Runtime, bf16>(r);
    speeds<Runtime, float>(r);
  }
};

}  // namespace

int main(int argc, char** argv) { return check::main<cases>(argc, argv, "cross_entropy"); }
