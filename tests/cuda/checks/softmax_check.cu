// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// softmax on a CUDA device: near the truth, the same bits wherever a row stands, and what may overwrite what.
#include <stretto/cuda/softmax.cuh>

#include "check.hpp"

namespace {

using namespace stretto;
using check::as, check::basic_memory, check::basic_queue, check::layout, check::numbers, check::placed, check::report, check::words;

constexpr cuda::queue_options little{.scratch_bytes = 4096, .upload_bytes = 256, .uploads = 1};
/// Kinds.
constexpr softmax_options ways[] = {{}, {.scale = 0.125, .log = true}, {.scale = -0.7}};

template <class T>
struct given {
  tensor<T, 2> x, dy;
  explicit given(const shape<2>& s) : x(numbers<T, 2>(s, 1, -6, 6)), dy(numbers<T, 2>(s, 2)) {}
};
template <class T>
struct made {
  tensor<T, 2> y, dx;
  tensor<computes_in<T>, 1> lse;
};

template <class T>
made<T> plain_loops(const tensor<T, 2>& x, const tensor<T, 2>& dy, const softmax_options& o) {
  made<T> m{tensor<T, 2>(x.extents()), tensor<T, 2>(x.extents()), tensor<computes_in<T>, 1>(shape<1>{{x.rows()}})};
  reference::softmax(x, m.y, m.lse, o);
  reference::softmax_backward(m.y, dy, m.dx, o);
  return m;
}

/// Backward from `y`, that each may be held to the same truth.
template <class Runtime, class T>
made<T> on_device(const given<T>& g, const tensor<T, 2>& y_given, const softmax_options& o, const layout& how, bool& kept) {
  basic_queue<Runtime> q(little);
  const shape<2> s = g.x.extents();
  const placed<Runtime, T, 2> x(g.x, how), dy(g.dy, how), from(y_given, how);
  placed<Runtime, T, 2> y(s, how), dx(s, how);
  placed<Runtime, float, 1> lse(shape<1>{{s[0]}}, how);
  softmax(q, x.view, y.view, lse.view, o);
  softmax_backward(q, from.view, dy.view, dx.view, o);
  q.synchronize();
  kept = kept && y.kept() && dx.kept() && lse.kept();
  return {y.back(), dx.back(), lse.back()};
}

template <class Runtime, class T>
void near_the_truth(report& r, const shape<2>& s) {
  if (r.skips()) return;
  const given<T> g(s);
  for (int kind = 0; kind < 3; ++kind) {
    const softmax_options& o = ways[kind];
    const std::string name = words<T>("softmax", s, "kind " + std::to_string(kind));
    bool kept = true;
    made<T> plain{g.x, g.x, {}};
    made<double> truth;
    if (r.judges()) {
      plain = plain_loops(g.x, g.dy, o);
      truth = plain_loops(as<double>(g.x), as<double>(g.dy), o);
      reference::softmax_backward<double>(as<double>(plain.y), as<double>(g.dy), truth.dx, o);
    }
    const made<T> got = on_device<Runtime>(g, plain.y, o, check::packed, kept);
    if (r.judges()) {
      r.near(name + " y", got.y, plain.y, truth.y);
      r.near(name + " lse", got.lse, plain.lse, truth.lse);
      r.near(name + " dx", got.dx, plain.dx, truth.dx);
    }
    for (const layout& how : check::layouts) {
      const made<T> other = on_device<Runtime>(g, plain.y, o, how, kept);
      r.same(name + " y again " + how.name, other.y, got.y), r.same(name + " lse again " + how.name, other.lse, got.lse), r.same(name + " dx again " + how.name, other.dx, got.dx);
    }
    r.check(name + " nothing beside", kept);
  }
}

template <class Runtime, class T>
void places(report& r, const shape<2>& s) {
  if (r.skips()) return;
  const std::string name = words<T>("softmax", s);
  basic_queue<Runtime> q(little);
  const given<T> g(s);
  bool kept = true;
  const made<T> all = on_device<Runtime>(g, g.x, {}, check::packed, kept);
  placed<Runtime, T, 2> x(g.x), from(g.x), dy(g.dy), row(shape<2>{{1, s[1]}}), over(g.x);
  const std::int64_t t = s[0] / 2;
  softmax(q, x.view.rows(t, 1), row.view);
  softmax(q, x.view, x.view);
  softmax_backward(q, over.view, dy.view, over.view);
  softmax_backward(q, from.view, dy.view, dy.view);
  q.synchronize();
  tensor<T, 2> wanted({1, s[1]});
  std::memcpy(static_cast<void*>(wanted.data()), all.y.row(t), static_cast<std::size_t>(s[1]) * sizeof(T));
  r.same(name + " of a row by itself", row.back(), wanted);
  r.same(name + " over x", x.back(), all.y);
  r.same(name + " dx over y", over.back(), all.dx);
  r.same(name + " dx over dy", dy.back(), all.dx);
}

template <class Runtime, class T>
void special(report& r) {
  given<T> g(shape<2>{{6, 37}});
  const float none = std::numeric_limits<float>::quiet_NaN(), infinite = std::numeric_limits<float>::infinity();
  g.x(1, 36) = static_cast<T>(none), g.x(2, 5) = static_cast<T>(-infinite), g.x(3, 7) = static_cast<T>(infinite);
  for (std::int64_t i = 0; i < 37; ++i) g.x(4, i) = static_cast<T>(-infinite);
  g.dy(5, 0) = static_cast<T>(infinite);
  bool kept = true;
  for (int kind = 0; kind < 2; ++kind) {
    const made<T> plain = plain_loops(g.x, g.dy, ways[kind]), got = on_device<Runtime>(g, plain.y, ways[kind], check::packed, kept);
    r.check(words<T>("softmax", g.x.extents(), "special " + std::to_string(kind)), report::alike(got.y, plain.y) && report::alike(got.lse, plain.lse) && report::alike(got.dx, plain.dx));
  }
}

template <class Runtime, class T>
void speeds(report& r) {
  if (Runtime::watches || !r.measures()) return;
  basic_queue<Runtime> q;
  for (const std::int64_t n : {128, 1024, 4096, 16384, 32768, 131072}) {
    const shape<2> s{{(1 << 27) / n, n}};
    tensor<T, 2, basic_memory<Runtime>> x(s), y(s), z(s);
    const std::int64_t one = s[0] * n * static_cast<std::int64_t>(sizeof(T));
    r.speed(words<T>("softmax", s), q, 2 * one, [&] { softmax(q, x, y); });
    r.speed(words<T>("softmax_backward", s), q, 3 * one, [&] { softmax_backward(q, x, y, z); });
  }
}

struct cases {
  template <class Runtime>
  static void run(report& r) {
    check::each_type([&](auto of) {
      using T = decltype(of);
      for (const shape<2>& s : {shape<2>{{0, 8}}, shape<2>{{3, 0}}, shape<2>{{1, 1}}, shape<2>{{5, 3}}, shape<2>{{6, 16}}, shape<2>{{3, 61}}, shape<2>{{70, 128}}, shape<2>{{33, 1031}},
                                shape<2>{{4, 1600}}, shape<2>{{3, 4096}}, shape<2>{{3, 8209}}, shape<2>{{1, 20011}}, shape<2>{{1, 60000}}})
        near_the_truth<Runtime, T>(r, s);
      for (const shape<2>& s : {shape<2>{{7, 77}}, shape<2>{{37, 1024}}, shape<2>{{3, 17000}}, shape<2>{{2, 60000}}}) places<Runtime, T>(r, s);
      special<Runtime, T>(r);
    });
    basic_queue<Runtime> q(little);
    const placed<Runtime, float, 2> x(shape<2>{{3, 8}}), other(shape<2>{{3, 7}});
    const placed<Runtime, float, 1> seven(shape<1>{{7}});
    r.throws("y of another shape", "stretto: softmax of 3 rows and 8 columns can't take y of shape (3, 7); give it the same shape", [&] { softmax(q, x.view, other.view); });
    r.throws("lse too long", "stretto: softmax with 3 rows can't take lse of 7 numbers; give one a row", [&] { softmax(q, x.view, x.view, seven.view); });
    r.throws("dy of another shape", "stretto: softmax_backward of 3 rows and 8 columns can't take dy of shape (3, 7); give it the same shape",
             [&] { softmax_backward(q, x.view, other.view, x.view); });
    speeds<Runtime, bf16>(r);
    speeds<Runtime, float>(r);
  }
};

}  // namespace

int main(int argc, char** argv) { return check::main<cases>(argc, argv, "softmax"); }
