// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Attention on a CUDA device, forward and backward, held to the truth in double. Of bf16 and fp16, plain loops round weights and
// their gradients to that type, as tensor cores read them. It takes minutes to compile: a STRETTO_CHECK_TYPE at a time is less.
#include <stretto/cuda/attention_backward.cuh>
#include <stretto/numeric/attention.hpp>

#include "check.hpp"

namespace {

using namespace check;

constexpr float infinite = std::numeric_limits<float>::infinity();
constexpr float no_number = std::numeric_limits<float>::quiet_NaN();

struct attention_case {
  std::int64_t tq, tk, heads, kv, d;
  attention_options options = {};
  token_places at_queries = {}, at_keys = {};
  int documents = 0;        ///< how many lie side by side in a list; 0: no list
  bool positions = false;   ///< as lists, mixed up

  std::string words() const {
    return std::to_string(tq) + " x " + std::to_string(tk) + ", heads " + std::to_string(heads) + "/" + std::to_string(kv) + ", size " + std::to_string(d) +
           (options.causal ? ", causal" : "") + (options.window > 0 ? ", window" : "") + (options.soft_cap > 0 ? ", cap" : "") + (options.dropout > 0 ? ", dropout" : "") +
           (documents > 0 ? ", documents" : "") + (positions ? ", positions" : "");
  }
};

/// Nothing, one, odd, prime, as large as a tile and larger, every option, positions that leave gaps.
std::vector<attention_case> attention_cases(bool more) {
  const random_stream s{11, 12, 13, 14};
  std::vector<attention_case> all{{0, 5, 2, 1, 8},
                                  {5, 0, 2, 1, 8},
                                  {1, 1, 1, 1, 1},
                                  {7, 13, 4, 2, 5, {.causal = false}},
                                  {70, 65, 1, 1, 63},
                                  {97, 131, 2, 1, 16, {.window = 40, .scale = 0.5}, {.offset = 30}},
                                  {64, 64, 1, 1, 64, {.causal = false, .soft_cap = 2}},
                                  {49, 66, 2, 1, 17, {.soft_cap = 3, .dropout = 0.3, .stream = s, .first_head = 2}, {.offset = 130, .step = -3}, {.step = 2}},
                                  {31, 150, 2, 2, 33, {.causal = false, .window = 20, .dropout = 0.1, .stream = s}, {.step = 4}},
                                  {20, 70, 1, 1, 128, {.scale = -0.2}, {.offset = 60}},
                                  {100, 100, 2, 1, 24, {.dropout = 0.2, .stream = s}, {}, {}, 5},
                                  {90, 120, 1, 1, 40, {.window = 50}, {}, {}, 3, true},
                                  {66, 66, 1, 1, 80, {}, {}, {}, 0, true},
                                  {5, 67, 1, 1, 256, {.causal = false, .scale = 0.01}},
                                  {70, 40, 2, 1, 200, {.dropout = 0.5, .stream = s}}};
  if (more)
    for (const std::int64_t d : {64, 80, 128, 256})
      for (const bool causal : {false, true}) all.push_back({517, 517, 4, 2, d, {.causal = causal}});
  return all;
}

template <class T>
float rounded(float x) {
  if constexpr (std::is_same_v<T, float>) return x;
  else return static_cast<float>(static_cast<T>(x));
}

template <class T>
struct inputs {
  tensor<T, 3> queries, keys, values, d_output;
  std::vector<std::int32_t> positions[2], documents[2];

  explicit inputs(const attention_case& c)
      : queries(numbers<T, 3>({c.tq, c.heads, c.d}, 1, -2, 2)), keys(numbers<T, 3>({c.tk, c.kv, c.d}, 2, -2, 2)), values(numbers<T, 3>({c.tk, c.kv, c.d}, 3)),
        d_output(numbers<T, 3>({c.tq, c.heads, c.d}, 4)) {
    for (int side = 0; side < 2; ++side) {
      const std::int64_t n = side == 0 ? c.tq : c.tk;
      for (std::int64_t i = 0; i < n; ++i) {
        if (c.documents > 0) documents[side].push_back(static_cast<std::int32_t>(i * c.documents / n * 7 - 3));
        if (c.positions) positions[side].push_back(static_cast<std::int32_t>(i * 37 % n));
      }
    }
  }
  token_places host_places(const attention_case& c, int side) const {
    token_places p = side == 0 ? c.at_queries : c.at_keys;
    if (c.positions) p.positions = {positions[side].data(), {{static_cast<std::int64_t>(positions[side].size())}}};
    if (c.documents > 0) p.documents = {documents[side].data(), {{static_cast<std::int64_t>(documents[side].size())}}};
    return p;
  }
};

/// Lists on the device.
template <class Runtime>
struct device_places {
  tensor<std::int32_t, 1, basic_memory<Runtime>> positions, documents;
  token_places_in<basic_memory<Runtime>> at;

  device_places(const token_places& p, std::int64_t count) : at{.offset = p.offset, .step = p.step} {
    if (p.positions.data() != nullptr) {
      positions = tensor<std::int32_t, 1, basic_memory<Runtime>>({count});
      cuda::to_device(tensor_view<std::int32_t, 1, basic_memory<Runtime>>(positions), p.positions.data());
      at.positions = positions;
    }
    if (p.documents.data() != nullptr) {
      documents = tensor<std::int32_t, 1, basic_memory<Runtime>>({count});
      cuda::to_device(tensor_view<std::int32_t, 1, basic_memory<Runtime>>(documents), p.documents.data());
      at.documents = documents;
    }
  }
};

/// Forward with weights rounded to T.
template <class T>
void plain_forward(const inputs<T>& in, const attention_case& c, const token_places& pq, const token_places& pk, tensor<float, 3>& out, tensor<float, 2>& lse) {
  for (std::int64_t i = 0; i < c.tq; ++i)
    for (std::int64_t h = 0; h < c.heads; ++h) {
      const reference::detail::attention_row<T> row(in.queries, in.keys, pq, pk, c.options, i, h);
      float most = -infinite, sum = 0;
      for (std::int64_t j = 0; j < c.tk; ++j)
        if (row.sees(j)) most = std::fmax(most, row.score(j));
      for (std::int64_t e = 0; e < c.d; ++e) out(i, h, e) = 0;
      for (std::int64_t j = 0; j < c.tk; ++j)
        if (row.sees(j)) {
          const float p = std::exp(row.score(j) - most), w = rounded<T>(p * row.kept(j));
          sum += p;
          for (std::int64_t e = 0; e < c.d; ++e) out(i, h, e) += w * static_cast<float>(in.values(j, row.kv, e));
        }
      for (std::int64_t e = 0; e < c.d; ++e) out(i, h, e) = sum == 0 ? 0 : out(i, h, e) / sum;
      lse(i, h) = sum == 0 ? -infinite : most + std::log(sum);
    }
}
template <class T>
void plain_backward(const inputs<T>& in, const attention_case& c, const token_places& pq, const token_places& pk, const tensor<float, 2>& lse, const tensor<float, 2>& delta, tensor<float, 3>& dq,
                    tensor<float, 3>& dk, tensor<float, 3>& dv) {
  for (std::int64_t h = 0; h < c.heads; ++h)
    for (std::int64_t i = 0; i < c.tq; ++i) {
      const reference::detail::attention_row<T> row(in.queries, in.keys, pq, pk, c.options, i, h);
      for (std::int64_t j = 0; j < c.tk; ++j) {
        if (!row.sees(j)) continue;
        const float s = row.score(j), p = std::exp(s - lse(i, h)), kept = row.kept(j), dp = kept * row.dot(&in.d_output(i, h, std::int64_t{0}), in.values, j);
        const float w = rounded<T>(p * kept), ds = rounded<T>(p * (dp - delta(i, h)) * row.slope(s));
        for (std::int64_t e = 0; e < c.d; ++e) {
          dq(i, h, e) += row.scale * ds * static_cast<float>(in.keys(j, row.kv, e));
          dk(j, row.kv, e) += row.scale * ds * static_cast<float>(in.queries(i, h, e));
          dv(j, row.kv, e) += w * static_cast<float>(in.d_output(i, h, e));
        }
      }
    }
}

template <class Runtime, class T>
void hold_forward(report& r, basic_queue<Runtime>& q, const attention_case& c, const layout& how) {
  if (r.skips()) return;
  const inputs<T> in(c);
  const token_places pq = in.host_places(c, 0), pk = in.host_places(c, 1);
  const device_places<Runtime> aq(pq, c.tq), ak(pk, c.tk);
  const shape<3> s{{c.tq, c.heads, c.d}};
  const shape<2> rows{{c.tq, c.heads}};
  placed<Runtime, T, 3> queries(in.queries, how), keys(in.keys, how), values(in.values, how), output(s, how), again(s, how);
  placed<Runtime, float, 3> state(s, how);
  placed<Runtime, float, 2> lse(rows, how), lse_again(rows, how);
  attention(q, queries.view, keys.view, values.view, aq.at, ak.at, output.view, lse.view, c.options);
  attention(q, queries.view, keys.view, values.view, aq.at, ak.at, again.view, lse_again.view, c.options);
  q.synchronize();
  const std::string name = words<T>("attention", s, c.words() + ", " + how.name);
  const auto got = output.back();
  const auto got_lse = lse.back();
  r.same(name + ", again", got, again.back());
  r.same(name + ", lse again", got_lse, lse_again.back());
  r.check(name + ", nothing beside", output.kept() && lse.kept());
  // A block after the other into a state.
  const std::int64_t half = c.tk / 2;
  const bool in_blocks = pk.positions.data() == nullptr && pk.documents.data() == nullptr && c.tq > 0;
  if (in_blocks) {
    const auto part = [&](const auto& v, std::int64_t first, std::int64_t count) { return v.part(0, first, count); };
    auto second = ak.at;
    second.offset += half * second.step;
    attention_options merged = c.options;
    merged.accumulate = true;
    attention_block(q, queries.view, part(keys.view, 0, half), part(values.view, 0, half), aq.at, ak.at, state.view, lse_again.view, tensor_view<T, 3, basic_memory<Runtime>>{}, c.options);
    attention_block(q, queries.view, part(keys.view, half, c.tk - half), part(values.view, half, c.tk - half), aq.at, second, state.view, lse_again.view, again.view, merged);
    q.synchronize();
  }
  if (!r.judges()) return;
  tensor<double, 3> truth(s);
  tensor<double, 2> true_lse(rows);
  tensor<float, 3> plain(s);
  tensor<float, 2> plain_lse(rows);
  reference::attention<double>(as<double>(in.queries), as<double>(in.keys), as<double>(in.values), pq, pk, truth, true_lse, c.options);
  plain_forward(in, c, pq, pk, plain, plain_lse);
  r.near(name, got, as<T>(plain), truth);
  r.near(name + ", lse", got_lse, plain_lse, true_lse);
  if (in_blocks) {
    r.near(name + ", state of two blocks", state.back(), plain, truth);
    r.near(name + ", output of two blocks", again.back(), as<T>(plain), truth);
    r.near(name + ", lse of two blocks", lse_again.back(), plain_lse, true_lse);
  }
}

template <class Runtime, class T, class G>
void hold_backward(report& r, basic_queue<Runtime>& q, const attention_case& c, const layout& how) {
  if (r.skips()) return;
  const inputs<T> in(c);
  const token_places pq = in.host_places(c, 0), pk = in.host_places(c, 1);
  const device_places<Runtime> aq(pq, c.tq), ak(pk, c.tk);
  const shape<3> s{{c.tq, c.heads, c.d}}, sk{{c.tk, c.kv, c.d}};
  const shape<2> rows{{c.tq, c.heads}};
  tensor<double, 3> out(s);
  tensor<double, 2> lse(rows), delta(rows);
  if (r.judges()) reference::attention<double>(as<double>(in.queries), as<double>(in.keys), as<double>(in.values), pq, pk, out, lse, c.options);
  const auto out_rounded = as<T>(out);
  const auto lse_rounded = as<float>(lse);
  reference::attention_delta<double>(as<double>(out_rounded), as<double>(in.d_output), delta);
  const auto delta_rounded = as<float>(delta);
  placed<Runtime, T, 3> queries(in.queries, how), keys(in.keys, how), values(in.values, how), d_output(in.d_output, how), output(out_rounded, how);
  placed<Runtime, float, 2> l(lse_rounded, how), d(delta_rounded, how), own_delta(rows, how);
  placed<Runtime, G, 3> dq(s, how), dk(sk, how), dv(sk, how), dq2(s, how), dk2(sk, how), dv2(sk, how);
  attention_options added = c.options;
  attention_delta(q, output.view, d_output.view, own_delta.view);
  attention_backward(q, queries.view, keys.view, values.view, d_output.view, l.view, d.view, aq.at, ak.at, dq.view, dk.view, dv.view, added);
  attention_backward(q, queries.view, keys.view, values.view, d_output.view, l.view, d.view, aq.at, ak.at, dq2.view, dk2.view, dv2.view, added);
  q.synchronize();
  const std::string name = words<T>("attention_backward", s, c.words() + ", " + how.name + ", gradients " + name_of<G>());
  r.same(name + ", again q", dq.back(), dq2.back()), r.same(name + ", again k", dk.back(), dk2.back()), r.same(name + ", again v", dv.back(), dv2.back());
  r.check(name + ", nothing beside", dq.kept() && dk.kept() && dv.kept() && own_delta.kept());
  if constexpr (std::is_same_v<G, float>) {
    added.accumulate = true;
    attention_backward(q, queries.view, keys.view, values.view, d_output.view, l.view, d.view, aq.at, ak.at, dq2.view, dk2.view, dv2.view, added);
    q.synchronize();
  }
  if (!r.judges()) return;
  tensor<double, 3> tq(s), tk(sk), tv(sk);
  tensor<float, 3> plain_q(s), plain_k(sk), plain_v(sk);
  reference::attention_backward<double, double>(as<double>(in.queries), as<double>(in.keys), as<double>(in.values), as<double>(in.d_output), as<double>(lse_rounded), as<double>(delta_rounded), pq, pk,
                                                tq, tk, tv, c.options);
  plain_backward(in, c, pq, pk, lse_rounded, delta_rounded, plain_q, plain_k, plain_v);
  r.near(name + ", delta", own_delta.back(), as<float>(delta_rounded), delta);
  r.near(name + ", q", dq.back(), as<G>(plain_q), tq), r.near(name + ", k", dk.back(), as<G>(plain_k), tk), r.near(name + ", v", dv.back(), as<G>(plain_v), tv);
  if constexpr (std::is_same_v<G, float>) {
    bool twice = true;
    const auto once = dk.back(), two = dk2.back();
    for (std::int64_t i = 0; i < once.size(); ++i) twice = twice && two.data()[i] == once.data()[i] + once.data()[i];
    r.check(name + ", added", twice);
  }
}

/// What a query doesn't see never touches its result, even where it is no number.
template <class Runtime, class T>
void hold_unseen(report& r, basic_queue<Runtime>& q) {
  const attention_case c{150, 150, 1, 1, 20, {.window = 100}};
  const shape<3> s{{150, 1, 20}};
  const inputs<T> clean(c);
  for (const float odd : {no_number, infinite, -infinite})
    for (const int at : {0, 20, 70, 149}) {
      inputs<T> in(c);
      in.values(at, 0, 3) = static_cast<T>(odd), in.keys(at, 0, 4) = static_cast<T>(no_number), in.queries(at, 0, 1) = static_cast<T>(odd), in.d_output(at, 0, 2) = static_cast<T>(odd);
      placed<Runtime, T, 3> queries(in.queries), keys(in.keys), values(in.values), d_output(in.d_output), output(s);
      placed<Runtime, float, 3> dq(s), dk(s), dv(s);
      placed<Runtime, float, 2> lse(shape<2>{{150, 1}}), l(numbers<float, 2>({150, 1}, 9, 3, 4)), delta(numbers<float, 2>({150, 1}, 10));
      attention(q, queries.view, keys.view, values.view, {}, {}, output.view, lse.view, c.options);
      attention_backward(q, queries.view, keys.view, values.view, d_output.view, l.view, delta.view, {}, {}, dq.view, dk.view, dv.view, c.options);
      q.synchronize();
      if (!r.judges()) continue;
      const auto o = output.back();
      const auto gq = dq.back(), gk = dk.back(), gv = dv.back();
      bool good = true;
      for (int i = 0; i < 150; ++i) {
        const bool sees = i >= at && i - at < 100, seen = i <= at && at - i < 100;  // as a query of key `at`, as a key of query `at`
        good = good && std::isfinite(static_cast<float>(o(i, 0, 3))) == !(sees || i == at) && std::isfinite(gq(i, 0, 5)) == !sees && std::isfinite(gk(i, 0, 5)) == !seen &&
               (seen || std::isfinite(gv(i, 0, 2)));
      }
      r.check(words<T>("attention of what isn't seen", s, std::to_string(odd) + " at " + std::to_string(at)), good);
    }
}

struct cases {
  template <class Runtime>
  static void run(report& r) {
    basic_queue<Runtime> q;
    each_type([&](auto t) {
      using T = decltype(t);
      for (const attention_case& c : attention_cases(std::is_same_v<Runtime, runtime>))
        for (const layout& how : layouts) {
          if (&how != layouts && c.tq > 500) continue;
          hold_forward<Runtime, T>(r, q, c, how);
          hold_backward<Runtime, T, float>(r, q, c, how);
          if constexpr (!std::is_same_v<T, float>) hold_backward<Runtime, T, T>(r, q, c, how);
        }
      hold_unseen<Runtime, T>(r, q);
      // Speed: bytes stand for operations, so GB/s are Gflop/s.
      if (r.judges() && r.measures())
        for (const std::int64_t d : {64, 128}) {
          const shape<3> s{{4096, 16, d}};
          placed<Runtime, T, 3> x(numbers<T, 3>(s, 1)), y(s), z(s), w(s);
          placed<Runtime, float, 2> lse(shape<2>{{4096, 16}}), delta(shape<2>{{4096, 16}});
          const std::int64_t flops = std::int64_t{4096} * 4096 / 2 * 16 * d * 4;
          r.speed(words<T>("attention, causal, Gflop/s", s), q, flops, [&] { attention(q, x.view, x.view, x.view, {}, {}, y.view, lse.view); }, 3);
          r.speed(words<T>("attention_backward, causal, Gflop/s", s), q, flops * 5 / 2,
                  [&] { attention_backward(q, x.view, x.view, x.view, x.view, lse.view, delta.view, {}, {}, y.view, z.view, w.view); }, 3);
        }
    });
    r.throws("a head size too large", "stretto: attention has head size 257; give 1 to 256", [&] {
      placed<Runtime, float, 3> x(shape<3>{{1, 1, 257}});
      placed<Runtime, float, 2> lse(shape<2>{{1, 1}});
      attention(q, x.view, x.view, x.view, {}, {}, x.view, lse.view);
    });
  }
};

}  // namespace

int main(int argc, char** argv) { return check::main<cases>(argc, argv, "attention"); }
