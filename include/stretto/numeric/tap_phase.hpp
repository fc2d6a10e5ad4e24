// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// tap_phase: places along an axis of an image that see the same taps of a convolution's kernel, and where these fall.
//
//     forward    places are outputs, taps fall on inputs:     input  = output · stride - padding + tap · dilation
//     backward   places are inputs, taps fall on outputs:     output = (input + padding - tap · dilation) / stride
// Backward, a tap falls on an output only where the division comes out even. So inputs are taken in phases: those every
// stride apart, which all see the same taps. With that both are place · factor + offset + tap · step. Here, too, is what
// convolutions of every device check. Cost: a few divisions.
#pragma once

#include <stretto/numeric/convolution.hpp>

namespace stretto::inline v0 {

struct tap_phase {
  std::int64_t first, stride, count;      ///< places: first, first + stride, …
  std::int64_t tap, tap_stride, taps;     ///< of the kernel likewise
  std::int64_t factor, offset, step;      ///< the k-th tap of the p-th place falls on p · factor + offset + k · step
};

namespace detail {

/// All outputs, and all taps.
inline tap_phase forward_phase(const convolution_options& o, int axis, std::int64_t outputs, std::int64_t kernel) {
  return {0, 1, outputs, 0, 1, kernel, o.stride[axis], -o.padding[axis], o.dilation[axis]};
}

/// Inputs from `first` on, which is less than the stride.
inline tap_phase backward_phase(const convolution_options& o, int axis, std::int64_t inputs, std::int64_t kernel, std::int64_t first) {
  const std::int64_t s = o.stride[axis], d = o.dilation[axis], at = first + o.padding[axis];
  std::int64_t common = s, rest = d % s, tap = 0;  // the largest number that divides s and d
  while (rest != 0) {
    const std::int64_t left = common % rest;
    common = rest, rest = left;
  }
  const std::int64_t next = s / common, several = next < kernel ? next : kernel;
  while (tap < several && (at - tap * d) % s != 0) ++tap;  // what isn't among the first `next` never comes
  const std::int64_t taps = tap < several ? (kernel - tap + next - 1) / next : 0;
  return {first, s, first < inputs ? (inputs - first + s - 1) / s : 0, tap, next, taps, 1, taps > 0 ? (at - tap * d) / s : 0, -(next * d / s)};
}

/// Calls f(down, across) for all phases of the inputs.
template <class F>
void each_phase(const convolution_options& o, const shape<4>& x, const shape<4>& weight, F f) {
  for (std::int64_t i = 0; i < o.stride[0] && i < x[1]; ++i) {
    const tap_phase down = backward_phase(o, 0, x[1], weight[1], i);
    for (std::int64_t j = 0; j < o.stride[1] && j < x[2]; ++j) f(down, backward_phase(o, 1, x[2], weight[2], j));
  }
}

/// Throws where weights or y don't go with x.
inline void check_convolution(const char* operation, const shape<4>& x, const shape<4>& weight, const shape<4>& y, const convolution_options& o) {
  o.check(operation);
  if (!depthwise(x[3], weight) && weight[3] != x[3])
    throw error(text("stretto: ", operation, " of ", x[3], " channels can't take weights of shape ", weight.words().str(), "; give (out, height, width, ", x[3], "), or (", x[3],
                     ", height, width, 1) for each channel by itself").str());
  const shape<4> s = convolved(x, weight, o);
  if (y != s) throw error(text("stretto: ", operation, " of images of shape ", x.words().str(), " gives shape ", s.words().str(), ", not ", y.words().str(), "; correct it").str());
}
inline void check_room(const char* operation, std::int64_t has, std::int64_t needs) {
  if (has < needs) throw error(text("stretto: ", operation, " needs room for ", needs, " numbers, and was given ", has, "; give it as much as convolution_room says").str());
}

/// Nothing is gathered.
inline bool pointwise(const shape<4>& weight, const convolution_options& o) {
  return weight[1] == 1 && weight[2] == 1 && o.stride[0] == 1 && o.stride[1] == 1 && o.padding[0] == 0 && o.padding[1] == 0;
}

/// A matrix with one row a pixel.
template <class T, class Space>
bool has_even_rows(const tensor_view<T, 4, Space>& m) {
  return m.stride(1) == m.stride(2) * m.extent(2) && (m.extent(0) == 1 || m.stride(0) == m.stride(1) * m.extent(1));
}

}  // namespace detail
}  // namespace stretto::inline v0
