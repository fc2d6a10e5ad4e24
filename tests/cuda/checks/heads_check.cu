// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Heads of queries and keys that are split off a product, normed and turned in one pass on a CUDA device, and back, beside
// plain loops in the same precision and in double.
#include <stretto/cuda/split_rotary.cuh>

#include "check.hpp"

namespace {

using namespace check;

struct sizes_of_heads {
  std::int64_t tokens, heads, shared, size, dims;
};

template <class Runtime>
struct head_checks {
  report& r;
  basic_queue<Runtime> q;

  explicit head_checks(report& report_) : r(report_) {}

  template <class T>
  using norms_backward = head_norms_backward<T, basic_memory<Runtime>>;

  template <class T>
  void split(const sizes_of_heads& n, rotary_pairs pairs, const layout& how) {
    if (r.skips()) return;
    const rotary_options o{.theta = 500, .pairs = pairs};
    const rotary_table<float> table(40, n.dims, o);
    const rotary_table<double> exact(40, n.dims, o);
    const cuda::basic_rotary_table<Runtime> there(table);
    const std::int64_t all = n.heads + n.shared;
    const shape<2> wide{{n.tokens, (n.heads + 2 * n.shared) * n.size}};
    const shape<1> one{{n.size}};
    const auto x = numbers<T>(wide, 1), d = numbers<T>(wide, 2);
    const auto at = numbers<std::int32_t>(shape<1>{{n.tokens}}, 3, 0, 40);
    const auto wq = numbers<T>(one, 4, 0.5, 1.5), wk = numbers<T>(one, 5, 0.5, 1.5);
    const auto had = numbers<float>(one, 6);
    placed<Runtime, std::int32_t, 1> positions(at);
    placed<Runtime, T, 1> query_weight(wq), key_weight(wk);
    placed<Runtime, T, 2> qkv(x, how), back(d, how), in_place(d, how), dqkv(wide, how), again(wide, how), split_there(x, how);
    placed<Runtime, T, 2> queries(shape<2>{{n.tokens, n.heads * n.size}}, how), keys(shape<2>{{n.tokens, n.shared * n.size}}, how), values(shape<2>{{n.tokens, n.shared * n.size}}, how);
    placed<Runtime, float, 2> inverse(shape<2>{{all, n.tokens}}, how), other_inverse(shape<2>{{all, n.tokens}});
    placed<Runtime, float, 1> dwq(had), dwk(had), dwq_again(had), dwk_again(had);
    const head_norms<T, basic_memory<Runtime>> norms{query_weight.view, key_weight.view, 1e-5};
    const auto parts = [&](const auto& m, std::int64_t first, std::int64_t count) { return by_heads(m.view.columns(first * n.size, count * n.size), count); };
    cuda::split_rotary(q, qkv.view, positions.view, there, by_heads(queries.view, n.heads), by_heads(keys.view, n.shared), by_heads(values.view, n.shared), norms, inverse.view);
    cuda::split_rotary(q, split_there.view, positions.view, there, parts(split_there, 0, n.heads), parts(split_there, n.heads, n.shared), parts(split_there, all, n.shared), norms, other_inverse.view);
    const auto go_back = [&](const auto& from, const auto& to, auto& dq, auto& dk) {
      cuda::split_rotary_backward(q, parts(from, 0, n.heads), parts(from, n.heads, n.shared), parts(from, all, n.shared), positions.view, there, to.view,
                                  norms_backward<T>{.norms = norms, .qkv = qkv.view, .inverse = inverse.view, .dqueries = dq.view, .dkeys = dk.view});
    };
    go_back(back, dqkv, dwq, dwk);
    go_back(in_place, in_place, dwq_again, dwk_again);
    q.synchronize();
    if (!r.judges()) return;
    const std::string name = words<T>("heads", shape<4>{{n.tokens, n.heads, n.shared, n.size}}, std::string(how.name) + (pairs == rotary_pairs::halves ? " halves of " : " neighbours of ") + std::to_string(n.dims));
    const auto wide_x = as<double>(x), wide_d = as<double>(d);
    const auto wide_q = as<double>(wq), wide_k = as<double>(wk);
    const auto held = [&](const auto& tables, const auto& from, const auto& gradient, const auto& weight_q, const auto& weight_k, auto& tq, auto& tk, auto& tv, auto& ti, auto& tx, auto& tdq, auto& tdk) {
      using U = std::remove_reference_t<decltype(from.data()[0])>;
      reference::split_rotary(from, at, tables, tq, tk, tv, head_norms<U>{weight_q, weight_k, 1e-5}, ti);
      const auto part = [&](std::int64_t first, std::int64_t count) { return by_heads(tensor_view<U, 2>(gradient).columns(first * n.size, count * n.size), count); };
      reference::split_rotary_backward(part(0, n.heads), part(n.heads, n.shared), part(all, n.shared), at, tables, tx,
                                       head_norms_backward<U>{.norms = {weight_q, weight_k, 1e-5}, .qkv = from, .inverse = ti, .dqueries = tdq, .dkeys = tdk});
    };
    const shape<3> of_queries{{n.tokens, n.heads, n.size}}, of_keys{{n.tokens, n.shared, n.size}};
    tensor<T, 3> pq(of_queries), pk(of_keys), pv(of_keys);
    tensor<double, 3> eq(of_queries), ek(of_keys), ev(of_keys);
    tensor<T, 2> px(wide);
    tensor<double, 2> ex(wide), ei({all, n.tokens});
    tensor<float, 2> pi({all, n.tokens});
    tensor<float, 1> pdq = had, pdk = had;
    tensor<double, 1> edq = as<double>(had), edk = as<double>(had);
    held(table, x, d, wq, wk, pq, pk, pv, pi, px, pdq, pdk);
    held(exact, wide_x, wide_d, wide_q, wide_k, eq, ek, ev, ei, ex, edq, edk);
    const auto flat = [](const auto& t) {
      using U = std::remove_reference_t<decltype(t.data()[0])>;
      tensor<U, 2> m({t.extent(0), t.extent(1) * t.extent(2)});
      for (std::int64_t i = 0; i < m.size(); ++i) m.data()[i] = t.data()[i];
      return m;
    };
    r.near(name + ", queries", queries.back(), flat(pq), flat(eq));
    r.near(name + ", keys", keys.back(), flat(pk), flat(ek));
    r.same(name + ", values", values.back(), flat(pv));
    r.near(name + ", inverse", inverse.back(), pi, ei);
    r.same(name + ", inverse in place", inverse.back(), other_inverse.back());
    r.near(name + " backward", dqkv.back(), px, ex);
    r.same(name + " backward, in place", dqkv.back(), in_place.back());
    r.near(name + " backward, queries' weight", dwq.back(), pdq, edq);
    r.near(name + " backward, keys' weight", dwk.back(), pdk, edk);
    r.same(name + " backward, weights again", dwq.back(), dwq_again.back());
    const auto whole = split_there.back();
    const auto a = queries.back(), b = keys.back();
    bool good = true;
    for (std::int64_t t = 0; t < n.tokens; ++t)
      for (std::int64_t j = 0; j < wide[1]; ++j) {
        const T expected = j < n.heads * n.size ? a(t, j) : j < all * n.size ? b(t, j - n.heads * n.size) : x(t, j), got = whole(t, j);
        good = good && std::memcmp(&expected, &got, sizeof(T)) == 0;
      }
    r.check(name + ", in place", good);
    r.check(name + ": nothing beside", queries.kept() && keys.kept() && values.kept() && inverse.kept() && dqkv.kept() && in_place.kept() && split_there.kept() && dwq.kept() && dwk.kept() && dwq_again.kept() && dwk_again.kept() && other_inverse.kept());
  }

  void lost_positions() {
    const cuda::basic_rotary_table<Runtime> there(4, 8);
    tensor<std::int32_t, 1> at({3});
    at.data()[0] = 3, at.data()[1] = 4, at.data()[2] = -1;
    placed<Runtime, std::int32_t, 1> positions(at);
    placed<Runtime, float, 1> w(numbers<float>(shape<1>{{8}}, 7));
    placed<Runtime, float, 2> x(numbers<float>(shape<2>{{3, 24}}, 8));
    cuda::split_rotary(q, x.view, positions.view, there, by_heads(x.view.columns(0, 8), 1), by_heads(x.view.columns(8, 8), 1), by_heads(x.view.columns(16, 8), 1), {w.view, w.view, 1e-5});
    q.synchronize();
    if (!r.judges()) return;
    const auto y = x.back();
    bool good = true;
    for (int t = 0; t < 3; ++t)
      for (int j = 0; j < 24; ++j) good = good && std::isnan(y(t, j)) == (t > 0 && j < 16);
    r.check("heads at positions that the table lacks", good);
  }

  void refusals() {
    const cuda::basic_rotary_table<Runtime> there(4, 8);
    placed<Runtime, float, 2> x(shape<2>{{3, 24}}), large(shape<2>{{1, 3 * 258}});
    placed<Runtime, std::int32_t, 1> at(shape<1>{{3}}), first(shape<1>{{1}});
    placed<Runtime, float, 1> eight(shape<1>{{8}}), four(shape<1>{{4}}), much(shape<1>{{258}});
    const auto part = [](const auto& m, std::int64_t size, int which) { return by_heads(m.view.columns(which * size, size), 1); };
    r.throws("weight", "stretto: split_rotary with 8 numbers can't take a weight of keys of 4 numbers; give one a number",
             [&] { cuda::split_rotary(q, x.view, at.view, there, part(x, 8, 0), part(x, 8, 1), part(x, 8, 2), {eight.view, four.view}); });
    r.throws("inverse", "stretto: split_rotary_backward of 2 rows and 3 columns can't take inverse of shape (0, 0); give it the same shape",
             [&] { cuda::split_rotary_backward(q, part(x, 8, 0), part(x, 8, 1), part(x, 8, 2), at.view, there, x.view, {.norms = {eight.view, eight.view}}); });
    r.throws("size", "stretto: split_rotary norms heads of up to 256 numbers, and was given heads of 258; norm larger ones with rms_norm, and turn them with rotary",
             [&] { cuda::split_rotary(q, large.view, first.view, there, part(large, 258, 0), part(large, 258, 1), part(large, 258, 2), {much.view, much.view}); });
  }

  void speeds() {
    if (!r.judges() || !r.measures()) return;
    const std::int64_t tokens = 8192, heads = 32, shared = 8, size = 128;
    const cuda::basic_rotary_table<Runtime> there(8192, size);
    placed<Runtime, std::int32_t, 1> positions(numbers<std::int32_t>(shape<1>{{tokens}}, 9, 0, 8192));
    placed<Runtime, bf16, 1> w(shape<1>{{size}});
    placed<Runtime, float, 1> dw(shape<1>{{size}}), dv(shape<1>{{size}});
    placed<Runtime, float, 2> inverse(shape<2>{{heads + shared, tokens}});
    placed<Runtime, bf16, 2> qkv(shape<2>{{tokens, (heads + 2 * shared) * size}}), split_off(qkv.view.extents());
    const auto part = [&](std::int64_t first, std::int64_t count) { return by_heads(split_off.view.columns(first * size, count * size), count); };
    const head_norms<bf16, basic_memory<Runtime>> norms{w.view, w.view, 1e-5};
    const std::int64_t bytes = qkv.view.size() * 2;
    r.speed("split_rotary with norms bf16 8192 tokens of 32 and 8 heads of 128", q, 2 * bytes,
            [&] { cuda::split_rotary(q, qkv.view, positions.view, there, part(0, heads), part(heads, shared), part(heads + shared, shared), norms, inverse.view); });
    r.speed("split_rotary_backward likewise", q, 3 * bytes, [&] {
      cuda::split_rotary_backward(q, part(0, heads), part(heads, shared), part(heads + shared, shared), positions.view, there, split_off.view,
                                  norms_backward<bf16>{.norms = norms, .qkv = qkv.view, .inverse = inverse.view, .dqueries = dw.view, .dkeys = dv.view});
    });
  }

  void all() {
    refusals();
    lost_positions();
    for (const layout& how : layouts)
      each_type([&](auto zero) {
        using T = decltype(zero);
        for (const rotary_pairs pairs : {rotary_pairs::halves, rotary_pairs::neighbours}) {
          split<T>({0, 2, 1, 8, 8}, pairs, how);
          split<T>({3, 1, 1, 2, 2}, pairs, how);
          split<T>({5, 3, 1, 7, 6}, pairs, how);
          split<T>({13, 8, 2, 64, 64}, pairs, how);
          split<T>({7, 9, 3, 96, 32}, pairs, how);
          split<T>({61, 4, 4, 128, 128}, pairs, how);
          split<T>({9, 2, 1, 256, 256}, pairs, how);
          split<T>({4, 2, 2, 256, 8}, pairs, how);
          split<T>({4, 2, 2, 255, 2}, pairs, how);
        }
      });
    speeds();
  }
};

struct cases {
  template <class Runtime>
  static void run(report& r) {
    head_checks<Runtime>(r).all();
  }
};

}  // namespace

int main(int argc, char** argv) { return check::main<cases>(argc, argv, "heads"); }
