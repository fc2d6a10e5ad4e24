// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What convolutions gather, and those of each channel by itself.

/// The row or column that a tap falls on, or -1.
inline std::int64_t tap_at(const tap_phase& p, std::int64_t place, std::int64_t tap, std::int64_t size) {
  const std::int64_t at = place * p.factor + p.offset + tap * p.step;
  return at >= 0 && at < size ? at : -1;
}

template <class T>
void copy_numbers(const T* from, T* to, std::int64_t n) {
  if (n >= 8) __builtin_memcpy(to, from, static_cast<unsigned long>(n) * sizeof(T));
  else
    for (std::int64_t i = 0; i < n; ++i) to[i] = from[i];
}
template <class T>
void put_zeros(T* to, std::int64_t n) {
  if (n > 0) __builtin_memset(to, 0, static_cast<unsigned long>(n) * sizeof(T));
}

/// Where a place of a phase stands.
struct place_of {
  std::int64_t image, row, column;
  place_of(const tap_phase& down, const tap_phase& across, std::int64_t place)
      : image(place / across.count / down.count), row(place / across.count % down.count), column(place % across.count) {}
};

/// A row for each place: what its taps fall on, and zeros where that is beyond the image.
template <class T>
void gather_taps(const tap_arguments<T>& a, std::int64_t first, std::int64_t last, const worker&) {
  if (a.channels == 0) return;  // nothing may be added to where no image is
  const bool runs = a.across.step == 1 && a.x_column == a.channels;  // taps that are neighbours are so in memory
  for (std::int64_t k = first; k < last; ++k) {
    const place_of p(a.down, a.across, a.first_place + k);
    T* to = a.gathered + k * a.gap;
    for (std::int64_t i = 0; i < a.down.taps; ++i, to += a.across.taps * a.channels) {
      const std::int64_t row = tap_at(a.down, p.row, i, a.height);
      if (row < 0) {
        put_zeros(to, a.across.taps * a.channels);
        continue;
      }
      const T* const x = a.x + p.image * a.x_image + row * a.x_row;
      if (runs) {
        const std::int64_t begin = p.column * a.across.factor + a.across.offset, end = begin + a.across.taps;
        const std::int64_t from = begin < 0 ? (end < 0 ? end : 0) : begin, until = end > a.width ? (begin > a.width ? begin : a.width) : end;
        const std::int64_t before = from - begin, inside = until > from ? until - from : 0;
        put_zeros(to, before * a.channels);
        copy_numbers(x + from * a.channels, to + before * a.channels, inside * a.channels);
        put_zeros(to + (before + inside) * a.channels, (a.across.taps - before - inside) * a.channels);
        continue;
      }
      for (std::int64_t j = 0; j < a.across.taps; ++j) {
        const std::int64_t at = tap_at(a.across, p.column, j, a.width);
        if (at < 0) put_zeros(to + j * a.channels, a.channels);
        else copy_numbers(x + at * a.x_column, to + j * a.channels, a.channels);
      }
    }
  }
}

/// Rows become the pixels of places.
template <class T>
void put_places(const tap_arguments<T>& a, std::int64_t first, std::int64_t last, const worker&) {
  for (std::int64_t k = first; k < last; ++k) {
    const place_of p(a.down, a.across, a.first_place + k);
    T* const y = a.y + p.image * a.y_image + (a.down.first + p.row * a.down.stride) * a.y_row + (a.across.first + p.column * a.across.stride) * a.y_column;
    if (a.gathered == nullptr) put_zeros(y, a.y_channels);
    else copy_numbers(a.gathered + k * a.gap, y, a.y_channels);
  }
}

/// What a tap multiplies, a number a channel.
template <class T>
struct tap_pair {
  const T* x;
  const float* weight;
};

/// y of rows of places: each channel's sum over the taps, in their order.
template <class T>
void depthwise_rows(const tap_arguments<T>& a, std::int64_t first, std::int64_t last, const worker& w) {
  const std::int64_t taps = a.down.taps * a.across.taps;
  auto* const pairs = reinterpret_cast<tap_pair<T>*>(w.scratch);  // those of a place
  auto* const weights = reinterpret_cast<float*>(pairs + taps);   // a row of channels for each tap of the phase
  for (std::int64_t c = 0; c < a.channels; ++c)
    for (std::int64_t i = 0; i < a.down.taps; ++i)
      for (std::int64_t j = 0; j < a.across.taps; ++j)
        weights[(i * a.across.taps + j) * a.channels + c] =
            static_cast<float>(a.weight[(c * a.kernel[0] + a.down.tap + i * a.down.tap_stride) * a.kernel[1] + a.across.tap + j * a.across.tap_stride]);
  for (std::int64_t r = first; r < last; ++r) {
    const std::int64_t image = r / a.down.count, row = r % a.down.count;
    for (std::int64_t column = 0; column < a.across.count; ++column) {
      std::int64_t meet = 0;
      for (std::int64_t i = 0; i < a.down.taps; ++i) {
        const std::int64_t at_row = tap_at(a.down, row, i, a.height);
        for (std::int64_t j = 0; j < a.across.taps && at_row >= 0; ++j)
          if (const std::int64_t at = tap_at(a.across, column, j, a.width); at >= 0)
            pairs[meet++] = {a.x + image * a.x_image + at_row * a.x_row + at * a.x_column, weights + (i * a.across.taps + j) * a.channels};
      }
      T* const y = a.y + image * a.y_image + (a.down.first + row * a.down.stride) * a.y_row + (a.across.first + column * a.across.stride) * a.y_column;
      std::int64_t c = 0;
      for (; c + 2 * width <= a.channels; c += 2 * width) {
        lanes s = zero(), t = zero();
        for (std::int64_t k = 0; k < meet; ++k) {
          const tap_pair<T> p = pairs[k];
          s = fma(load(p.x + c), load(p.weight + c), s), t = fma(load(p.x + c + width), load(p.weight + c + width), t);
        }
        if (a.bias != nullptr) s = add(s, load(a.bias + c)), t = add(t, load(a.bias + c + width));
        store(y + c, s);
        store(y + c + width, t);
      }
      while (c < a.channels) {
        const std::int64_t few = a.channels - c < width ? a.channels - c : width;
        lanes s = zero();
        for (std::int64_t k = 0; k < meet; ++k) s = fma(load_some(pairs[k].x + c, few), load_some(pairs[k].weight + c, few), s);
        store_some(y + c, a.bias != nullptr ? add(s, load_some(a.bias + c, few)) : s, few);
        c += few;
      }
    }
  }
}

/// The gradients of the weights of channels `first` to `last`: sums over images and places, in their order.
template <class T>
void depthwise_weights(const depthwise_weight_arguments<T>& given, std::int64_t first, std::int64_t last, const worker& w) {
  const tap_arguments<T>& a = given.of;
  const std::int64_t taps = a.down.taps * a.across.taps, n = last - first;
  float* const sums = reinterpret_cast<float*>(w.scratch);
  put_zeros(sums, taps * n);
  for (std::int64_t place = 0; place < given.images * a.down.count * a.across.count; ++place) {
    const place_of p(a.down, a.across, place);
    const T* const dy = given.dy + p.image * given.dy_image + p.row * given.dy_row + p.column * given.dy_column + first;
    for (std::int64_t i = 0; i < a.down.taps; ++i) {
      const std::int64_t row = tap_at(a.down, p.row, i, a.height);
      if (row < 0) continue;
      for (std::int64_t j = 0; j < a.across.taps; ++j) {
        const std::int64_t column = tap_at(a.across, p.column, j, a.width);
        if (column < 0) continue;
        const T* const x = a.x + p.image * a.x_image + row * a.x_row + column * a.x_column + first;
        float* const sum = sums + (i * a.across.taps + j) * n;
        std::int64_t c = 0;
        for (; c + width <= n; c += width) store(sum + c, fma(load(dy + c), load(x + c), load(sum + c)));
        if (c < n) store_some(sum + c, fma(load_some(dy + c, n - c), load_some(x + c, n - c), load_some(sum + c, n - c)), n - c);
      }
    }
  }
  for (std::int64_t c = 0; c < n; ++c)
    for (std::int64_t k = 0; k < taps; ++k) given.dweight[(first + c) * taps + k] += sums[k * n + c];
}
