// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Attention, forward and backward, as shares of what the matrix product does in the same rounds. Operations are those of
// its products: 4 a score and element of a head forward, 10 backward; where causal, of the scores that are seen.
#include <stretto/host/attention.hpp>
#include <stretto/host/attention_backward.hpp>
#include <stretto/host/matrix_product.hpp>

#include "programs.hpp"
#include "roofs.hpp"

namespace bench {

namespace {

using namespace stretto;
namespace host = stretto::host;

void one(host::queue& q, std::int64_t tokens, std::int64_t heads, std::int64_t size, bool causal, const effort& how) {
  const shape<3> s{{tokens, heads, size}};
  tensor<float, 3> queries(s), keys(s), values(s), output(s), d_output(s), d_queries(s), d_keys(s), d_values(s);
  tensor<float, 2> lse({tokens, heads}), delta({tokens, heads});
  for (std::int64_t i = 0; i < s.count(); ++i) {
    queries.data()[i] = static_cast<float>(i % 131) / 64 - 1;
    keys.data()[i] = static_cast<float>(i % 127) / 64 - 1;
    values.data()[i] = static_cast<float>(i % 113) / 64 - 1;
    d_output.data()[i] = static_cast<float>(i % 109) / 64 - 1;
  }
  const std::int64_t n = std::min<std::int64_t>(tokens, 512);
  tensor<float, 2> a({n, n}), b({n, n}), c({n, n});
  for (float& v : a) v = 1;
  for (float& v : b) v = 0.5f;
  const double scores = static_cast<double>(heads) * (causal ? 0.5 * static_cast<double>(tokens) * static_cast<double>(tokens + 1) : static_cast<double>(tokens) * static_cast<double>(tokens));
  race r(how);
  const int peak = add_peak(r, q, 4 * scores * static_cast<double>(size));
  const int product = r.add("matrix product", 2.0 * static_cast<double>(n * n * n), [&] { matrix_product(q, a, b, c); });
  const int forward = r.add("forward", 4 * scores * static_cast<double>(size), [&] { attention(q, queries, keys, values, {}, {}, output, lse, {.causal = causal}); });
  const int backward = r.add("backward", 10 * scores * static_cast<double>(size), [&] {
    attention_delta(q, output, d_output, delta);
    attention_backward(q, queries, keys, values, d_output, lse, delta, {}, {}, d_queries, d_keys, d_values, {.causal = causal});
  });
  r.run();
  for (const int i : {forward, backward})
    std::printf("%lld tokens, head size %lld, %-10s %-8s %6.1f GFLOP/s  %.2f of a matrix product's %.1f, %.2f of the fma peak\n", static_cast<long long>(tokens),
                static_cast<long long>(size), causal ? "causal" : "all pairs", r.name(i).c_str(), r.rate(i) * 1e-9, r.share(i, product), r.rate(product) * 1e-9, r.share(i, peak));
  std::fflush(stdout);
}

}  // namespace

void attention(const effort& how, bool quick) {
  host::queue q;
  std::printf("attention; shares of a matrix product of 512 cubed and of the fma peak, of the same rounds\n");
  for (const std::int64_t size : {64, 128})
    for (const bool causal : {false, true}) one(q, quick ? 32 : 1024, quick ? 1 : 6, size, causal, {std::min(how.rounds, 15), how.least_seconds});
}

}  // namespace bench
