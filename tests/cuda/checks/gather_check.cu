// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Rotary embedding and embedding on a CUDA device, beside plain loops in the same precision and in double; the sort beneath
// the gradient of embedding beside a stable sort of the CPU's.
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include <stretto/cuda/copy_rows.cuh>
#include <stretto/cuda/embedding.cuh>
#include <stretto/cuda/rotary.cuh>
#include <stretto/cuda/split_rotary.cuh>

#include "check.hpp"

namespace {

using namespace check;

template <class Runtime>
struct gather_checks {
  report& r;
  basic_queue<Runtime> q;

  explicit gather_checks(report& report_) : r(report_) {}

  /// rotary or its backward pass; `back` says which.
  template <class T>
  void rotary(std::int64_t tokens, std::int64_t heads, std::int64_t size, std::int64_t dims, rotary_pairs pairs, const layout& how, bool back) {
    if (r.skips()) return;
    const rotary_options o{.theta = 500, .pairs = pairs};
    const rotary_table<float> table(40, dims, o);
    const rotary_table<double> exact(40, dims, o);
    const cuda::basic_rotary_table<Runtime> there(table);
    const shape<2> s{{tokens, heads * size}};
    const auto x = numbers<T>(s, 1);
    auto at = numbers<std::int32_t>(shape<1>{{tokens}}, 2, 0, 40);
    placed<Runtime, std::int32_t, 1> positions(at);
    placed<Runtime, T, 2> from(x, how), to(s, how), again(s, how);
    const auto turn = [&](const auto& a, const auto& b) {
      if (back) cuda::rotary_backward(q, by_heads(a, heads), positions.view, there, by_heads(b, heads));
      else cuda::rotary(q, by_heads(a, heads), positions.view, there, by_heads(b, heads));
    };
    turn(from.view, to.view);
    turn(from.view, again.view);
    turn(from.view, from.view);
    q.synchronize();
    if (!r.judges()) return;
    tensor<T, 2> plain(s);
    tensor<double, 2> truth(s);
    const tensor<double, 2> wide = as<double>(x);
    const auto heads_of = [&](const auto& m) {
      using U = std::remove_reference_t<decltype(m.data()[0])>;
      return by_heads(tensor_view<U, 2>(m), heads);
    };
    if (back) reference::rotary_backward(heads_of(x), at, table, heads_of(plain)), reference::rotary_backward(heads_of(wide), at, exact, heads_of(truth));
    else reference::rotary(heads_of(x), at, table, heads_of(plain)), reference::rotary(heads_of(wide), at, exact, heads_of(truth));
    const std::string words = check::words<T>(back ? "rotary_backward" : "rotary", shape<3>{{tokens, heads, size}},
                                              std::string(how.name) + (pairs == rotary_pairs::halves ? " halves of " : " neighbours of ") + std::to_string(dims));
    r.near(words, to.back(), plain, truth);
    r.same(words + ": again", to.back(), again.back());
    r.same(words + ": in place", to.back(), from.back());
    r.check(words + ": nothing beside", to.kept() && from.kept());
  }

  /// Queries, keys and values at once are what they are one by one.
  template <class T>
  void split(std::int64_t tokens, std::int64_t heads, std::int64_t shared, std::int64_t size, std::int64_t dims, rotary_pairs pairs, const layout& how) {
    if (r.skips()) return;
    const cuda::basic_rotary_table<Runtime> there(40, dims, {.theta = 500, .pairs = pairs});
    const shape<2> s{{tokens, (heads + 2 * shared) * size}};
    const auto x = numbers<T>(s, 12);
    placed<Runtime, std::int32_t, 1> positions(numbers<std::int32_t>(shape<1>{{tokens}}, 13, 0, 40));
    placed<Runtime, T, 2> qkv(x, how), apart(x, how), back(s, how), back_apart(s, how);
    placed<Runtime, T, 2> queries(shape<2>{{tokens, heads * size}}, how), keys(shape<2>{{tokens, shared * size}}, how), values(shape<2>{{tokens, shared * size}}, how);
    const auto h = by_heads(queries.view, heads), k = by_heads(keys.view, shared), v = by_heads(values.view, shared);
    cuda::split_rotary(q, qkv.view, positions.view, there, h, k, v);
    cuda::split_rotary_backward(q, h, k, v, positions.view, there, back.view);
    const std::int64_t turned = (heads + shared) * size;
    const auto part = [&](const auto& m) { return by_heads(m.view.columns(0, turned), heads + shared); };
    cuda::rotary(q, part(apart), positions.view, there, part(apart));
    cuda::rotary_backward(q, part(apart), positions.view, there, part(back_apart));
    cuda::copy_rows(q, apart.view.columns(turned, shared * size), back_apart.view.columns(turned, shared * size));
    q.synchronize();
    if (!r.judges()) return;
    const auto all = apart.back(), a = queries.back(), b = keys.back(), c = values.back();
    bool good = true;
    const auto same = [](T one, T other) { return std::memcmp(&one, &other, sizeof(T)) == 0; };
    for (std::int64_t t = 0; t < tokens; ++t) {
      for (std::int64_t j = 0; j < heads * size; ++j) good = good && same(a(t, j), all(t, j));
      for (std::int64_t j = 0; j < shared * size; ++j) good = good && same(b(t, j), all(t, heads * size + j)) && same(c(t, j), all(t, turned + j));
    }
    const std::string words = check::words<T>("split_rotary", shape<4>{{tokens, heads, shared, size}}, std::string(how.name) + (pairs == rotary_pairs::halves ? " halves of " : " neighbours of ") + std::to_string(dims));
    r.check(words, good);
    r.same(words + " backward", back.back(), back_apart.back());
    r.check(words + ": nothing beside", queries.kept() && keys.kept() && values.kept() && back.kept());
  }

  void lost_positions() {
    const cuda::basic_rotary_table<Runtime> there(4, 8);
    tensor<std::int32_t, 1> at({3});
    at.data()[0] = 3, at.data()[1] = 4, at.data()[2] = -1;
    placed<Runtime, std::int32_t, 1> positions(at);
    placed<Runtime, float, 2> x(numbers<float>(shape<2>{{3, 16}}, 3));
    cuda::rotary(q, by_heads(x.view, 2), positions.view, there, by_heads(x.view, 2));
    q.synchronize();
    if (!r.judges()) return;
    const auto y = x.back();
    bool good = true;
    for (int t = 0; t < 3; ++t)
      for (int j = 0; j < 16; ++j) good = good && std::isnan(y(t, j)) == (t > 0);
    r.check("rotary: positions that the table lacks", good);
  }

  template <class T>
  void embedding(std::int64_t tokens, std::int64_t rows, std::int64_t columns, const layout& how, const embedding_options& o, bool skewed) {
    if (r.skips()) return;
    const std::int64_t all = o.vocabulary >= 0 ? o.vocabulary : rows;
    auto ids = numbers<std::int32_t>(shape<1>{{tokens}}, 4, 0, static_cast<double>(all));
    for (std::int64_t t = 0; t < tokens; ++t)
      if (ids.data()[t] >= all || (skewed && t % 3 != 0)) ids.data()[t] = static_cast<std::int32_t>(all / 2);
    const auto weight = numbers<T>(shape<2>{{rows, columns}}, 5), dy = numbers<T>(shape<2>{{tokens, columns}}, 6);
    const auto before = numbers<float>(shape<2>{{rows, columns}}, 7);
    placed<Runtime, std::int32_t, 1> where(ids);
    placed<Runtime, T, 2> table(weight, how), y(dy.extents(), how), from(dy, how);
    placed<Runtime, float, 2> sum(before, how), again(before, how), parts(before, how);
    cuda::embedding(q, where.view, table.view, y.view, o);
    cuda::embedding_backward(q, where.view, from.view, sum.view, o);
    cuda::embedding_backward(q, where.view, from.view, again.view, o);
    const std::int64_t some = tokens / 3;
    cuda::embedding_backward(q, where.view.part(0, 0, some), from.view.rows(0, some), parts.view, o);
    cuda::embedding_backward(q, where.view.part(0, some, tokens - some), from.view.rows(some, tokens - some), parts.view, o);
    q.synchronize();
    if (!r.judges()) return;
    tensor<T, 2> plain(dy.extents());
    tensor<double, 2> truth(dy.extents());
    reference::embedding(ids, weight, plain, o);
    reference::embedding(ids, as<double>(weight), truth, o);
    const std::string words = check::words<T>("embedding", shape<3>{{tokens, rows, columns}}, std::string(how.name) + (skewed ? " of few ids" : "") + (o.first_id > 0 ? " of a shard" : ""));
    r.near(words, y.back(), plain, truth);
    r.check(words + ": nothing beside", y.kept());
    tensor<float, 2> plain_sum = before;
    tensor<double, 2> true_sum = as<double>(before);
    reference::embedding_backward(ids, dy, plain_sum, o);
    reference::embedding_backward(ids, as<double>(dy), true_sum, o);
    r.near(words + " backward", sum.back(), plain_sum, true_sum);
    r.same(words + " backward: again", sum.back(), again.back());
    r.same(words + " backward: in two calls", sum.back(), parts.back());
    if (o.scale == 1) r.same(words + " backward: in the order of tokens", sum.back(), plain_sum);
    r.check(words + " backward: nothing beside", sum.kept());
  }

  void sort(std::int64_t n, int bits) {
    if (r.skips()) return;
    tensor<std::int32_t, 1> keys({n}), places({n});
    for (std::int64_t i = 0; i < n; ++i) {
      const std::uint32_t k = random_stream{9, 0, 0, 0}.bits(i) & ((1u << bits) - 1);
      keys.data()[i] = static_cast<std::int32_t>(i % 5 == 0 ? k & 7 : k), places.data()[i] = static_cast<std::int32_t>(i);
    }
    placed<Runtime, std::int32_t, 1> k(keys), p(places), room(shape<1>{{cuda::sort_words(n)}});
    auto* const words = reinterpret_cast<std::uint32_t*>(room.view.data());
    cuda::sorted_run s = cuda::make_sort(words, n);
    const auto part = [&](const std::uint32_t* at) { return room.view.part(0, at - words, n); };
    q.copy(tensor_view<const std::int32_t, 1, basic_memory<Runtime>>(k.view), part(s.keys));
    q.copy(tensor_view<const std::int32_t, 1, basic_memory<Runtime>>(p.view), part(s.places));
    cuda::sort_pairs(q, s, bits);
    q.copy(tensor_view<const std::int32_t, 1, basic_memory<Runtime>>(part(s.keys)), k.view);
    q.copy(tensor_view<const std::int32_t, 1, basic_memory<Runtime>>(part(s.places)), p.view);
    q.synchronize();
    if (!r.judges()) return;
    tensor<std::int32_t, 1> order = places, sorted = keys;
    std::stable_sort(order.begin(), order.end(), [&](std::int32_t a, std::int32_t b) { return keys.data()[a] < keys.data()[b]; });
    for (std::int64_t i = 0; i < n; ++i) sorted.data()[i] = keys.data()[order.data()[i]];
    const std::string name = "sort of " + std::to_string(n) + " by " + std::to_string(bits) + " bits";
    r.same(name, k.back(), sorted);
    r.same(name + ": places", p.back(), order);
  }

  void lost_ids() {
    tensor<std::int32_t, 1> ids({3});
    ids.data()[0] = 1, ids.data()[1] = 2, ids.data()[2] = -5;
    placed<Runtime, std::int32_t, 1> where(ids);
    placed<Runtime, float, 2> weight(numbers<float>(shape<2>{{2, 8}}, 8)), y(shape<2>{{3, 8}}), sum(shape<2>{{2, 8}});
    cuda::embedding(q, where.view, weight.view, y.view);
    cuda::embedding_backward(q, where.view, y.view, sum.view);
    q.synchronize();
    if (!r.judges()) return;
    const auto out = y.back(), added = sum.back();
    bool good = true;
    for (int j = 0; j < 8; ++j) good = good && !std::isnan(out(0, j)) && std::isnan(out(1, j)) && std::isnan(out(2, j)) && added(0, j) == 0 && added(1, j) == out(0, j);
    r.check("embedding: ids that the vocabulary lacks", good);
  }

  void refusals() {
    const cuda::basic_rotary_table<Runtime> there(4, 8);
    placed<Runtime, float, 2> x(shape<2>{{3, 16}});
    placed<Runtime, std::int32_t, 1> ids(shape<1>{{2}});
    r.throws("positions", "stretto: rotary of 3 tokens was given 2 positions; give one a token", [&] { cuda::rotary(q, by_heads(x.view, 2), ids.view, there, by_heads(x.view, 2)); });
    r.throws("heads", "stretto: rotary_backward with a table for 8 numbers of a head can't turn heads of 4; make the table for the heads",
             [&] { cuda::rotary_backward(q, by_heads(x.view.rows(0, 2), 4), ids.view, there, by_heads(x.view.rows(0, 2), 4)); });
    r.throws("ids", "stretto: embedding of 2 ids with a table of 16 columns goes with a matrix of that many rows and columns, not (3, 16); correct it",
             [&] { cuda::embedding(q, ids.view, x.view, x.view); });
    r.throws("parts", "stretto: split_rotary of a matrix of shape (3, 16) has queries of (3, 2, 8), keys of (3, 2, 8) and values of (3, 2, 8); give (tokens, heads, head size), which fill its columns side by side",
             [&] { cuda::split_rotary(q, x.view, ids.view, there, by_heads(x.view, 2), by_heads(x.view, 2), by_heads(x.view, 2)); });
  }

  void speeds() {
    if (!r.judges() || !r.measures()) return;
    const std::int64_t tokens = 8192, heads = 32, size = 128;
    const cuda::basic_rotary_table<Runtime> there(8192, size);
    placed<Runtime, bf16, 2> x(shape<2>{{tokens, heads * size}}), w(shape<2>{{32000, heads * size}});
    placed<Runtime, float, 2> dw(shape<2>{{32000, heads * size}});
    placed<Runtime, std::int32_t, 1> positions(numbers<std::int32_t>(shape<1>{{tokens}}, 9, 0, 8192)), ids(numbers<std::int32_t>(shape<1>{{tokens}}, 10, 0, 32000)), few(numbers<std::int32_t>(shape<1>{{tokens}}, 11, 0, 40));
    const std::int64_t bytes = tokens * heads * size * 2;
    r.speed("rotary bf16 8192 tokens of 32 heads of 128, in place", q, 2 * bytes, [&] { cuda::rotary(q, by_heads(x.view, heads), positions.view, there, by_heads(x.view, heads)); });
    placed<Runtime, bf16, 2> qkv(shape<2>{{tokens, 48 * size}}), keys(shape<2>{{tokens, 8 * size}}), values(shape<2>{{tokens, 8 * size}});
    r.speed("split_rotary bf16 8192 tokens of 32 and 8 heads of 128", q, 3 * bytes,
            [&] { cuda::split_rotary(q, qkv.view, positions.view, there, by_heads(x.view, heads), by_heads(keys.view, 8), by_heads(values.view, 8)); });
    r.speed("embedding bf16 8192 by 4096", q, 2 * bytes, [&] { cuda::embedding(q, ids.view, w.view, x.view); });
    r.speed("embedding_backward bf16 8192 by 4096 of 32000 ids", q, 5 * bytes, [&] { cuda::embedding_backward(q, ids.view, x.view, dw.view); });
    r.speed("embedding_backward bf16 8192 by 4096 of 40 ids", q, bytes, [&] { cuda::embedding_backward(q, few.view, x.view, dw.view); });
  }

  void all() {
    refusals();
    lost_positions();
    lost_ids();
    for (const std::int64_t n : {std::int64_t{1}, std::int64_t{31}, std::int64_t{2048}, std::int64_t{70001}})
      for (const int bits : {1, 9, 10, 17, 27}) sort(n, bits);
    for (const layout& how : layouts)
      each_type([&](auto zero) {
        using T = decltype(zero);
        for (const rotary_pairs pairs : {rotary_pairs::halves, rotary_pairs::neighbours})
          for (const bool back : {false, true}) {
            rotary<T>(0, 2, 8, 8, pairs, how, back);
            rotary<T>(3, 1, 2, 2, pairs, how, back);
            rotary<T>(5, 3, 7, 6, pairs, how, back);
            rotary<T>(13, 5, 64, 64, pairs, how, back);
            rotary<T>(7, 9, 96, 32, pairs, how, back);
            rotary<T>(61, 4, 128, 128, pairs, how, back);
            if (back) continue;
            split<T>(0, 2, 1, 8, 8, pairs, how);
            split<T>(5, 3, 1, 7, 6, pairs, how);
            split<T>(13, 8, 2, 64, 64, pairs, how);
            split<T>(7, 9, 3, 96, 32, pairs, how);
          }
        for (const bool skewed : {false, true}) {
          embedding<T>(0, 3, 8, how, {}, skewed);
          embedding<T>(1, 1, 1, how, {}, skewed);
          embedding<T>(77, 11, 61, how, {}, skewed);
          embedding<T>(300, 50, 320, how, {.scale = 8}, skewed);
          embedding<T>(500, 40, 64, how, {.first_id = 30, .vocabulary = 100}, skewed);
          embedding<T>(4099, 700, 40, how, {}, skewed);
        }
      });
    speeds();
  }
};

struct cases {
  template <class Runtime>
  static void run(report& r) {
    gather_checks<Runtime>(r).all();
  }
};

}  // namespace

int main(int argc, char** argv) { return check::main<cases>(argc, argv, "gather"); }
