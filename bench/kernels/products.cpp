// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Matrix products as the layers of a model ask for them, beside other people's and plain loops.
#include <cinttypes>

#include <stretto/host/matrix_product.hpp>

#include "contenders.hpp"
#include "programs.hpp"
#include "roofs.hpp"

namespace bench {

namespace {

using namespace stretto;
namespace host = stretto::host;

struct extents {
  std::int64_t tokens, out, in;
};

template <class T>
void fill(tensor<T, 2>& t) {
  for (std::int64_t i = 0; i < t.size(); ++i) t.data()[i] = static_cast<T>(static_cast<float>(i % 17) / 16.0f - 0.5f);
}

void plain_product(const float* a, const float* b, float* c, std::int64_t m, std::int64_t n, std::int64_t k) {
  for (std::int64_t i = 0; i < m; ++i)
    for (std::int64_t j = 0; j < n; ++j) {
      float s = 0;
      for (std::int64_t l = 0; l < k; ++l) s += a[i * k + l] * b[j * k + l];
      c[i * n + j] = s;
    }
}

/// The three products of a linear layer; shares of the fma peak.
void linear(host::queue& q, const extents& e, const effort& how, const std::vector<contender>& others) {
  tensor<float, 2> x({e.tokens, e.in}), w({e.out, e.in}), y({e.tokens, e.out}), dx({e.tokens, e.in}), dw({e.out, e.in});
  fill(x), fill(w), fill(y);
  host::packed_matrix<float> forward(q, e.in, e.out), backward(q, e.out, e.in);
  pack(q, transposed(w), forward);
  pack(q, w, backward);
  tensor<bf16, 2> x16({e.tokens, e.in}), w16({e.out, e.in}), y16({e.tokens, e.out});
  fill(x16), fill(w16);
  host::packed_matrix<bf16> forward16(q, e.in, e.out);
  pack(q, transposed(w16), forward16);
  const double operations = 2.0 * static_cast<double>(e.tokens) * static_cast<double>(e.out) * static_cast<double>(e.in);

  struct product {
    const char* name;
    std::function<void()> own;
    std::function<void(const contender&)> other;
  };
  const product products[] = {
      {"y = x w'", [&] { matrix_product(q, x, forward, y); },
       [&](const contender& c) { c(false, true, e.tokens, e.out, e.in, x.data(), e.in, w.data(), e.in, 0, y.data(), e.out); }},
      {"dx = dy w", [&] { matrix_product(q, y, backward, dx); },
       [&](const contender& c) { c(false, false, e.tokens, e.in, e.out, y.data(), e.out, w.data(), e.in, 0, dx.data(), e.in); }},
      {"dw += dy' x", [&] { matrix_product(q, transposed(y), x, dw, {.accumulate = true}); },
       [&](const contender& c) { c(true, false, e.out, e.in, e.tokens, y.data(), e.out, x.data(), e.in, 1, dw.data(), e.in); }},
  };
  for (const product& p : products) {
    race r(how);
    const int roof = add_peak(r, q, operations);
    const int own = r.add("own", operations, p.own);
    for (const contender& c : others) r.add(c.name, operations, [&p, &c] { p.other(c); });
    const bool first = &p == &products[0];
    const int sixteen = first ? r.add("own bf16", operations, [&] { matrix_product(q, x16, forward16, y16); }) : -1;
    const int plain = first ? r.add("plain loops", operations / static_cast<double>(e.tokens), [&] { plain_product(x.data(), w.data(), y.data(), 1, e.out, e.in); }) : -1;
    r.run();
    std::printf("%5" PRId64 " x %4" PRId64 " x %4" PRId64 "  %-12s", e.tokens, e.out, e.in, p.name);
    std::printf("  %6.1f GFLOP/s  %.2f of the peak of %.1f |", r.rate(own) * 1e-9, r.share(own, roof), r.rate(roof) * 1e-9);
    for (int i = own + 1; i < r.size(); ++i) {
      if (i == sixteen) std::printf("  bf16 %.2f times", r.share(i, own));
      else if (i == plain) std::printf("  plain loops %.3f", r.share(i, roof));
      else std::printf("  %s %.2f", r.name(i).c_str(), r.share(i, roof));
    }
    std::printf("\n");
    std::fflush(stdout);
  }
}

}  // namespace

void products(const effort& how, bool quick) {
  const std::vector<contender> others = contenders();
  host::queue q;
  std::printf("matrix products of %s with %s, one thread; shares of the fma peak of the same round\n", host::this_cpu().kind.letters, isa_name(q.level()).data());
  const extents all[] = {{1024, 384, 384}, {1024, 1536, 384}, {1024, 384, 1536}, {1024, 4096, 384}};
  for (const extents& e : all) linear(q, quick ? extents{64, e.out / 8, e.in / 8} : e, how, others);
}

void choose(const effort& how) {
  std::printf("rows for product_choices in host/product_library.hpp: own against the best of %zu\n", contenders().size());
  const std::vector<contender> others = contenders();
  for (const host::isa level : {host::isa::avx512, host::isa::avx2, host::isa::portable}) {
    if (level > host::this_cpu().best) continue;
    host::queue q({.most = level});
    std::int64_t from = -1;
    for (const std::int64_t n : {1024, 512, 256, 128, 64}) {
      tensor<float, 2> a({n, n}), b({n, n}), c({n, n});
      fill(a), fill(b);
      const double operations = 2.0 * static_cast<double>(n * n * n);
      race r(how);
      const int own = r.add("own", operations, [&] { matrix_product(q, a, b, c); });
      for (const contender& o : others) r.add(o.name, operations, [&, o] { o(false, false, n, n, n, a.data(), n, b.data(), n, 0, c.data(), n); });
      r.run();
      double best = 0;
      for (int i = own + 1; i < r.size(); ++i) best = std::max(best, r.share(i, own));
      std::printf("// %s, %" PRId64 " cubed: %.2f times own\n", isa_name(level).data(), n, best);
      if (best <= 1.05) break;
      from = n * n * n;
    }
    std::printf("{\"%s\", isa::%s, %" PRId64 "},\n", host::this_cpu().kind.letters, isa_name(level).data(), from);
  }
}

}  // namespace bench
