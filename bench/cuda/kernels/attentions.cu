// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Attention, forward and backward, as shares of what a large matrix product of the same type does in the same rounds.
// Operations are those of its products: 4 a score and element of a head forward, 10 backward; of the scores that are seen.
#include <stretto/cuda/attention.cuh>
#include <stretto/cuda/attention_backward.cuh>
#include <stretto/cuda/matrix_product.cuh>

#include <vector>

#include "parts.cuh"

namespace bench {

namespace {

struct extents {
  std::int64_t tokens, heads, heads_of_keys, size;
  bool causal;
  std::int64_t document;  ///< tokens of each, one behind the other; 0: one sequence, and no list
};

template <class T>
void one(machine& m, std::int64_t large, const extents& e) {
  const shape<3> s{{e.tokens, e.heads, e.size}}, of_keys{{e.tokens, e.heads_of_keys, e.size}};
  const auto queries = m.drawn<T>(s, 1), d_output = m.drawn<T>(s, 2), keys = m.drawn<T>(of_keys, 3), values = m.drawn<T>(of_keys, 4);
  on_device<T, 3> output(s), d_queries(s), d_keys(of_keys), d_values(of_keys);
  on_device<float, 2> lse(shape<2>{{e.tokens, e.heads}}), delta(lse.extents());
  const auto a = m.drawn<T>(shape<2>{{large, large}}, 5), b = m.drawn<T>(shape<2>{{large, large}}, 6);
  on_device<T, 2> c(a.extents());
  token_places_in<cuda::memory> at;
  on_device<std::int32_t, 1> documents(shape<1>{{e.document > 0 ? e.tokens : 0}}), positions(documents.extents());
  if (e.document > 0) {
    std::vector<std::int32_t> of, where;
    for (std::int64_t i = 0; i < e.tokens; ++i) of.push_back(static_cast<std::int32_t>(i / e.document)), where.push_back(static_cast<std::int32_t>(i % e.document));
    cuda::to_device(documents, of.data()), cuda::to_device(positions, where.data());
    at.documents = documents, at.positions = positions;
  }
  const double n = static_cast<double>(e.document > 0 ? e.document : e.tokens), sequences = static_cast<double>(e.tokens) / n;
  const double elements = static_cast<double>(e.heads * e.size) * sequences * (e.causal ? 0.5 * n * (n + 1) : n * n);
  const std::string size = std::to_string(e.tokens) + "x" + std::to_string(e.heads) + "x" + std::to_string(e.size);
  const std::string kind = std::string(e.causal ? ", causal" : ", all pairs") + (e.document > 0 ? ", documents of " + std::to_string(e.document) : "") +
                           (e.heads_of_keys < e.heads ? ", " + std::to_string(e.heads_of_keys) + " heads of keys" : "");
  const attention_options how{.causal = e.causal};
  auto& q = m.q;
  turns t(m, "large product", true);
  t.roof("Stretto", 2.0 * static_cast<double>(large * large) * static_cast<double>(large), [&] { matrix_product(q, a, transposed(b), c); }, type_name<T>);
  t.add({"attention" + kind, type_name<T>, size, 4 * elements}, [&] { attention(q, queries, keys, values, at, at, output, lse, how); });
  t.add({"attention_backward" + kind, type_name<T>, size, 10 * elements}, [&] {
    attention_delta(q, output, d_output, delta);
    attention_backward(q, queries, keys, values, d_output, lse, delta, at, at, d_queries, d_keys, d_values, how);
  });
  t.run();
}

}  // namespace

void attentions(machine& m) {
  if (m.how.quick) return one<bf16>(m, 256, {128, 2, 1, 64, true, 64});
  const std::int64_t large = 8192;
  one<bf16>(m, large, {4096, 16, 16, 128, true, 0});
  one<bf16>(m, large, {4096, 16, 16, 128, false, 0});
  one<bf16>(m, large, {16384, 16, 16, 128, true, 0});
  one<bf16>(m, large, {8192, 32, 8, 128, true, 0});
  one<bf16>(m, large, {16384, 12, 12, 64, true, 1024});
  one<bf16>(m, large, {4096, 16, 16, 64, true, 0});
}

}  // namespace bench
