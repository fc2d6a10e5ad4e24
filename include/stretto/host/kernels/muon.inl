// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What Muon does besides products: momentum, and multiples of a run.

inline void muon_update(const muon_arguments& given, std::int64_t first, std::int64_t last, const worker&) {
  const muon_arguments a = given;
  const lanes scale = set(a.scale), keep = set(a.keep);
  const auto next = [&](lanes g, lanes m) { return fma(keep, m, mul(g, scale)); };
  const auto step = [&](lanes g, lanes m) { return a.nesterov ? fma(keep, m, mul(g, scale)) : m; };
  std::int64_t i = first;
  for (; i + width <= last; i += width) {
    const lanes g = load(a.gradient + i), m = next(g, load(a.momentum + i));
    store(a.momentum + i, m);
    store(a.update + i, step(g, m));
  }
  if (i < last) {
    const lanes g = load_some(a.gradient + i, last - i), m = next(g, load_some(a.momentum + i, last - i));
    store_some(a.momentum + i, m, last - i);
    store_some(a.update + i, step(g, m), last - i);
  }
}

inline void multiples(const multiple_arguments& given, std::int64_t first, std::int64_t last, const worker&) {
  const multiple_arguments a = given;
  const lanes by = set(a.by);
  std::int64_t i = first;
  for (; i + width <= last; i += width) store(a.to + i, mul(load(a.from + i), by));
  if (i < last) store_some(a.to + i, mul(load_some(a.from + i, last - i), by), last - i);
}
