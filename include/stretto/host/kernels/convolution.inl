// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What convolutions gather, and those of each channel by itself.

/// The row or column that a place's tap falls on, or -1.
inline std::int64_t tap_at(const tap_axis& a, std::int64_t place, std::int64_t tap, std::int64_t size) {
  std::int64_t at = place * a.factor + a.offset + tap * a.step;
  if (at < 0) return -1;
  if (a.divisor != 1) {
    if (at % a.divisor != 0) return -1;
    at /= a.divisor;
  }
  return at < size ? at : -1;
}

template <class T>
void copy_numbers(const T* from, T* to, std::int64_t n) {
  if (n >= 8) __builtin_memcpy(to, from, static_cast<unsigned long>(n) * sizeof(T));
  else
    for (std::int64_t i = 0; i < n; ++i) to[i] = from[i];
}
template <class T>
void put_zeros(T* to, std::int64_t n) {
  __builtin_memset(to, 0, static_cast<unsigned long>(n) * sizeof(T));
}

/// A row for each place: what its taps fall on, and zeros where that is beyond the image.
template <class T>
void gather_taps(const tap_arguments<T>& a, std::int64_t first, std::int64_t last, const worker&) {
  const bool runs = a.axis[1].step == 1 && a.axis[1].divisor == 1 && a.x_column == a.channels;  // taps that are neighbours are so in memory
  for (std::int64_t k = first; k < last; ++k) {
    const std::int64_t place = a.first_place + k, column = place % a.columns, row = place / a.columns % a.rows, image = place / a.columns / a.rows;
    T* to = a.to + k * a.to_row;
    for (std::int64_t i = 0; i < a.taps[0]; ++i, to += a.taps[1] * a.channels) {
      const std::int64_t y = tap_at(a.axis[0], row, i, a.height);
      if (y < 0) {
        put_zeros(to, a.taps[1] * a.channels);
        continue;
      }
      const T* const x = a.x + image * a.x_image + y * a.x_row;
      if (runs) {
        const std::int64_t begin = column * a.axis[1].factor + a.axis[1].offset, end = begin + a.taps[1];
        const std::int64_t from = begin < 0 ? (end < 0 ? end : 0) : begin, until = end > a.width ? (begin > a.width ? begin : a.width) : end;
        const std::int64_t before = from - begin, inside = until > from ? until - from : 0;
        put_zeros(to, before * a.channels);
        copy_numbers(x + from * a.channels, to + before * a.channels, inside * a.channels);
        put_zeros(to + (before + inside) * a.channels, (a.taps[1] - before - inside) * a.channels);
        continue;
      }
      for (std::int64_t j = 0; j < a.taps[1]; ++j) {
        const std::int64_t at = tap_at(a.axis[1], column, j, a.width);
        if (at < 0) put_zeros(to + j * a.channels, a.channels);
        else copy_numbers(x + at * a.x_column, to + j * a.channels, a.channels);
      }
    }
  }
}

/// y of rows of places: each channel's sum over the taps, in their order.
template <class T>
void depthwise_rows(const tap_arguments<T>& a, std::int64_t first, std::int64_t last, const worker& w) {
  const std::int64_t taps = a.taps[0] * a.taps[1];
  float* const weights = reinterpret_cast<float*>(w.scratch);  // a row of channels for each tap
  for (std::int64_t c = 0; c < a.channels; ++c)
    for (std::int64_t k = 0; k < taps; ++k) weights[k * a.channels + c] = static_cast<float>(a.weight[c * taps + k]);
  for (std::int64_t r = first; r < last; ++r) {
    const std::int64_t image = r / a.rows, row = r % a.rows;
    for (std::int64_t column = 0; column < a.columns; ++column) {
      T* const y = a.to + image * a.to_image + row * a.to_row + column * a.to_column;
      for (std::int64_t c = 0; c < a.channels; c += 2 * width) {
        const std::int64_t n = a.channels - c, few = n < width ? n : width, more = n - few < width ? n - few : width;
        lanes s = zero(), t = zero();
        for (std::int64_t i = 0; i < a.taps[0]; ++i) {
          const std::int64_t at_row = tap_at(a.axis[0], row, i, a.height);
          if (at_row < 0) continue;
          for (std::int64_t j = 0; j < a.taps[1]; ++j) {
            const std::int64_t at = tap_at(a.axis[1], column, j, a.width);
            if (at < 0) continue;
            const T* const x = a.x + image * a.x_image + at_row * a.x_row + at * a.x_column + c;
            const float* const v = weights + (i * a.taps[1] + j) * a.channels + c;
            if (n >= 2 * width) s = fma(load(x), load(v), s), t = fma(load(x + width), load(v + width), t);
            else s = fma(load_some(x, few), load_some(v, few), s), t = fma(load_some(x + few, more), load_some(v + few, more), t);
          }
        }
        if (a.bias != nullptr) s = add(s, load_some(a.bias + c, few)), t = add(t, load_some(a.bias + c + few, more));
        store_some(y + c, s, few);
        store_some(y + c + few, t, more);
      }
    }
  }
}

/// The gradients of the weights of channels `first` to `last`: sums over images and places, in their order.
template <class T>
void depthwise_weights(const depthwise_weight_arguments<T>& given, std::int64_t first, std::int64_t last, const worker& w) {
  const tap_arguments<T>& a = given.of;
  const std::int64_t taps = a.taps[0] * a.taps[1], n = last - first;
  float* const sums = reinterpret_cast<float*>(w.scratch);
  put_zeros(sums, taps * n);
  for (std::int64_t place = 0; place < given.images * a.rows * a.columns; ++place) {
    const std::int64_t column = place % a.columns, row = place / a.columns % a.rows, image = place / a.columns / a.rows;
    const T* const dy = given.dy + image * given.dy_image + row * given.dy_row + column * given.dy_column + first;
    for (std::int64_t i = 0; i < a.taps[0]; ++i) {
      const std::int64_t at_row = tap_at(a.axis[0], row, i, a.height);
      if (at_row < 0) continue;
      for (std::int64_t j = 0; j < a.taps[1]; ++j) {
        const std::int64_t at = tap_at(a.axis[1], column, j, a.width);
        if (at < 0) continue;
        const T* const x = a.x + image * a.x_image + at_row * a.x_row + at * a.x_column + first;
        float* const sum = sums + (i * a.taps[1] + j) * n;
        std::int64_t c = 0;
        for (; c + width <= n; c += width) store(sum + c, fma(load(dy + c), load(x + c), load(sum + c)));
        if (c < n) store_some(sum + c, fma(load_some(dy + c, n - c), load_some(x + c, n - c), load_some(sum + c, n - c)), n - c);
      }
    }
  }
  for (std::int64_t c = 0; c < n; ++c)
    for (std::int64_t k = 0; k < taps; ++k) given.dweight[(first + c) * taps + k] += sums[k * n + c];
}
