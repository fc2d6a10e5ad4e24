// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Operations of a CUDA device that give each number by itself, and a bias's gradient, beside plain loops in the same
// precision and in double; random words, masks and casts beside the CPU's, bit for bit.
#include <cmath>
#include <limits>
#include <memory>
#include <vector>

#include <stretto/cuda/activation.cuh>
#include <stretto/cuda/add.cuh>
#include <stretto/cuda/cast.cuh>
#include <stretto/cuda/copy_rows.cuh>
#include <stretto/cuda/dropout.cuh>
#include <stretto/cuda/gated_unit.cuh>
#include <stretto/numeric/activate.hpp>
#include <stretto/numeric/add.hpp>
#include <stretto/numeric/gated_unit.hpp>

#include "check.hpp"

namespace {

using namespace check;

constexpr shape<2> shapes[] = {{{0, 5}}, {{5, 0}}, {{1, 1}}, {{3, 7}}, {{13, 64}}, {{7, 61}}, {{129, 257}}, {{520, 384}}};

struct words_arguments {
  random_stream stream;
  std::int64_t first, count;
  std::uint32_t *one, *four, *chance, *chances;
};
/// Each word by itself, and in lines.
template <int>
__global__ void draw_words(words_arguments a) {
  for (std::int64_t i = threadIdx.x; i < a.count / 8; i += blockDim.x) {
    std::uint32_t bits[8], chances[8];
    const auto at = static_cast<std::uint64_t>(a.first) + static_cast<std::uint64_t>(8 * i);
    cuda::random_bits(a.stream, a.stream.sample, at, bits);
    cuda::random_chances(a.stream, a.stream.sample, at, chances);
    for (int k = 0; k < 8; ++k) {
      std::uint32_t one[1], chance[1];
      cuda::random_bits(a.stream, a.stream.sample, at + static_cast<std::uint64_t>(k), one);
      cuda::random_chances(a.stream, a.stream.sample, at + static_cast<std::uint64_t>(k), chance);
      a.one[8 * i + k] = one[0], a.four[8 * i + k] = bits[k], a.chance[8 * i + k] = chance[0], a.chances[8 * i + k] = chances[k];
    }
  }
}

template <class T, int R>
bool same_bits(const tensor<T, R>& a, const tensor<T, R>& b) {
  for (std::int64_t i = 0; i < a.size(); ++i) {
    const auto x = static_cast<double>(a.data()[i]), y = static_cast<double>(b.data()[i]);
    if (std::isnan(x) && std::isnan(y)) continue;
    if (std::memcmp(a.data() + i, b.data() + i, sizeof(T)) != 0) return false;
  }
  return true;
}

template <class Runtime>
struct each_checks {
  report& r;
  basic_queue<Runtime> q;

  template <class T>
  using device_view = tensor_view<T, 2, basic_memory<Runtime>>;

  explicit each_checks(report& report_) : r(report_) {}

  /// run(in, out) puts the operation; math(in, out) are plain loops of any type.
  template <class T, class Run, class Math>
  void elementwise(const std::string& name, const std::vector<tensor<T, 2>>& in, int results, const layout& how, Run&& run, Math&& math, int in_place = -1) {
    if (r.skips()) return;
    const shape<2> s = in[0].extents();
    std::vector<std::unique_ptr<placed<Runtime, T, 2>>> from, to, again;
    for (const auto& x : in) from.push_back(std::make_unique<placed<Runtime, T, 2>>(x, how));
    for (int i = 0; i < results; ++i) to.push_back(std::make_unique<placed<Runtime, T, 2>>(s, how)), again.push_back(std::make_unique<placed<Runtime, T, 2>>(s, how));
    std::vector<device_view<const T>> x;
    for (const auto& f : from) x.push_back(f->view);
    std::vector<device_view<T>> y, z;
    for (int i = 0; i < results; ++i) y.push_back(to[static_cast<std::size_t>(i)]->view), z.push_back(again[static_cast<std::size_t>(i)]->view);
    run(x, y);
    run(x, z);
    if (in_place >= 0) {
      const std::size_t where = static_cast<std::size_t>(in_place);
      std::vector<device_view<T>> over = z;
      over[0] = from[where]->view;
      run(x, over);
    }
    q.synchronize();
    if (!r.judges()) return;
    std::vector<tensor<T, 2>> plain(static_cast<std::size_t>(results), tensor<T, 2>(s));
    std::vector<tensor<double, 2>> truth(static_cast<std::size_t>(results), tensor<double, 2>(s)), exact;
    for (const auto& one : in) exact.push_back(as<double>(one));
    math(in, plain);
    math(exact, truth);
    const std::string words = check::words<T>(name.c_str(), s, how.name);
    for (std::size_t i = 0; i < y.size(); ++i) {
      r.near(words, to[i]->back(), plain[i], truth[i]);
      r.check(words + ": again", same_bits(to[i]->back(), again[i]->back()));
      r.check(words + ": nothing beside", to[i]->kept());
    }
    if (in_place >= 0) r.check(words + ": in place", same_bits(to[0]->back(), from[static_cast<std::size_t>(in_place)]->back()));
  }

  template <class T>
  void sums(const shape<2>& s, const layout& how) {
    const auto x = numbers<T>(s, 1, -3, 3), y = numbers<T>(s, 2, -3, 3);
    elementwise<T>("add", {x, y}, 1, how, [&](auto& in, auto& out) { cuda::add(q, in[0], in[1], out[0]); }, [](auto& in, auto& out) { reference::add(in[0], in[1], out[0]); }, 1);
    const auto bias = numbers<T>(shape<1>{{s[1]}}, 3);
    for (const layout& where : {packed, odd}) {
      placed<Runtime, T, 1> b(bias, where);
      elementwise<T>("add_bias", {x}, 1, how, [&](auto& in, auto& out) { cuda::add_bias(q, in[0], b.view, out[0]); },
                     [&](auto& in, auto& out) {
                       using U = std::remove_reference_t<decltype(out[0].data()[0])>;
                       if constexpr (std::is_same_v<U, double>) reference::add_bias(in[0], as<double>(bias), out[0]);
                       else reference::add_bias(in[0], bias, out[0]);
                     }, 0);
    }
  }

  template <class T>
  void bias_gradient(const shape<2>& s, const layout& how) {
    if (r.skips()) return;
    const auto dy = numbers<T>(s, 4), first = numbers<T>(s, 5);
    const auto before = numbers<float>(shape<1>{{s[1]}}, 6);
    placed<Runtime, T, 2> from(dy, how);
    placed<Runtime, float, 1> sum(before, how), again(before, how), parts(before);
    cuda::bias_gradient(q, from.view, sum.view);
    cuda::bias_gradient(q, from.view, again.view);
    const std::int64_t some = s[0] / 256 * 128;  // whole chunks
    cuda::bias_gradient(q, from.view.rows(0, some), parts.view);
    cuda::bias_gradient(q, from.view.rows(some, s[0] - some), parts.view);
    q.synchronize();
    if (!r.judges()) return;
    tensor<float, 1> plain = before;
    tensor<double, 1> truth = as<double>(before);
    reference::bias_gradient(dy, plain);
    reference::bias_gradient(as<double>(dy), truth);
    const std::string words = check::words<T>("bias_gradient", s, how.name);
    r.near(words, sum.back(), plain, truth);
    r.same(words + ": again", sum.back(), again.back());
    r.same(words + ": in two calls", sum.back(), parts.back());
    r.check(words + ": nothing beside", sum.kept());
  }

  template <class T>
  tensor<T, 2> special() {
    tensor<T, 2> t({4, 8});
    const float most = std::numeric_limits<float>::max(), infinity = std::numeric_limits<float>::infinity();
    const float values[] = {0, -0.0f, infinity, -infinity, std::numeric_limits<float>::quiet_NaN(), most, -most, 1e-40f, -1e-40f, 88, -88, 90, -90, 104, -104, 3e4f, -3e4f, 1e-4f, -1e-4f, 6e-8f, 10, -10, 16.5f, -16.5f, 1, -1, 5.5f, -5.5f, 60000, -60000, 1e10f, -1e10f};
    for (int i = 0; i < 32; ++i) t.data()[i] = static_cast<T>(values[i]);
    return t;
  }

  template <class T>
  void activations(const tensor<T, 2>& x, const layout& how) {
    const shape<2> s = x.extents();
    const auto y = numbers<T>(s, 8, -2, 2), z = numbers<T>(s, 9, -2, 2);
    for (int k = 0; k < stretto::activations; ++k) {
      const auto kind = static_cast<activation>(k);
      const std::string name(activation_name(kind));
      elementwise<T>("activate " + name, {x}, 1, how, [&](auto& in, auto& out) { cuda::activate(q, in[0], out[0], kind); }, [&](auto& in, auto& out) { reference::activate(in[0], out[0], kind); }, 0);
      elementwise<T>("activate_backward " + name, {x, y}, 1, how, [&](auto& in, auto& out) { cuda::activate_backward(q, in[0], in[1], out[0], kind); },
                     [&](auto& in, auto& out) { reference::activate_backward(in[0], in[1], out[0], kind); }, 1);
      elementwise<T>("gated_unit " + name, {x, y}, 1, how, [&](auto& in, auto& out) { cuda::gated_unit(q, in[0], in[1], out[0], kind); },
                     [&](auto& in, auto& out) { reference::gated_unit(in[0], in[1], out[0], kind); }, 0);
      elementwise<T>("gated_unit_backward " + name, {x, y, z}, 2, how, [&](auto& in, auto& out) { cuda::gated_unit_backward(q, in[0], in[1], in[2], out[0], out[1], kind); },
                     [&](auto& in, auto& out) { reference::gated_unit_backward(in[0], in[1], in[2], out[0], out[1], kind); }, 0);
    }
  }

  template <class T>
  void dropout(const shape<2>& s, const layout& how) {
    if (r.skips()) return;
    const auto x = numbers<T>(s, 10);
    tensor<std::int64_t, 1> rows({s[0]});
    for (std::int64_t i = 0; i < rows.size(); ++i) rows.data()[i] = 4294967295 - 3 * i;
    const double word = random_stream{7, 3, 11, 2}.bits(0);  // of the first number: kept at its own rate, dropped at the next
    const dropout_options all[] = {{.rate = 0}, {.rate = word / 4294967296.0, .stream = {7, 3, 0, 2}, .first_row = 11}, {.rate = (word + 1) / 4294967296.0, .stream = {7, 3, 0, 2}, .first_row = 11},
                                   {.rate = 0.1, .stream = {7, 3, 0, 2}, .first_row = 11}, {.rate = 0.5, .stream = {7, 3, 0, 2}, .first_column = 24},
                                   {.rate = 0.25, .stream = {1, 2, 0, 3}, .first_column = (std::int64_t{1} << 34) + 5}, {.rate = 0.9, .stream = {1, 2, 0, 3}, .rows = rows}};
    for (const dropout_options& o : all) {
      placed<Runtime, T, 2> from(x, how), to(s, how);
      cuda::dropout(q, from.view, to.view, o);
      cuda::dropout(q, from.view, from.view, o);
      q.synchronize();
      if (!r.judges()) continue;
      tensor<T, 2> plain(s);
      reference::dropout(x, plain, o);
      const std::string words = check::words<T>("dropout", s, std::string(how.name) + " rate " + std::to_string(o.rate));
      r.same(words, to.back(), plain);
      r.same(words + ": in place", from.back(), plain);
      r.check(words + ": nothing beside", to.kept());
    }
  }

  template <class From, class To>
  void cast(const tensor<From, 2>& x, const layout& how) {
    if (r.skips()) return;
    const shape<2> s = x.extents();
    for (const cast_options& o : {cast_options{}, cast_options{.mode = rounding::stochastic, .stream = {5, 6, 0, 7}, .first_row = 9, .first_column = 16},
                                  cast_options{.mode = rounding::stochastic, .stream = {5, 6, 0, 7}, .first_column = 13}}) {
      placed<Runtime, From, 2> from(x, how);
      placed<Runtime, To, 2> to(s, how);
      cuda::cast(q, from.view, to.view, o);
      q.synchronize();
      if (!r.judges()) continue;
      tensor<To, 2> plain(s);
      reference::cast(x, plain, o);
      const std::string words = check::words<From>("cast", s, std::string("to ") + name_of<To>() + " " + how.name + (o.mode == rounding::stochastic ? " by chance from " : " to the nearest from ") + std::to_string(o.first_column));
      r.check(words, same_bits(to.back(), plain), "bit for bit");
      r.check(words + ": nothing beside", to.kept());
    }
  }

  template <class T>
  void rows(const shape<2>& s, const layout& how) {
    if (r.skips()) return;
    const auto x = numbers<T>(s, 12, -100, 100);
    placed<Runtime, T, 2> from(x, how), to(s, how.first == 3 ? lined : how), zeroed(x, how);
    cuda::copy_rows(q, from.view, to.view);
    cuda::zero_rows(q, zeroed.view);
    q.synchronize();
    if (!r.judges()) return;
    const std::string words = check::words<T>("copy_rows", s, how.name);
    r.same(words, to.back(), x);
    r.check(words + ": nothing beside", to.kept());
    r.same(check::words<T>("zero_rows", s, how.name), zeroed.back(), tensor<T, 2>(s));
    r.check(check::words<T>("zero_rows", s, how.name) + ": nothing beside", zeroed.kept());
  }

  void random_words() {
    constexpr std::int64_t n = 4096;
    for (const std::int64_t first : {std::int64_t{0}, std::int64_t{1} << 34, std::int64_t{1} << 36}) {
      const random_stream stream{0xdeadbeef, 17, 4000000000u, 3};
      placed<Runtime, std::int32_t, 1> one(shape<1>{{n}}), four(shape<1>{{n}}), chance(shape<1>{{n}}), chances(shape<1>{{n}});
      const auto words = [](auto& p) { return reinterpret_cast<std::uint32_t*>(p.view.data()); };
      q.launch("draw_words", draw_words<0>, {.blocks = 1, .threads = 256}, words_arguments{stream, first, n, words(one), words(four), words(chance), words(chances)}, writes_of(one.view, four.view, chance.view, chances.view));
      q.synchronize();
      if (!r.judges()) continue;
      tensor<std::int32_t, 1> bits({n}), halves({n});
      const weight_rounding rounding{.seed = 0xdeadbeef, .parameter = 3, .first_index = first};
      for (std::int64_t i = 0; i < n; ++i) {
        bits.data()[i] = static_cast<std::int32_t>(stream.bits(first + i));
        const std::uint64_t at = static_cast<std::uint64_t>(first + i);
        halves.data()[i] = static_cast<std::int32_t>(stream.bits(static_cast<std::int64_t>(at / 2)) >> (at % 2 * 16) << 16);
      }
      r.same("random words one by one from " + std::to_string(first), one.back(), bits);
      r.same("random words in lines from " + std::to_string(first), four.back(), bits);
      r.same("chances one by one from " + std::to_string(first), chance.back(), halves);
      r.same("chances in lines from " + std::to_string(first), chances.back(), halves);
    }
  }

  void speeds() {
    if (!r.judges() || !r.measures()) return;
    const shape<2> s{{8192, 4096}};
    const std::int64_t bytes = s[0] * s[1] * 2;
    placed<Runtime, bf16, 2> x(s), y(s), z(s), h(s), d(s);
    placed<Runtime, bf16, 1> b(shape<1>{{s[1]}});
    placed<Runtime, float, 1> db(shape<1>{{s[1]}});
    placed<Runtime, float, 2> f(s);
    r.speed("add bf16 8192 by 4096", q, 3 * bytes, [&] { cuda::add(q, x.view, y.view, z.view); });
    r.speed("add_bias bf16 8192 by 4096", q, 2 * bytes, [&] { cuda::add_bias(q, x.view, b.view, z.view); });
    r.speed("bias_gradient bf16 8192 by 4096", q, bytes, [&] { cuda::bias_gradient(q, x.view, db.view); });
    for (const activation kind : {activation::relu, activation::gelu, activation::gelu_tanh, activation::silu}) {
      const std::string name(activation_name(kind));
      r.speed("activate " + name + " bf16 8192 by 4096", q, 2 * bytes, [&] { cuda::activate(q, x.view, z.view, kind); });
      r.speed("activate_backward " + name + " bf16 8192 by 4096", q, 3 * bytes, [&] { cuda::activate_backward(q, x.view, y.view, z.view, kind); });
    }
    r.speed("gated_unit silu bf16 8192 by 4096", q, 3 * bytes, [&] { cuda::gated_unit(q, x.view, y.view, z.view); });
    r.speed("gated_unit_backward silu bf16 8192 by 4096", q, 5 * bytes, [&] { cuda::gated_unit_backward(q, x.view, y.view, z.view, h.view, d.view); });
    r.speed("dropout bf16 8192 by 4096", q, 2 * bytes, [&] { cuda::dropout(q, x.view, z.view, {.rate = 0.1}); });
    r.speed("cast float to bf16 8192 by 4096", q, 3 * bytes, [&] { cuda::cast(q, f.view, z.view); });
    r.speed("cast float to bf16 by chance 8192 by 4096", q, 3 * bytes, [&] { cuda::cast(q, f.view, z.view, {.mode = rounding::stochastic}); });
    r.speed("copy_rows bf16 8192 by 2048 of 4096", q, bytes, [&] { cuda::copy_rows(q, x.view.columns(0, 2048), z.view.columns(1024, 2048)); });
  }

  void refusals() {
    placed<Runtime, float, 2> a(shape<2>{{2, 3}}), b(shape<2>{{3, 2}});
    placed<Runtime, float, 1> run(shape<1>{{4}});
    r.throws("shapes", "stretto: add takes matrices of one shape, and was given (3, 2) and (2, 3); make them alike", [&] { cuda::add(q, a.view, b.view, a.view); });
    r.throws("bias", "stretto: add_bias with 3 columns can't take bias of 4 numbers; give one a column", [&] { cuda::add_bias(q, a.view, run.view, a.view); });
    r.throws("rate", "stretto: the rate of dropout is 0 or more and less than 1; correct it", [&] { cuda::dropout(q, a.view, a.view, {.rate = 1}); });
    r.throws("place", "stretto: cast was told that the first column is number -1; give 0 or more", [&] { cuda::cast(q, a.view, a.view, {.mode = rounding::stochastic, .first_column = -1}); });
  }

  void all() {
    refusals();
    random_words();
    for (const layout& how : layouts) {
      for (const shape<2>& s : shapes) {
        each_type([&](auto zero) {
          using T = decltype(zero);
          sums<T>(s, how);
          bias_gradient<T>(s, how);
          activations(numbers<T>(s, 7, -6, 6), how);
          dropout<T>(s, how);
          rows<T>(s, how);
          each_type([&](auto other) { cast<T, decltype(other)>(numbers<T>(s, 11, -4, 4), how); });
        });
        rows<std::int32_t>(s, how);
        rows<std::int8_t>(s, how);
      }
      each_type([&](auto zero) {
        using T = decltype(zero);
        activations(special<T>(), how);
        each_type([&](auto other) { cast<T, decltype(other)>(special<T>(), how); });
      });
    }
    each_type([&](auto zero) { bias_gradient<decltype(zero)>({{5000, 264}}, packed); });
    speeds();
  }
};

struct cases {
  template <class Runtime>
  static void run(report& r) {
    each_checks<Runtime>(r).all();
  }
};

}  // namespace

int main(int argc, char** argv) { return check::main<cases>(argc, argv, "each"); }
