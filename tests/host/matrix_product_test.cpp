// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <sys/resource.h>

#include <fstream>
#include <string>

#include <stretto/host/matrix_product.hpp>

#include "bounds.hpp"

using namespace stretto;
using namespace test;

namespace {

struct extents {
  std::int64_t rows, columns, depth;
};

/// Nothing, one, odd, prime, larger than a tile, than a panel, than a stretch of the depth and than a block.
constexpr extents all_extents[] = {{0, 3, 4},    {3, 0, 4},    {2, 3, 0},    {1, 1, 1},     {1, 49, 5},   {7, 5, 3},       {8, 48, 16},
                                   {13, 17, 31}, {33, 32, 64}, {31, 67, 33}, {97, 101, 39}, {260, 50, 9}, {3, 1013, 13}, {9, 60, 1031}};

/// The operands as they stand for each way of reading them.
template <class T>
struct operands {
  tensor<T, 2> a, b;
  bool a_transposed, b_transposed;

  operands(const extents& e, bool ta, bool tb)
      : a(numbers<T>(ta ? shape<2>{{e.depth, e.rows}} : shape<2>{{e.rows, e.depth}}, 1)),
        b(numbers<T>(tb ? shape<2>{{e.columns, e.depth}} : shape<2>{{e.depth, e.columns}}, 2)), a_transposed(ta), b_transposed(tb) {}

  /// Calls f with both, read as they are meant.
  template <class F>
  void with(F f) const {
    if (a_transposed && b_transposed) f(transposed(a), transposed(b));
    else if (a_transposed) f(transposed(a), b);
    else if (b_transposed) f(a, transposed(b));
    else f(a, b);
  }
};

template <class T, class C>
void hold_to_truth(host::queue& q, const extents& e, bool ta, bool tb) {
  const operands<T> o(e, ta, tb);
  const shape<2> s{{e.rows, e.columns}};
  const auto before = numbers<C>(s, 3);
  tensor<C, 2> got = before, added = before, packed(s), plain(s);
  tensor<double, 2> truth(s);
  operands<double> wide(e, ta, tb);
  wide.a = as<double>(o.a), wide.b = as<double>(o.b);
  wide.with([&](const auto& a, const auto& b) { reference::matrix_product(a, b, truth); });
  o.with([&](const auto& a, const auto& b) {
    reference::matrix_product(a, b, plain);
    matrix_product(q, a, b, got);
    matrix_product(q, a, b, added, {.accumulate = true});
    host::packed_matrix<T> p(q, e.depth, e.columns);
    pack(q, b, p);
    matrix_product(q, a, p, packed);
  });
  INFO(host::isa_name(q.level()) << ", " << e.rows << " x " << e.columns << " x " << e.depth << ", transposed " << ta << tb);
  CHECK(near_truth(got, plain, truth));
  CHECK(same_bits(got, packed));
  for (std::int64_t i = 0; i < truth.size(); ++i) truth.data()[i] += static_cast<double>(before.data()[i]);
  tensor<C, 2> plain_added = before;
  o.with([&](const auto& a, const auto& b) { reference::matrix_product(a, b, plain_added, true); });
  CHECK(near_truth(added, plain_added, truth));
}

}  // namespace

TEST_CASE("a product is as near to the truth as plain loops, whatever is transposed, packed or added to") {
  for (const host::isa level : product_levels()) {
    host::queue q({.most = level});
    for (const extents& e : all_extents)
      for (const bool ta : {false, true})
        for (const bool tb : {false, true}) {
          hold_to_truth<float, float>(q, e, ta, tb);
          hold_to_truth<bf16, bf16>(q, e, ta, tb);
          if (ta != tb) hold_to_truth<bf16, float>(q, e, ta, tb);
          if (ta == tb) hold_to_truth<fp16, float>(q, e, ta, tb);
        }
  }
}

TEST_CASE("a product of double is that of plain loops") {
  host::queue q;
  const auto a = numbers<double>(shape<2>{{5, 7}}, 1), b = numbers<double>(shape<2>{{7, 3}}, 2);
  tensor<double, 2> got({5, 3}), truth({5, 3});
  matrix_product(q, a, b, got, {.kind = activation::tanh});
  reference::matrix_product(a, b, truth);
  for (double& v : truth) v = std::tanh(v);
  CHECK(same_bits(got, truth));
  host::packed_matrix<double> p(q, 7, 3);
  pack(q, b, p);
  tensor<double, 2> packed({5, 3});
  matrix_product(q, a, p, packed, {.kind = activation::tanh});
  CHECK(same_bits(packed, truth));
}

TEST_CASE("AVX2 and AVX-512 give a product of floats the same bits, and so do threads, rows alone and rows elsewhere") {
  const extents e{61, 131, 700};
  const operands<float> o(e, false, true);
  tensor<float, 2> one({61, 131});
  host::queue q;
  matrix_product(q, o.a, transposed(o.b), one);
  if (host::this_cpu().best >= host::isa::avx512) {
    tensor<float, 2> other({61, 131});
    host::queue narrow({.most = host::isa::avx2});
    matrix_product(narrow, o.a, transposed(o.b), other);
    CHECK(same_bits(one, other));
  }
  for (const host::isa level : product_levels())
    for (const int threads : {1, 2, 3}) {
      host::queue several({.threads = threads, .most = level}), alone({.most = level});
      tensor<float, 2> got({61, 131}), want({61, 131});
      matrix_product(several, o.a, transposed(o.b), got);
      matrix_product(alone, o.a, transposed(o.b), want);
      CHECK(same_bits(got, want));
      const auto wide_a = as<bf16>(o.a), wide_b = as<bf16>(o.b);
      tensor<bf16, 2> got16({61, 131}), want16({61, 131});
      matrix_product(several, wide_a, transposed(wide_b), got16);
      matrix_product(alone, wide_a, transposed(wide_b), want16);
      CHECK(same_bits(got16, want16));
      // Rows 7 to 9 by themselves.
      tensor<float, 2> few({3, 131});
      matrix_product(alone, o.a.rows(7, 3), transposed(o.b), few);
      CHECK(std::memcmp(few.data(), want.row(7), 3 * 131 * sizeof(float)) == 0);
      tensor<bf16, 2> few16({3, 131});
      matrix_product(alone, wide_a.rows(7, 3), transposed(wide_b), few16);
      CHECK(std::memcmp(few16.data(), want16.row(7), 3 * 131 * sizeof(bf16)) == 0);
    }
}

TEST_CASE("views with gaps and odd addresses are read and written where they are, and nothing beside them") {
  for (const host::isa level : product_levels()) {
    host::queue q({.most = level});
    const auto a = numbers<float>(shape<2>{{21, 90}}, 1), b = numbers<float>(shape<2>{{80, 90}}, 2);
    tensor<float, 2> c({21, 90});
    for (float& v : c) v = 7;
    const auto left = a.columns(3, 70);
    const auto right = b.rows(1, 77).columns(5, 70);
    matrix_product(q, left, transposed(right), c.columns(1, 77));
    tensor<float, 2> plain({21, 77});
    reference::matrix_product(left, transposed(right), plain);
    bool beside = true, within = true;
    for (std::int64_t i = 0; i < 21; ++i)
      for (std::int64_t j = 0; j < 90; ++j) {
        if (j < 1 || j >= 78) beside = beside && c(i, j) == 7;
        else within = within && std::abs(c(i, j) - plain(i, j - 1)) < 1e-4f;
      }
    CHECK(beside);
    CHECK(within);
  }
}

TEST_CASE("bias, activation and residual come behind the sums, in this order, and what goes into the activation is kept") {
  for (const host::isa level : product_levels())
    for (const activation kind : {activation::none, activation::relu, activation::relu_squared, activation::gelu, activation::gelu_tanh, activation::silu, activation::tanh,
                                  activation::logistic}) {
      host::queue q({.most = level});
      const extents e{37, 59, 300};
      const auto hold = [&]<class T, class C>(T, C) {
        const operands<T> o(e, false, true);
        const shape<2> s{{e.rows, e.columns}};
        const auto bias = numbers<C>(shape<1>{{e.columns}}, 4);
        const auto residual = numbers<C>(s, 5);
        tensor<C, 2> got = numbers<C>(s, 6), kept(s), plain = got, plain_kept(s);
        tensor<double, 2> truth = as<double>(got), truth_kept(s);
        const auto slowly = [&](const auto& a, const auto& b, const auto& beta, const auto& rest, auto& before, auto& result) {
          using R = computes_in<typename std::remove_reference_t<decltype(result)>::value_type>;
          using E = typename std::remove_reference_t<decltype(result)>::value_type;
          for (std::int64_t i = 0; i < e.rows; ++i)
            for (std::int64_t j = 0; j < e.columns; ++j) {
              R sum = 0;
              for (std::int64_t k = 0; k < e.depth; ++k) sum += static_cast<R>(a(i, k)) * static_cast<R>(b(j, k));
              sum += static_cast<R>(result(i, j)) + static_cast<R>(beta[j]);
              before(i, j) = static_cast<E>(sum);
              result(i, j) = static_cast<E>(reference::activated(kind, sum) + static_cast<R>(rest(i, j)));
            }
        };
        matrix_product(q, o.a, transposed(o.b), got, {.accumulate = true, .bias = bias, .before = kept, .kind = kind, .residual = residual});
        slowly(o.a, o.b, bias, residual, plain_kept, plain);
        slowly(as<double>(o.a), as<double>(o.b), as<double>(bias), as<double>(residual), truth_kept, truth);
        INFO(host::isa_name(level) << " " << activation_name(kind) << " " << sizeof(T) << sizeof(C));
        CHECK(near_truth(got, plain, truth));
        CHECK(near_truth(kept, plain_kept, truth_kept));
      };
      hold(float{}, float{});
      hold(bf16{}, bf16{});
      hold(fp16{}, fp16{});
    }
}

TEST_CASE("the residual may stand where the result goes") {
  for (const host::isa level : product_levels())
    for (const std::int64_t depth : {5, 384, 700}) {
      host::queue q({.most = level});
      const auto hold = [&]<class T>(T) {
        const operands<T> o({19, 53, depth}, false, true);
        const auto residual = numbers<T>(shape<2>{{19, 53}}, 3);
        tensor<T, 2> apart({19, 53}), together = residual;
        matrix_product(q, o.a, transposed(o.b), apart, {.kind = activation::relu, .residual = residual});
        matrix_product(q, o.a, transposed(o.b), together, {.kind = activation::relu, .residual = together});
        CHECK(same_bits(apart, together));
      };
      hold(float{});
      hold(bf16{});
      hold(double{});
    }
}

TEST_CASE("what is no number and what is infinite goes on to the rows and columns that it belongs to, and to no other") {
  for (const host::isa level : product_levels()) {
    host::queue q({.most = level});
    const auto hold = [&]<class T>(T) {
      auto a = numbers<T>(shape<2>{{40, 70}}, 1), b = numbers<T>(shape<2>{{70, 50}}, 2);
      a(3, 69) = static_cast<T>(std::numeric_limits<float>::quiet_NaN());
      b(0, 49) = static_cast<T>(std::numeric_limits<float>::infinity());
      tensor<float, 2> c({40, 50});
      matrix_product(q, a, b, c);
      bool right = true;
      for (std::int64_t i = 0; i < 40; ++i)
        for (std::int64_t j = 0; j < 50; ++j) right = right && (i == 3 ? std::isnan(c(i, j)) : j == 49 ? std::isinf(c(i, j)) : std::isfinite(c(i, j)));
      CHECK(right);
    };
    hold(float{});
    hold(bf16{});
    hold(fp16{});
  }
}

TEST_CASE("a library does the products that it is given, packed or not, and what stands behind the sums comes all the same") {
  static int calls;
  calls = 0;
  const host::product_library plain{"plain", [](bool ta, bool tb, std::int64_t rows, std::int64_t columns, std::int64_t depth, const float* a, std::int64_t a_gap, const float* b,
                                                std::int64_t b_gap, float beta, float* c, std::int64_t c_gap) {
    ++calls;
    for (std::int64_t i = 0; i < rows; ++i)
      for (std::int64_t j = 0; j < columns; ++j) {
        float s = 0;
        for (std::int64_t k = 0; k < depth; ++k) s += (ta ? a[k * a_gap + i] : a[i * a_gap + k]) * (tb ? b[j * b_gap + k] : b[k * b_gap + j]);
        c[i * c_gap + j] = s + beta * c[i * c_gap + j];
      }
  }};
  const operands<float> o({9, 20, 30}, false, true);
  const auto bias = numbers<float>(shape<1>{{20}}, 3);
  tensor<float, 2> own({9, 20}), theirs({9, 20}), packed({9, 20});
  host::queue q({.library = &plain, .use = host::library_use::never}), library({.library = &plain, .use = host::library_use::always});
  matrix_product(q, o.a, transposed(o.b), own, {.bias = bias, .kind = activation::gelu});
  CHECK(calls == 0);
  matrix_product(library, o.a, transposed(o.b), theirs, {.bias = bias, .kind = activation::gelu});
  host::packed_matrix<float> p(library, 30, 20);
  pack(library, transposed(o.b), p);
  matrix_product(library, o.a, p, packed, {.bias = bias, .kind = activation::gelu});
  CHECK(calls == 2);
  CHECK(same_bits(theirs, packed));
  for (std::int64_t i = 0; i < own.size(); ++i) CHECK(std::abs(own.data()[i] - theirs.data()[i]) < 1e-5f);
  host::queue by_table({.most = host::isa::portable, .library = &plain});
  CHECK(by_table.library_for(1000) == nullptr);
  CHECK(by_table.library_for(1 << 20) == &plain);
  // What was packed for the other is read by either.
  host::packed_matrix<float> of_own(q, 30, 20);
  pack(q, transposed(o.b), of_own);
  const tensor<float, 2> before = own;
  matrix_product(library, o.a, of_own, packed, {.bias = bias, .kind = activation::gelu});
  CHECK(same_bits(before, packed));
  matrix_product(q, o.a, p, packed, {.bias = bias, .kind = activation::gelu});
  CHECK(same_bits(before, packed));
  CHECK(calls == 2);
}

TEST_CASE("a tensor of no numbers is no bias") {
  host::queue q;
  const operands<float> o({9, 20, 30}, false, true);
  tensor<float, 2> a({9, 20}), b({9, 20});
  const tensor<float, 1> none({0});
  matrix_product(q, o.a, transposed(o.b), a);
  matrix_product(q, o.a, transposed(o.b), b, {.bias = none});
  CHECK(same_bits(a, b));
}

#if !defined(STRETTO_SANITIZED) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
TEST_CASE("threads that the system doesn't start are an error, and those that it started end") {
  rlimit was{};
  REQUIRE(getrlimit(RLIMIT_AS, &was) == 0);
  std::int64_t pages = 0;
  std::ifstream("/proc/self/statm") >> pages;
  REQUIRE(pages > 0);
  rlimit tight = was;
  tight.rlim_cur = static_cast<rlim_t>(pages) * 4096 + (rlim_t{256} << 20);  // far less than the stacks of 1024 threads
  REQUIRE(setrlimit(RLIMIT_AS, &tight) == 0);
  std::string said;
  try {
    host::queue({.threads = 1024, .scratch_bytes = 0});
  } catch (const error& e) {
    said = e.what();
  }
  REQUIRE(setrlimit(RLIMIT_AS, &was) == 0);
  CHECK_THAT(said, Catch::Matchers::ContainsSubstring(" threads beside the caller, and a team of 1024 needs 1023 (") && Catch::Matchers::ContainsSubstring("); give fewer threads"));
  host::queue q({.threads = 2});
  CHECK(q.threads() == 2);
}
#endif

TEST_CASE("products that can't be are refused in a sentence") {
  host::queue q;
  tensor<float, 2> a({2, 3}), b({4, 5}), c({2, 5}), d({3, 5});
  tensor<float, 1> bias({4});
  CHECK_THROWS_WITH(matrix_product(q, a, b, c), "stretto: a matrix of 2 by 3 times one of 4 by 5 doesn't give one of 2 by 5; correct the shapes, or transpose one");
  CHECK_THROWS_WITH(reference::matrix_product(a, b, c), "stretto: a matrix of 2 by 3 times one of 4 by 5 doesn't give one of 2 by 5; correct the shapes, or transpose one");
  CHECK_THROWS_WITH(matrix_product(q, a, d, c, {.bias = bias}), "stretto: a product of 5 columns can't have a bias of 4; give one number a column");
  CHECK_THROWS_WITH(matrix_product(q, a, d, c, {.residual = a}),
                    "stretto: a product of 2 by 5 takes a residual, and gives what stands before the activation, of the same shape; correct them");
  host::packed_matrix<float> p(q, 3, 4);
  CHECK_THROWS_WITH(pack(q, d, p), "stretto: a matrix of 3 by 5 is packed into one of 3 by 4; make the packed matrix in that shape, or transpose");
  CHECK_THROWS_WITH(host::packed_matrix<float>(q, -1, 4), "stretto: a packed matrix can't be -1 by 4; give extents of 0 or more");
  tensor<float, 2> four({2, 4});
  CHECK_THROWS_WITH(matrix_product(q, a, p, four), "stretto: a packed matrix of 3 by 4 was never packed; call pack first");
  host::queue other({.most = host::isa::portable});
  if (q.level() != host::isa::portable) {
    host::packed_matrix<float> r(other, 3, 5);
    pack(other, d, r);
    CHECK_THROWS_WITH(matrix_product(q, a, r, c), Catch::Matchers::ContainsSubstring("stretto: a matrix that was packed for portable is read by a queue of "));
  }
  host::queue poor({.scratch_bytes = 4096});
  CHECK_THROWS_WITH(matrix_product(poor, a, d, c), "stretto: a matrix product needs 2162688 bytes of scratch memory for each thread, and the queue has 4096; make it with scratch_bytes = 2162688");
  CHECK_THROWS_WITH(host::queue({.scratch_bytes = -1}), "stretto: a queue can't have less than no scratch memory; give scratch_bytes of 0 or more");
  constexpr std::int64_t huge = std::int64_t{1} << 61;
  CHECK_THROWS_WITH(host::queue({.threads = 4, .scratch_bytes = huge}),
                    "stretto: a queue can't have 2305843009213693952 bytes of scratch memory for each thread where threads is 4; give scratch_bytes of at most 2305843009213689856");
  CHECK_THROWS_WITH(host::queue({.scratch_bytes = INT64_MAX}),
                    "stretto: a queue can't have 9223372036854775807 bytes of scratch memory for each thread where threads is 1; give scratch_bytes of at most 9223372036854771712");
  CHECK_THROWS_WITH(host::packed_matrix<float>(q, huge, huge),
                    "stretto: a tensor of shape (2305843009213693952, 2305843009213693952) has more elements than there are addresses; correct its extents");
  CHECK_THROWS_WITH(host::packed_matrix<float>(q, 1, INT64_MAX), "stretto: a tensor of shape (1, 9223372036854775807) has more elements than there are addresses; correct its extents");
  CHECK_THROWS(host::packed_matrix<bf16>(q, 1, INT64_MAX / 16));
  CHECK_THROWS_WITH(host::queue({.threads = 0}), "stretto: 0 threads can't share a rank's operations; give 1 to 1024");
}
