// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Pooling, a row of results at a time; lanes are channels.

struct span_of {
  std::int64_t first, last;
};

/// What a window covers along an axis of `size`.
inline span_of covered(const pooling_options& o, int axis, std::int64_t place, std::int64_t size) {
  const std::int64_t first = place * o.stride[axis] - o.padding[axis], last = first + o.window[axis];
  return {first > 0 ? first : 0, last < size ? last : size};
}
/// Which of `places` windows cover a number.
inline span_of covering(const pooling_options& o, int axis, std::int64_t at, std::int64_t places) {
  const std::int64_t from = at + o.padding[axis] - o.window[axis] + 1, last = (at + o.padding[axis]) / o.stride[axis] + 1;
  return {from > 0 ? (from + o.stride[axis] - 1) / o.stride[axis] : 0, last < places ? last : places};
}
inline float share_of(const pooling_options& o, span_of rows, span_of columns) {
  return 1.0f / static_cast<float>(o.counts_padding ? o.window[0] * o.window[1] : (rows.last - rows.first) * (columns.last - columns.first));
}

/// Calls f(c, get, put) for whole lanes of channels, and for the few that are left.
template <class F>
void each_channels(std::int64_t channels, F f) {
  std::int64_t c = 0;
  for (; c + width <= channels; c += width) f(c, whole_lanes{}, [](auto* p, lanes v) { store(p, v); });
  if (const std::int64_t few = channels - c; few > 0) f(c, some_lanes{few}, [few](auto* p, lanes v) { store_some(p, v, few); });
}

/// Lanes of v where they are larger than those of `most`, or no number.
inline lanes larger_or_none(lanes most, lanes v) { return select(no_number(most), most, larger(most, v)); }

/// A pixel that another is made of, and what it is multiplied with.
template <class T>
struct weighed_pixel {
  const T* channels;
  float share;
};

template <bool Max, class T>
void pool_rows(const pooling_arguments<T>& a, std::int64_t first, std::int64_t last, const worker& w) {
  auto* const pixels = reinterpret_cast<const T**>(w.scratch);  // that a window covers
  for (std::int64_t r = first; r < last; ++r) {
    const T* const image = a.x + r / a.rows * a.x_image;
    const span_of rows = covered(a.options, 0, r % a.rows, a.height);
    for (std::int64_t column = 0; column < a.columns; ++column) {
      const span_of columns = covered(a.options, 1, column, a.width);
      std::int64_t n = 0;
      for (std::int64_t i = rows.first; i < rows.last; ++i)
        for (std::int64_t j = columns.first; j < columns.last; ++j) pixels[n++] = image + i * a.x_row + j * a.x_column;
      const lanes share = set(Max ? 0 : share_of(a.options, rows, columns));
      T* const y = a.y + r / a.rows * a.y_image + r % a.rows * a.y_row + column * a.y_column;
      write_row<std::is_same_v<T, bf16>>(y, a.channels, a.streams, [&](std::int64_t c, auto get) {
        lanes v = get(pixels[0] + c);
        for (std::int64_t k = 1; k < n; ++k) v = Max ? larger_or_none(v, get(pixels[k] + c)) : add(v, get(pixels[k] + c));
        return Max ? v : mul(v, share);
      });
    }
  }
  if (a.streams) end_stream();
}

/// A row of dx in float: windows that cover it find their first largest number again, and give it their gradient.
template <class T>
void max_gradient_rows(const pooling_arguments<T>& a, std::int64_t first, std::int64_t last, const worker& w) {
  float* const sums = reinterpret_cast<float*>(w.scratch);
  for (std::int64_t r = first; r < last; ++r) {
    const std::int64_t row = r % a.height;
    const T* const image = a.x + r / a.height * a.x_image;
    for (std::int64_t k = 0; k < a.width * a.channels; ++k) sums[k] = 0;
    const span_of windows = covering(a.options, 0, row, a.rows);
    for (std::int64_t h = windows.first; h < windows.last; ++h) {
      const span_of rows = covered(a.options, 0, h, a.height);
      for (std::int64_t column = 0; column < a.columns; ++column) {
        const span_of columns = covered(a.options, 1, column, a.width);
        const T* const dy = a.dy + r / a.height * a.dy_image + h * a.dy_row + column * a.dy_column;
        each_channels(a.channels, [&](std::int64_t c, auto get, auto put) {
          lanes most = get(image + rows.first * a.x_row + columns.first * a.x_column + c), place = zero();
          float k = 0;
          for (std::int64_t i = rows.first; i < rows.last; ++i)
            for (std::int64_t j = columns.first; j < columns.last; ++j, ++k) {
              const lanes x = get(image + i * a.x_row + j * a.x_column + c);
              // The first of them is the largest so far; then what is larger, or no number behind numbers.
              const lanes at = set(k), next = select(no_number(x), at, select(less(most, x), at, place));
              place = select(no_number(most), place, next);
              most = larger_or_none(most, x);
            }
          const lanes d = get(dy + c);
          k = static_cast<float>((row - rows.first) * (columns.last - columns.first));
          for (std::int64_t j = columns.first; j < columns.last; ++j, ++k) {
            float* const sum = sums + j * a.channels + c;
            put(sum, add(get(sum), select(less(abs(sub(place, set(k))), set(0.5f)), d, zero())));
          }
        });
      }
    }
    T* const dx = a.dx + r / a.height * a.dx_image + row * a.dx_row;
    for (std::int64_t j = 0; j < a.width; ++j) {
      const float* const sum = sums + j * a.channels;
      write_row<false>(dx + j * a.dx_column, a.channels, a.streams, [&](std::int64_t c, auto get) { return get(sum + c); });
    }
  }
  if (a.streams) end_stream();
}

template <class T>
void average_gradient_rows(const pooling_arguments<T>& a, std::int64_t first, std::int64_t last, const worker& w) {
  auto* const pixels = reinterpret_cast<weighed_pixel<T>*>(w.scratch);  // of the windows that cover one of dx
  for (std::int64_t r = first; r < last; ++r) {
    const std::int64_t row = r % a.height;
    const T* const image = a.dy + r / a.height * a.dy_image;
    const span_of windows = covering(a.options, 0, row, a.rows);
    for (std::int64_t j = 0; j < a.width; ++j) {
      const span_of across = covering(a.options, 1, j, a.columns);
      std::int64_t n = 0;
      for (std::int64_t h = windows.first; h < windows.last; ++h)
        for (std::int64_t k = across.first; k < across.last; ++k)
          pixels[n++] = {image + h * a.dy_row + k * a.dy_column, share_of(a.options, covered(a.options, 0, h, a.height), covered(a.options, 1, k, a.width))};
      T* const dx = a.dx + r / a.height * a.dx_image + row * a.dx_row + j * a.dx_column;
      write_row<std::is_same_v<T, bf16>>(dx, a.channels, a.streams, [&](std::int64_t c, auto get) {
        lanes s = zero();
        for (std::int64_t k = 0; k < n; ++k) s = fma(get(pixels[k].channels + c), set(pixels[k].share), s);
        return s;
      });
    }
  }
  if (a.streams) end_stream();
}
