// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Runs of numbers in the blocks of elementwise.hpp, and rows that are written two at a time.

/// Calls run(row, column, count) for neighbouring numbers in blocks `first` to `last`.
template <class Run>
void each_run(const row_blocks& b, std::int64_t first, std::int64_t last, Run run) {
  std::int64_t row = first / b.per_row, block = first % b.per_row;
  while (first < last) {
    const std::int64_t blocks = last - first < b.per_row - block ? last - first : b.per_row - block;
    const std::int64_t column = block * row_blocks::size, end = (block + blocks) * row_blocks::size;
    run(row, column, (end < b.columns ? end : b.columns) - column);
    first += blocks, block = 0, ++row;
  }
  if (b.streams) end_stream();
}

struct two_results {
  lanes first, second;
};

/// As write_row: f(i, get) gives a number of each of two rows. They go past the cache where their lines begin together.
template <bool Pairs, class T, class F>
void write_two_rows(T* y, T* z, std::int64_t n, bool streams, F f) {
  constexpr int line = 64 / sizeof(T);
  const bool both = streams && before_line(y, line) == before_line(z, line);
  std::int64_t i = 0;
  const auto some = [&](std::int64_t end) {
    while (i < end) {
      const std::int64_t few = end - i < width ? end - i : width;
      const two_results v = f(i, some_lanes{few});
      store_some(y + i, v.first, few);
      store_some(z + i, v.second, few);
      i += few;
    }
  };
  if (both) some(before_line(y, n));
  for (; i + line <= n; i += line) {
#pragma GCC unroll 16
    for (int k = 0; k < line; k += Pairs ? 2 * width : width) {
      T* const to = y + i + k;
      T* const then = z + i + k;
      if constexpr (Pairs) {
        const two_results even = f(i + k, even_lanes{}), odd = f(i + k, odd_lanes{});
        if (both) stream_both(to, even.first, odd.first), stream_both(then, even.second, odd.second);
        else store_both(to, even.first, odd.first), store_both(then, even.second, odd.second);
      } else {
        const two_results v = f(i + k, whole_lanes{});
        if (both) stream(to, v.first), stream(then, v.second);
        else store(to, v.first), store(then, v.second);
      }
    }
  }
  some(n);
}
