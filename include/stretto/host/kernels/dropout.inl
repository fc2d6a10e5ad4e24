// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Dropout: numeric/dropout.hpp in lanes.
template <class T>
void drop_runs(const dropout_arguments<T>& a, std::int64_t first, std::int64_t last, const worker&) {
  constexpr bool pairs = std::is_same_v<T, bf16>;
  const bool drops = a.options.rate > 0;
  random_words<pairs> drawn(a.options.stream);
  each_run(a.rows.blocks, first, last, [&](std::int64_t row, std::int64_t column, std::int64_t count) {
    const T* x = a.rows.in[0] + row * a.rows.in_gap[0] + column;
    T* y = a.rows.out[0] + row * a.rows.out_gap[0] + column;
    if (!drops) return write_row<pairs>(y, count, a.rows.blocks.streams, [&](std::int64_t i, auto get) { return get(x + i); });
    const std::uint32_t sample = a.options.stream_of(row).sample;
    const ints last_dropped = set_ints(a.last_dropped);
    const lanes scale = set(a.scale);
    auto element = static_cast<std::uint64_t>(a.options.first_column) + static_cast<std::uint64_t>(column);
    for (std::int64_t left = count; left > 0;) {
      const std::int64_t n = left < drawn.room ? left : drawn.room;
      drawn.draw(sample, element, n, x);
      write_row<pairs>(y, n, a.rows.blocks.streams,
                       [&](std::int64_t i, auto get) { return select(less_ints(last_dropped, drawn.at(i, get)), mul(get(x + i), scale), zero()); });
      element += static_cast<std::uint64_t>(n), x += n, y += n, left -= n;
    }
  });
}
