// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Casts: numeric/cast.hpp in lanes.
template <class From, class To>
void cast_runs(const cast_arguments<From, To>& a, std::int64_t first, std::int64_t last, const worker&) {
  constexpr bool pairs = std::is_same_v<From, bf16> && std::is_same_v<To, bf16>;
  each_run(a.blocks, first, last, [&](std::int64_t row, std::int64_t column, std::int64_t count) {
    const From* const x = a.x + row * a.x_gap + column;
    write_row<pairs>(a.y + row * a.y_gap + column, count, a.blocks.streams, [&](std::int64_t i, auto get) { return get(x + i); });
  });
}

/// round_by_chance, but for the type: what is left is a number of To. Below fp16's smallest normal 2^-14 is added, with which
/// its steps end where they do above it.
template <class To>
lanes rounded_by_chance(lanes x, ints chance) {
  if constexpr (std::is_same_v<To, bf16>) {
    return select(no_number(x), x, as_lanes(and_ints(add_ints(as_ints(x), shift_right(chance, 16)), set_ints(0xffff0000u))));
  } else {
    const lanes size = abs(x), shift = select(less(size, set(0x1p-14f)), set(0x1p-14f), zero());
    const lanes cut = as_lanes(and_ints(add_ints(as_ints(add(size, shift)), shift_right(chance, 19)), set_ints(0xffffe000u)));
    return select(no_number(x), x, copy_sign(sub(cut, shift), x));
  }
}

template <class From, class To>
void cast_by_chance_runs(const cast_arguments<From, To>& a, std::int64_t first, std::int64_t last, const worker&) {
  random_words<false> drawn(a.options.stream);
  each_run(a.blocks, first, last, [&](std::int64_t row, std::int64_t column, std::int64_t count) {
    const From* x = a.x + row * a.x_gap + column;
    To* y = a.y + row * a.y_gap + column;
    auto element = static_cast<std::uint64_t>(a.options.first_column) + static_cast<std::uint64_t>(column);
    for (std::int64_t left = count; left > 0;) {
      const std::int64_t n = left < drawn.room ? left : drawn.room;
      drawn.draw(static_cast<std::uint32_t>(a.options.first_row + row), element / 2, n / 2 + 1, x);
      const std::int64_t half = 2 * drawn.offset + static_cast<std::int64_t>(element % 2);  // of a word, the first element's
      write_row<false>(y, n, a.blocks.streams, [&](std::int64_t i, auto get) { return rounded_by_chance<To>(get(x + i), load_halves(drawn.words, half + i)); });
      element += static_cast<std::uint64_t>(n), x += n, y += n, left -= n;
    }
  });
}
