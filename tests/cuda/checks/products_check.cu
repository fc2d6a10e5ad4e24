// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Matrix products on a CUDA device, held to the truth in double. Link -lcublasLt.
#include <bit>
#include <utility>

#include <stretto/cuda/matrix_product.cuh>
#include <stretto/numeric/matrix_product.hpp>

#include "check.hpp"

namespace {

using namespace check;

struct extents {
  std::int64_t rows, columns, depth;
};

/// Nothing, one, odd, prime, larger than a tile, whole lines, and large.
constexpr extents all_extents[] = {{0, 3, 4},    {3, 0, 4},     {2, 3, 0},   {1, 1, 1},      {1, 49, 5},     {7, 5, 3},       {8, 48, 16},    {13, 17, 31},
                                   {33, 32, 64}, {97, 101, 39}, {64, 64, 8}, {3, 1013, 13},  {9, 60, 1031},  {128, 256, 512}, {260, 136, 72}, {257, 1000, 2048}};

template <class T>
struct operands {
  tensor<T, 2> a, b;
  bool ta, tb;
  operands(const extents& e, bool transpose_a, bool transpose_b)
      : a(numbers<T>(transpose_a ? shape<2>{{e.depth, e.rows}} : shape<2>{{e.rows, e.depth}}, 1)), b(numbers<T>(transpose_b ? shape<2>{{e.columns, e.depth}} : shape<2>{{e.depth, e.columns}}, 2)),
        ta(transpose_a), tb(transpose_b) {}
};
/// Calls f with both, read as they are meant.
template <class A, class B, class F>
void with(const A& a, const B& b, bool ta, bool tb, F f) {
  if (ta && tb) f(transposed(a), transposed(b));
  else if (ta) f(transposed(a), b);
  else if (tb) f(a, transposed(b));
  else f(a, b);
}

/// How a product ends.
struct ending {
  const char* name;
  bool bias = false, before = false, residual = false, residual_is_c = false, accumulate = false;
  activation kind = activation::none;
};
constexpr ending plain_ending{"alone"};
constexpr ending endings[] = {{"adds", false, false, false, false, true},
                              {"bias", true},
                              {"bias gelu_tanh before", true, true, false, false, false, activation::gelu_tanh},
                              {"gelu_tanh", false, false, false, false, false, activation::gelu_tanh},
                              {"bias gelu residual", true, false, true, false, false, activation::gelu},
                              {"residual", false, false, true},
                              {"bias, onto itself", true, false, true, true},
                              {"silu before, onto itself", false, true, true, true, false, activation::silu},
                              {"adds bias relu before residual", true, true, true, false, true, activation::relu}};

/// The same in plain loops, rounded once.
template <class C, class R, class A, class B>
void finished(const A& a, const B& b, const ending& e, const tensor<R, 2>& had, const tensor<R, 1>& bias, const tensor<R, 2>& residual, tensor<C, 2>& before, tensor<C, 2>& c) {
  const auto l = operand_of(a);
  const auto r = operand_of(b);
  using real = computes_in<C>;
  const std::int64_t depth = l.columns, columns = c.columns();
  std::vector<real> right(static_cast<std::size_t>(depth * columns)), sums(static_cast<std::size_t>(columns));
  for (std::int64_t k = 0; k < depth; ++k)
    for (std::int64_t j = 0; j < columns; ++j) right[static_cast<std::size_t>(k * columns + j)] = static_cast<real>(r(k, j));
  for (std::int64_t i = 0; i < c.rows(); ++i) {
    for (real& sum : sums) sum = 0;
    for (std::int64_t k = 0; k < depth; ++k) {  // each sum in the order of k, many side by side
      const real x = static_cast<real>(l(i, k)), *const y = right.data() + k * columns;
      real* const s = sums.data();
      for (std::int64_t j = 0; j < columns; ++j) s[j] += x * y[j];
    }
    for (std::int64_t j = 0; j < columns; ++j) {
      real s = sums[static_cast<std::size_t>(j)];
      if (e.accumulate) s += static_cast<real>(had(i, j));
      if (e.bias) s += static_cast<real>(bias[j]);
      before(i, j) = static_cast<C>(s);
      s = reference::activated(e.kind, s);
      if (e.residual) s += static_cast<real>(e.residual_is_c ? had(i, j) : residual(i, j));
      c(i, j) = static_cast<C>(s);
    }
  }
}

/// What plain loops make of a product.
template <class T, class C>
struct known {
  extents e{-1, -1, -1};
  bool ta = false, tb = false;
  const ending* end = nullptr;
  tensor<double, 2> truth, true_before;
  tensor<C, 2> plain, before;

  known() = default;
  known(const extents& e_, bool ta_, bool tb_, const ending* end_)
      : e(e_), ta(ta_), tb(tb_), end(end_), truth(shape<2>{{e_.rows, e_.columns}}), true_before(truth), plain(shape<2>{{e_.rows, e_.columns}}), before(plain) {}
  bool is(const extents& o, bool ta_, bool tb_, const ending* end_) const {
    return e.rows == o.rows && e.columns == o.columns && e.depth == o.depth && ta == ta_ && tb == tb_ && end == end_;
  }
};

template <class Runtime, class T, class C>
void hold(report& r, basic_queue<Runtime>& q, const extents& e, bool ta, bool tb, const ending& end, const layout& how) {
  if (r.skips()) return;
  const operands<T> o(e, ta, tb);
  const shape<2> s{{e.rows, e.columns}};
  const auto had = numbers<C>(s, 3), residual = numbers<C>(s, 5);
  const auto bias = numbers<C>(shape<1>{{e.columns}}, 4);
  placed<Runtime, T, 2> a(o.a, how), b(o.b, how);
  placed<Runtime, C, 2> c(had, how), again(had, how), before(s, how), other(residual, how);
  placed<Runtime, C, 1> row(bias, how);
  const auto options = [&](const auto& result) {
    cuda::basic_product_options<Runtime, C> p;
    p.accumulate = end.accumulate, p.kind = end.kind;
    if (end.bias) p.bias = row.view;
    if (end.before) p.before = before.view;
    if (end.residual) p.residual = end.residual_is_c ? result : other.view;
    return p;
  };
  with(a.view, b.view, ta, tb, [&](const auto& left, const auto& right) {
    matrix_product(q, left, right, c.view, options(c.view));
    cuda::basic_packed_matrix<Runtime, T> packed(q, e.depth, e.columns);
    pack(q, right, packed);
    matrix_product(q, left, packed, again.view, options(again.view));
  });
  q.synchronize();
  const auto got = c.back();
  const std::string name = words<T>("product", s, "by " + std::to_string(e.depth) + " to " + name_of<C>() + (ta ? " T" : " N") + (tb ? "T " : "N ") + end.name + ", " + how.name);
  r.same(name + ", again", got, again.back());
  r.check(name + ", nothing beside", c.kept() && before.kept());
  if (!r.judges()) return;
  // Layouts come one after the other, and have the same numbers: plain loops are what takes the time.
  static known<T, C> last;
  if (!last.is(e, ta, tb, &end)) {
    last = known<T, C>(e, ta, tb, &end);
    const auto da = as<double>(o.a), db = as<double>(o.b);
    with(da, db, ta, tb, [&](const auto& left, const auto& right) { finished(left, right, end, as<double>(had), as<double>(bias), as<double>(residual), last.true_before, last.truth); });
    with(o.a, o.b, ta, tb, [&](const auto& left, const auto& right) { finished(left, right, end, had, bias, residual, last.before, last.plain); });
  }
  r.near(name, got, last.plain, last.truth);
  if (end.before) r.near(name + ", before", before.back(), last.before, last.true_before);
}

template <class Runtime, class T, class C>
void hold_all(report& r, basic_queue<Runtime>& q) {
  for (const extents& e : all_extents)
    for (const bool ta : {false, true})
      for (const bool tb : {false, true})
        for (const layout& how : layouts) hold<Runtime, T, C>(r, q, e, ta, tb, plain_ending, how);
  for (const extents& e : {extents{8, 48, 16}, extents{13, 17, 31}, extents{128, 256, 512}, extents{1, 8, 8}, extents{2, 3, 0}})
    for (const ending& end : endings)
      for (const layout& how : layouts) hold<Runtime, T, C>(r, q, e, false, true, end, how), hold<Runtime, T, C>(r, q, e, true, false, end, how);
}

/// Products of float that multiply numbers of 11 bits.
template <class Runtime>
void hold_tf32(report& r) {
  basic_queue<Runtime> q({.tf32 = true});
  const operands<float> o({136, 96, 200}, false, true);
  placed<Runtime, float, 2> a(o.a), b(o.b), c(shape<2>{{136, 96}});
  matrix_product(q, a.view, transposed(b.view), c.view);
  q.synchronize();
  if (!r.judges()) return;
  const auto cut = [](tensor<float, 2> t) {
    for (float& x : t) x = std::bit_cast<float>(std::bit_cast<std::uint32_t>(x) & 0xffffe000u);
    return t;
  };
  tensor<double, 2> truth(shape<2>{{136, 96}});
  tensor<float, 2> plain(truth.extents());
  const auto da = as<double>(o.a), db = as<double>(o.b);
  const auto ca = cut(o.a), cb = cut(o.b);
  reference::matrix_product(da, transposed(db), truth);
  reference::matrix_product(ca, transposed(cb), plain);
  r.near("product tf32", c.back(), plain, truth);
}

/// An algorithm that a table names is used; one that the library can't use isn't.
template <class Runtime>
void hold_table(report& r) {
  if constexpr (std::is_same_v<Runtime, runtime>) {
    cuda::product_library lt(0, "", 32 << 20);
    const cuda::product_key key{.input = element_type::bfloat16, .output = element_type::bfloat16, .b_transposed = true, .rows = 256, .columns = 512, .depth = 1024, .a_gap = 1024, .b_gap = 1024, .c_gap = 512};
    const auto all = lt.candidates(lt.describe(key), key);
    if (!r.check("the library has algorithms", !all.empty())) return;
    // Whatever begins at whole lines is the library's, in all types and either way round.
    using enum element_type;
    for (const auto& [in, out] : {std::pair{float32, float32}, std::pair{bfloat16, bfloat16}, std::pair{bfloat16, float32}, std::pair{float16, float16}, std::pair{float16, float32}})
      for (int how = 0; how < (in == float32 ? 8 : 4); ++how) {
        const bool a_turned = how % 2 == 1, b_turned = how / 2 % 2 == 1;
        const cuda::product_key k{.input = in, .output = out, .tf32 = how >= 4, .a_transposed = a_turned, .b_transposed = b_turned, .rows = 256, .columns = 512, .depth = 1024,
                                  .a_gap = a_turned ? 256 : 1024, .b_gap = b_turned ? 1024 : 512, .c_gap = 512};
        r.check("the library has algorithms of " + k.words(), lt.plan(k) != nullptr);
      }
    std::uint64_t last[8], wrong[8] = {~std::uint64_t{0}, 1, 2, 3, 4, 5, 6, 7};
    cuda::product_library::numbers_of(all.back().is, last);
    const operands<bf16> o({256, 512, 1024}, false, true);
    placed<Runtime, bf16, 2> a(o.a), b(o.b);
    tensor<double, 2> truth(shape<2>{{256, 512}});
    tensor<bf16, 2> plain(truth.extents());
    const auto da = as<double>(o.a), db = as<double>(o.b);
    reference::matrix_product(da, transposed(db), truth);
    reference::matrix_product(o.a, transposed(o.b), plain);
    for (const auto& [name, numbers] : {std::pair{"the last that the library offers", &last}, std::pair{"one that there isn't", &wrong}}) {
      basic_queue<Runtime> q({.product_table = cuda::product_choice_line(lt.device(), lt.version(), key, *numbers)});
      placed<Runtime, bf16, 2> c(truth.extents());
      matrix_product(q, a.view, transposed(b.view), c.view);
      q.synchronize();
      r.near(std::string("product by a table: ") + name, c.back(), plain, truth);
    }
  }
}

struct cases {
  template <class Runtime>
  static void run(report& r) {
    basic_queue<Runtime> q, small({.scratch_bytes = 1 << 16});
    hold_all<Runtime, float, float>(r, q);
    hold_all<Runtime, bf16, bf16>(r, q);
    hold_all<Runtime, bf16, float>(r, q);
    hold_all<Runtime, fp16, fp16>(r, q);
    hold_all<Runtime, fp16, float>(r, q);
    hold_tf32<Runtime>(r);
    hold_table<Runtime>(r);
    // Sums that are finished in blocks of rows.
    for (const ending& end : endings) hold<Runtime, bf16, bf16>(r, small, {300, 96, 64}, false, true, end, packed), hold<Runtime, float, float>(r, small, {300, 96, 64}, false, true, end, packed);
    r.throws("shapes that don't go together", "stretto: a matrix of 2 by 3 times one of 4 by 2 doesn't give one of 2 by 2; correct the shapes, or transpose one", [&] {
      placed<Runtime, float, 2> a(shape<2>{{2, 3}}), b(shape<2>{{4, 2}}), c(shape<2>{{2, 2}});
      matrix_product(q, a.view, b.view, c.view);
    });
    r.throws("a matrix that was never packed", "stretto: a packed matrix of 3 by 2 was never packed; call pack first", [&] {
      placed<Runtime, float, 2> a(shape<2>{{2, 3}}), c(shape<2>{{2, 2}});
      cuda::basic_packed_matrix<Runtime, float> p(q, 3, 2);
      matrix_product(q, a.view, p, c.view);
    });
    r.throws("a table with a hole",
             "stretto: the table of products has for a_b 7 fp32 fp32 NN 0x0x0 gaps 0 0 0 0 0 align 16 16 16 16 sums : no eight numbers in hexadecimal; write it with choose_products", [&] {
               std::uint64_t words[8];
               cuda::find_product_choice("a_b 7 fp32 fp32 NN 0x0x0 gaps 0 0 0 0 0 align 16 16 16 16 sums : 1 2 x", "a b", 7, {}, words);
             });
    std::uint64_t written[8] = {0, 1, 255, 1u << 31, 5, 6, 7, ~std::uint64_t{0}}, found[8] = {};
    const cuda::product_key key{.rows = 3, .columns = 5, .depth = 7};
    const std::string line = "some other line\n" + cuda::product_choice_line("NVIDIA H200", 130100, key, written);
    r.check("a table is read as it was written", cuda::find_product_choice(line, "NVIDIA H200", 130100, key, found) && std::memcmp(written, found, sizeof found) == 0);
    r.check("a table of another device has nothing to say", !cuda::find_product_choice(line, "NVIDIA H100", 130100, key, found));
    // Speed: bytes stand for operations, so GB/s are Gflop/s.
    if (!r.judges() || !r.measures()) return;
    placed<Runtime, bf16, 2> x(numbers<bf16>(shape<2>{{8192, 4096}}, 1)), w(numbers<bf16>(shape<2>{{4096, 4096}}, 2)), y(shape<2>{{8192, 4096}});
    placed<Runtime, float, 2> dw(shape<2>{{4096, 4096}});
    const std::int64_t flops = std::int64_t{2} * 8192 * 4096 * 4096;
    r.speed("product bf16 8192 by 4096 by 4096, Gflop/s", q, flops, [&] { matrix_product(q, x.view, transposed(w.view), y.view); });
    r.speed("product bf16 to fp32, adds, Gflop/s", q, flops, [&] { matrix_product(q, transposed(y.view), x.view, dw.view, {.accumulate = true}); });
  }
};

}  // namespace

int main(int argc, char** argv) { return check::main<cases>(argc, argv, "products"); }
