// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// rms_norm and layer_norm on a CUDA device: near the truth, the same bits wherever a row stands, and what may overwrite what.
#include <stretto/cuda/layer_norm.cuh>
#include <stretto/cuda/rms_norm.cuh>

#include "check.hpp"

namespace {

using namespace stretto;
using check::as, check::basic_memory, check::basic_queue, check::layout, check::numbers, check::placed, check::report, check::words;

template <class T>
struct given {
  tensor<T, 2> x, residual, dy, ds;
  tensor<T, 1> weight, bias;
  explicit given(const shape<2>& s)
      : x(numbers<T, 2>(s, 1, -2, 2)), residual(numbers<T, 2>(s, 2)), dy(numbers<T, 2>(s, 3)), ds(numbers<T, 2>(s, 4)), weight(numbers<T, 1>({{s[1]}}, 5, 0.5, 1.5)),
        bias(numbers<T, 1>({{s[1]}}, 6)) {}
  template <class U>
  given<U> in() const {
    given<U> g(shape<2>{{0, 0}});
    g.x = as<U>(x), g.residual = as<U>(residual), g.dy = as<U>(dy), g.ds = as<U>(ds), g.weight = as<U>(weight), g.bias = as<U>(bias);
    return g;
  }
};

/// Kind 0: weights; 1: weights less one, or without a bias, and a residual gradient; 2: neither weights nor bias.
template <class T>
struct made {
  tensor<T, 2> y, s, added, dx, dx_both;
  tensor<computes_in<T>, 1> mean, inverse, dweight, dbias, dweight_both, dbias_both;
  explicit made(const shape<2>& s2) : y(s2), s(s2), added(s2), dx(s2), dx_both(s2) {
    for (auto* t : {&mean, &inverse}) *t = tensor<computes_in<T>, 1>(shape<1>{{s2[0]}});
    for (auto* t : {&dweight, &dbias, &dweight_both, &dbias_both}) {
      *t = tensor<computes_in<T>, 1>(shape<1>{{s2[1]}});
      for (auto& v : *t) v = 3;
    }
  }
};

template <bool Centred, class T>
made<T> plain_loops(const given<T>& g, int kind) {
  made<T> m(g.x.extents());
  const tensor_view<const T, 1> w = kind < 2 ? tensor_view<const T, 1>(g.weight) : tensor_view<const T, 1>(), b = kind == 0 ? tensor_view<const T, 1>(g.bias) : tensor_view<const T, 1>();
  if constexpr (Centred) {
    tensor<computes_in<T>, 1> mean(m.mean), inverse(m.mean);
    reference::layer_norm(g.x, w, b, m.y, m.mean, m.inverse, {.epsilon = 1e-3});
    reference::add_layer_norm(g.x, g.residual, w, b, m.s, m.added, mean, inverse, {.epsilon = 1e-3});
    layer_norm_backward_options<T> o;
    if (kind == 1) o.residual_gradient = g.ds;
    reference::layer_norm_backward_input(g.x, w, m.mean, m.inverse, g.dy, m.dx, o);
    reference::layer_norm_backward_weight(g.x, m.mean, m.inverse, g.dy, m.dweight, m.dbias);
  } else {
    const rms_norm_options o{.epsilon = 1e-3, .weight_offset = kind == 1 ? 1.0 : 0};
    tensor<computes_in<T>, 1> inverse(m.mean);
    reference::rms_norm(g.x, w, m.y, m.inverse, o);
    reference::add_rms_norm(g.x, g.residual, w, m.s, m.added, inverse, o);
    rms_norm_backward_options<T> back{.weight_offset = o.weight_offset};
    if (kind == 1) back.residual_gradient = g.ds;
    reference::rms_norm_backward_input(g.x, w, m.inverse, g.dy, m.dx, back);
    reference::rms_norm_backward_weight(g.x, m.inverse, g.dy, m.dweight);
  }
  return m;
}

/// All that there is, on the device; `kept` is false where something beside a result was touched.
template <bool Centred, class Runtime, class T>
made<T> on_device(basic_queue<Runtime>& q, const given<T>& g, int kind, const layout& how, bool& kept) {
  const shape<2> shape2 = g.x.extents();
  const shape<1> rows{{shape2[0]}};
  made<T> m(shape2);
  const placed<Runtime, T, 2> x(g.x, how), residual(g.residual, how), dy(g.dy, how), ds(g.ds, how);
  const placed<Runtime, T, 1> weight(g.weight, how), bias(g.bias, how);
  placed<Runtime, T, 2> y(shape2, how), s(shape2, how), added(shape2, how), dx(shape2, how), dx_both(shape2, how);
  placed<Runtime, float, 1> mean(rows, how), inverse(rows, how), other(rows, how), dweight(m.dweight, how), dbias(m.dbias, how), dweight_both(m.dweight, how), dbias_both(m.dbias, how);
  using run = tensor_view<const T, 1, basic_memory<Runtime>>;
  const run w = kind < 2 ? run(weight.view) : run(), b = kind == 0 ? run(bias.view) : run();
  if constexpr (Centred) {
    layer_norm(q, x.view, w, b, y.view, mean.view, inverse.view, {.epsilon = 1e-3});
    add_layer_norm(q, x.view, residual.view, w, b, s.view, added.view, {}, other.view, {.epsilon = 1e-3});
    layer_norm_backward_options<T, basic_memory<Runtime>> o;
    if (kind == 1) o.residual_gradient = ds.view;
    layer_norm_backward_input(q, x.view, w, mean.view, inverse.view, dy.view, dx.view, o);
    layer_norm_backward_weight(q, x.view, mean.view, inverse.view, dy.view, dweight.view, dbias.view);
    layer_norm_backward(q, x.view, w, mean.view, inverse.view, dy.view, dx_both.view, dweight_both.view, dbias_both.view, o);
  } else {
    const rms_norm_options o{.epsilon = 1e-3, .weight_offset = kind == 1 ? 1.0 : 0};
    rms_norm(q, x.view, w, y.view, inverse.view, o);
    add_rms_norm(q, x.view, residual.view, w, s.view, added.view, other.view, o);
    rms_norm_backward_options<T, basic_memory<Runtime>> back{.weight_offset = o.weight_offset};
    if (kind == 1) back.residual_gradient = ds.view;
    rms_norm_backward_input(q, x.view, w, inverse.view, dy.view, dx.view, back);
    rms_norm_backward_weight(q, x.view, inverse.view, dy.view, dweight.view);
    rms_norm_backward(q, x.view, w, inverse.view, dy.view, dx_both.view, dweight_both.view, back);
  }
  q.synchronize();
  m.y = y.back(), m.s = s.back(), m.added = added.back(), m.dx = dx.back(), m.dx_both = dx_both.back(), m.mean = mean.back(), m.inverse = inverse.back();
  m.dweight = dweight.back(), m.dbias = dbias.back(), m.dweight_both = dweight_both.back(), m.dbias_both = dbias_both.back();
  for (const auto* t : {&y, &s, &added, &dx, &dx_both}) kept = kept && t->kept();
  for (const auto* t : {&mean, &inverse, &dweight, &dbias, &dweight_both, &dbias_both}) kept = kept && t->kept();
  return m;
}

template <class T>
bool same(const made<T>& a, const made<T>& b) {
  const auto bits = [](const auto& one, const auto& other) { return one.size() == 0 || std::memcmp(one.data(), other.data(), static_cast<std::size_t>(one.size()) * sizeof(*one.data())) == 0; };
  return bits(a.y, b.y) && bits(a.s, b.s) && bits(a.added, b.added) && bits(a.dx, b.dx) && bits(a.dx_both, b.dx_both) && bits(a.mean, b.mean) && bits(a.inverse, b.inverse) &&
         bits(a.dweight, b.dweight) && bits(a.dbias, b.dbias) && bits(a.dweight_both, b.dweight_both) && bits(a.dbias_both, b.dbias_both);
}

template <bool Centred, class Runtime, class T>
void near_the_truth(report& r, const shape<2>& s) {
  if (r.skips()) return;
  const char* const norm = Centred ? "layer_norm" : "rms_norm";
  basic_queue<Runtime> q({.scratch_bytes = 16 << 20, .upload_bytes = 256, .uploads = 1});
  const given<T> g(s);
  for (int kind = 0; kind < 3; ++kind) {
    const std::string name = words<T>(norm, s, "kind " + std::to_string(kind));
    bool kept = true;
    const made<T> got = on_device<Centred>(q, g, kind, check::packed, kept);
    if (r.judges()) {
      const made<T> plain = plain_loops<Centred>(g, kind);
      const made<double> truth = plain_loops<Centred>(g.template in<double>(), kind);
      r.near(name + " y", got.y, plain.y, truth.y);
      r.same(name + " s", got.s, plain.s);
      r.near(name + " added", got.added, plain.added, truth.added);
      r.near(name + " inverse", got.inverse, plain.inverse, truth.inverse);
      r.near(name + " dx", got.dx, plain.dx, truth.dx);
      r.near(name + " dx of both", got.dx_both, plain.dx, truth.dx);
      r.near(name + " dweight", got.dweight, plain.dweight, truth.dweight);
      r.near(name + " dweight of both", got.dweight_both, plain.dweight, truth.dweight);
      if constexpr (Centred) {
        r.near(name + " mean", got.mean, plain.mean, truth.mean);
        r.near(name + " dbias", got.dbias, plain.dbias, truth.dbias);
        r.near(name + " dbias of both", got.dbias_both, plain.dbias, truth.dbias);
      }
    }
    r.check(name + " again", same(got, on_device<Centred>(q, g, kind, check::packed, kept)), "bit for bit");
    for (const layout& how : {check::odd, check::lined}) r.check(name + " " + how.name, same(got, on_device<Centred>(q, g, kind, how, kept)), "bit for bit");
    r.check(name + " nothing beside", kept);
  }
}

/// A row by itself has the bits that it has among others; results may stand where inputs did.
template <bool Centred, class Runtime, class T>
void places(report& r, const shape<2>& s) {
  if (r.skips()) return;
  const std::string name = words<T>(Centred ? "layer_norm" : "rms_norm", s);
  basic_queue<Runtime> q({.scratch_bytes = 16 << 20, .upload_bytes = 256, .uploads = 1});
  const given<T> g(s);
  bool kept = true;
  const made<T> all = on_device<Centred>(q, g, 1, check::packed, kept);
  placed<Runtime, T, 2> x(g.x), dy(g.dy), ds(g.ds), residual(g.residual), row(shape<2>{{1, s[1]}}), back(shape<2>{{1, s[1]}});
  placed<Runtime, T, 1> weight(g.weight);
  placed<Runtime, float, 1> mean(all.mean), inverse(all.inverse);
  const std::int64_t t = s[0] / 2;
  const auto one = [&](const tensor_view<T, 2, basic_memory<Runtime>>& v) { return v.rows(t, 1); };
  if constexpr (Centred) {
    layer_norm(q, one(x.view), weight.view, {}, row.view, {}, {}, {.epsilon = 1e-3});
    layer_norm_backward_input(q, one(x.view), weight.view, mean.view.part(0, t, 1), inverse.view.part(0, t, 1), one(dy.view), back.view, {.residual_gradient = one(ds.view)});
  } else {
    rms_norm(q, one(x.view), weight.view, row.view, {}, {.epsilon = 1e-3, .weight_offset = 1});
    rms_norm_backward_input(q, one(x.view), weight.view, inverse.view.part(0, t, 1), one(dy.view), back.view, {.weight_offset = 1, .residual_gradient = one(ds.view)});
  }
  q.synchronize();
  const auto row_of = [&](const tensor<T, 2>& m) {
    tensor<T, 2> some({1, s[1]});
    std::memcpy(static_cast<void*>(some.data()), m.row(t), static_cast<std::size_t>(s[1]) * sizeof(T));
    return some;
  };
  r.same(name + " y of a row by itself", row.back(), row_of(all.y));
  r.same(name + " dx of a row by itself", back.back(), row_of(all.dx));
  // Where it was read, it may be written.
  placed<Runtime, float, 1> dw(shape<1>{{s[1]}});
  placed<Runtime, T, 2> dy_both(g.dy), added(s);
  if constexpr (Centred) {
    layer_norm_backward(q, x.view, weight.view, mean.view, inverse.view, dy_both.view, dy_both.view, dw.view, {}, {.residual_gradient = ds.view});
    layer_norm_backward_input(q, x.view, weight.view, mean.view, inverse.view, dy.view, dy.view, {.residual_gradient = ds.view});
    add_layer_norm(q, x.view, residual.view, weight.view, {}, residual.view, added.view, {}, {}, {.epsilon = 1e-3});
    layer_norm(q, x.view, weight.view, {}, x.view, {}, {}, {.epsilon = 1e-3});
  } else {
    rms_norm_backward(q, x.view, weight.view, inverse.view, dy_both.view, dy_both.view, dw.view, {.weight_offset = 1, .residual_gradient = ds.view});
    rms_norm_backward_input(q, x.view, weight.view, inverse.view, dy.view, dy.view, {.weight_offset = 1, .residual_gradient = ds.view});
    add_rms_norm(q, x.view, residual.view, weight.view, residual.view, added.view, {}, {.epsilon = 1e-3, .weight_offset = 1});
    rms_norm(q, x.view, weight.view, x.view, {}, {.epsilon = 1e-3, .weight_offset = 1});
  }
  q.synchronize();
  r.same(name + " dx of both over dy", dy_both.back(), all.dx_both);
  r.same(name + " dx over dy", dy.back(), all.dx);
  r.same(name + " s over the residual", residual.back(), all.s);
  r.same(name + " y of the sum", added.back(), all.added);
  r.same(name + " y over x", x.back(), all.y);
}

/// What is no number and what is infinite goes through as through plain loops.
template <bool Centred, class Runtime, class T>
void special(report& r) {
  basic_queue<Runtime> q({.scratch_bytes = 16 << 20, .upload_bytes = 256, .uploads = 1});
  given<T> g(shape<2>{{4, 37}});
  g.x(1, 36) = static_cast<T>(std::numeric_limits<float>::quiet_NaN());
  g.x(2, 5) = static_cast<T>(-std::numeric_limits<float>::infinity());
  g.dy(3, 0) = static_cast<T>(std::numeric_limits<float>::infinity());
  bool kept = true;
  const made<T> got = on_device<Centred>(q, g, 2, check::packed, kept);
  if (!r.judges()) return;
  const made<T> plain = plain_loops<Centred>(g, 2);
  r.check(words<T>(Centred ? "layer_norm" : "rms_norm", g.x.extents(), "special"),
          report::alike(got.y, plain.y) && report::alike(got.dx, plain.dx) && report::alike(got.dx_both, plain.dx) && report::alike(got.inverse, plain.inverse) &&
              report::alike(got.dweight, plain.dweight) && report::alike(got.dweight_both, plain.dweight));
}

template <class Runtime>
void sentences(report& r) {
  basic_queue<Runtime> q({.scratch_bytes = 16 << 20, .upload_bytes = 256, .uploads = 1});
  const placed<Runtime, float, 2> x(shape<2>{{3, 8}}), other(shape<2>{{3, 7}});
  const placed<Runtime, float, 1> w(shape<1>{{8}}), seven(shape<1>{{7}}), three(shape<1>{{3}});
  r.throws("y of another shape", "stretto: rms_norm of 3 rows and 8 columns can't take y of shape (3, 7); give it the same shape", [&] { rms_norm(q, x.view, w.view, other.view); });
  r.throws("a weight too short", "stretto: layer_norm with 8 columns can't take a weight of 7 numbers; give one a column", [&] { layer_norm(q, x.view, seven.view, {}, x.view); });
  r.throws("no inverse", "stretto: rms_norm_backward_input with 3 rows can't take inverse of 0 numbers; give one a row", [&] { rms_norm_backward_input(q, x.view, w.view, {}, x.view, x.view); });
  r.throws("a residual gradient of another shape", "stretto: layer_norm_backward_input of 3 rows and 8 columns can't take a residual gradient of shape (3, 7); give it the same shape",
           [&] { layer_norm_backward_input(q, x.view, w.view, three.view, three.view, x.view, x.view, {.residual_gradient = other.view}); });
  r.throws("no dweight", "stretto: rms_norm_backward_weight with 8 columns can't take dweight of 0 numbers; give one a column",
           [&] { rms_norm_backward_weight(q, x.view, three.view, x.view, {}); });
  r.throws("a residual of another shape", "stretto: add_rms_norm of 3 rows and 8 columns can't take a residual of shape (3, 7); give it the same shape",
           [&] { add_rms_norm(q, x.view, other.view, w.view, x.view, x.view); });
}

template <class Runtime, class T>
void speeds(report& r) {
  if (Runtime::watches || !r.measures()) return;
  basic_queue<Runtime> q({.scratch_bytes = 16 << 20, .upload_bytes = 256, .uploads = 1});
  const std::int64_t rows = 16384, size = static_cast<std::int64_t>(sizeof(T));
  for (const std::int64_t n : {768, 1024, 4096, 8192, 16384, 32768}) {
    const shape<2> s{{rows, n}};
    tensor<T, 2, basic_memory<Runtime>> x(s), y(s), z(s);
    tensor<T, 1, basic_memory<Runtime>> w(shape<1>{{n}});
    tensor<float, 1, basic_memory<Runtime>> inverse(shape<1>{{rows}}), mean(shape<1>{{rows}}), dw(shape<1>{{n}}), db(shape<1>{{n}});
    const std::int64_t one = rows * n * size;
    r.speed(words<T>("rms_norm", s), q, 2 * one, [&] { rms_norm(q, x, w, y, inverse); });
    r.speed(words<T>("add_rms_norm", s), q, 4 * one, [&] { add_rms_norm(q, x, y, w, y, z, inverse); });
    r.speed(words<T>("rms_norm_backward_input", s), q, 3 * one, [&] { rms_norm_backward_input(q, x, w, inverse, y, z); });
    r.speed(words<T>("rms_norm_backward_weight", s), q, 2 * one, [&] { rms_norm_backward_weight(q, x, inverse, y, dw); });
    r.speed(words<T>("rms_norm_backward", s), q, 3 * one, [&] { rms_norm_backward(q, x, w, inverse, y, z, dw); });
    r.speed(words<T>("layer_norm", s), q, 2 * one, [&] { layer_norm(q, x, w, w, y, mean, inverse); });
    r.speed(words<T>("layer_norm_backward_input", s), q, 3 * one, [&] { layer_norm_backward_input(q, x, w, mean, inverse, y, z); });
    r.speed(words<T>("layer_norm_backward_weight", s), q, 2 * one, [&] { layer_norm_backward_weight(q, x, mean, inverse, y, dw, db); });
    r.speed(words<T>("layer_norm_backward", s), q, 3 * one, [&] { layer_norm_backward(q, x, w, mean, inverse, y, z, dw, db); });
  }
}

struct cases {
  template <class Runtime>
  static void run(report& r) {
    check::each_type([&](auto of) {
      using T = decltype(of);
      for (const shape<2>& s : {shape<2>{{0, 8}}, shape<2>{{3, 0}}, shape<2>{{1, 1}}, shape<2>{{5, 3}}, shape<2>{{6, 16}}, shape<2>{{3, 61}}, shape<2>{{9, 128}}, shape<2>{{131, 768}},
                                shape<2>{{33, 1031}}, shape<2>{{4, 1600}}, shape<2>{{5, 4096}}, shape<2>{{3, 8209}}, shape<2>{{1, 20011}}, shape<2>{{1, 60000}}}) {
        near_the_truth<false, Runtime, T>(r, s);
        near_the_truth<true, Runtime, T>(r, s);
      }
      for (const shape<2>& s : {shape<2>{{7, 77}}, shape<2>{{37, 1024}}, shape<2>{{3, 5003}}, shape<2>{{3, 17000}}, shape<2>{{2, 60000}}}) {
        places<false, Runtime, T>(r, s);
        places<true, Runtime, T>(r, s);
      }
      special<false, Runtime, T>(r);
      special<true, Runtime, T>(r);
    });
    sentences<Runtime>(r);
    speeds<Runtime, bf16>(r);
    speeds<Runtime, float>(r);
  }
};

}  // namespace

int main(int argc, char** argv) { return check::main<cases>(argc, argv, "norm"); }
