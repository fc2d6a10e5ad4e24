// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Sums of squares, block by block.

/// For blocks `first` to `last`. Four sums at a time, or each addition would wait for the one before.
template <class T>
void square_blocks(const square_arguments<T>& a, std::int64_t first, std::int64_t last, const worker&) {
  for (std::int64_t b = first; b < last; ++b) {
    const std::int64_t end = (b + 1) * fixed_block < a.count ? (b + 1) * fixed_block : a.count;
    const T* const x = a.numbers + b * fixed_block;
    const std::int64_t n = end - b * fixed_block;
    lanes s0 = zero(), s1 = zero(), s2 = zero(), s3 = zero();
    std::int64_t i = 0;
    for (; i + 4 * width <= n; i += 4 * width) {
      const lanes x0 = load(x + i), x1 = load(x + i + width), x2 = load(x + i + 2 * width), x3 = load(x + i + 3 * width);
      s0 = fma(x0, x0, s0);
      s1 = fma(x1, x1, s1);
      s2 = fma(x2, x2, s2);
      s3 = fma(x3, x3, s3);
    }
    for (; i + width <= n; i += width) {
      const lanes x0 = load(x + i);
      s0 = fma(x0, x0, s0);
    }
    if (i < n) {
      const lanes x0 = load_some(x + i, n - i);
      s1 = fma(x0, x0, s1);
    }
    double s = static_cast<double>(sum(add(add(s0, s1), add(s2, s3))));
    if (!(s < std::numeric_limits<double>::infinity())) {
      s = 0;
      for (std::int64_t k = 0; k < n; ++k) s += static_cast<double>(static_cast<float>(x[k])) * static_cast<double>(static_cast<float>(x[k]));
    }
    a.sums[b] = s;
  }
}
