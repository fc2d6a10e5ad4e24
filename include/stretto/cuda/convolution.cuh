// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Convolution in two dimensions on a CUDA device: images (images, height, width, channels), weights (out, height, width, in).
//
//     const convolution_options o{.stride = {2, 2}, .padding = {1, 1}};
//     tensor<bf16, 1, cuda::memory> room({convolution_room<bf16>(q, x.extents(), w.extents(), o)});
//     convolution(q, x, w, bias, y, room, o);                                   y: convolved(x.extents(), w.extents(), o)
//     convolution_backward_input(q, w, dy, dx, room, o);                        writes dx
//     convolution_backward_weight(q, x, dy, dw, dbias, room, o);                adds to dw and dbias, which are float
// bias and dbias may be {}. As on the CPU, what a kernel sees of its places is gathered into rows of `room`, up to 32 MiB of them
// at a time, which a product takes; kernels of 1 by 1 need no gathering. The input's gradient is made likewise in phases of the
// stride (numeric/tap_phase.hpp), nobody adds to what another writes, and gradients of weights are added by the products, in
// float, in the order of the places. Weights with in = 1 and as many out as channels convolve each channel by itself.
// Cost: of each a product of places × (kernel × in) × out, and the gathered rows written and read once.
#pragma once

#include <stretto/cuda/add.cuh>
#include <stretto/cuda/kernels/convolution.cuh>
#include <stretto/cuda/kernels/norm_backward.cuh>  // add_weight_parts
#include <stretto/cuda/matrix_product.cuh>

namespace stretto::inline v0::cuda {

namespace detail {

/// Rows that are gathered at a time hang on the shape alone, and with them the order of sums over places.
template <class T>
std::int64_t places_at_once(std::int64_t gathered, std::int64_t all) {
  constexpr std::int64_t bytes = 32 << 20;
  const std::int64_t fit = bytes / (gathered * static_cast<std::int64_t>(sizeof(T)) + 1) / 128 * 128, most = fit > 128 ? fit : 128;
  return most < all ? most : all;
}
/// Parts of the room begin at lines of memory.
inline std::int64_t in_room(std::int64_t rows, std::int64_t columns) { return (shape<2>{{rows, columns}}.count() + 63) / 64 * 64; }

template <class T>
std::int64_t forward_room(const shape<4>& x, const shape<4>& weight, const convolution_options& o) {
  const shape<4> y = convolved(x, weight, o);
  const std::int64_t gathered = weight[1] * weight[2] * weight[3];
  return depthwise(x[3], weight) ? 0 : in_room(places_at_once<T>(gathered, shape<3>{{y[0], y[1], y[2]}}.count()), gathered);
}

/// For the weights in another order, products that become pixels that are apart, and what is gathered.
template <class T>
std::int64_t backward_room(const shape<4>& x, const shape<4>& weight, const convolution_options& o) {
  std::int64_t most = 0;
  stretto::detail::each_phase(o, x, weight, [&](const tap_phase& down, const tap_phase& across) {
    const std::int64_t gathered = down.taps * across.taps * weight[0], places = places_at_once<T>(gathered, x[0] * down.count * across.count);
    const std::int64_t needs = in_room(gathered, weight[3]) + in_room(places, gathered) + (o.stride[0] * o.stride[1] > 1 ? in_room(places, weight[3]) : 0);
    most = needs > most ? needs : most;
  });
  return depthwise(x[3], weight) ? 0 : most;
}

template <class Unit, class T, class Space>
unit_images<Unit> units_of(const tensor_view<T, 4, Space>& x) {
  constexpr std::int64_t each = static_cast<std::int64_t>(sizeof(Unit)) / static_cast<std::int64_t>(sizeof(T));
  return {reinterpret_cast<Unit*>(const_cast<std::remove_const_t<T>*>(x.data())), x.stride(0) / each, x.stride(1) / each, x.stride(2) / each, x.extent(1), x.extent(2), x.extent(3) / each};
}
/// All pixels begin and end at sixteen bytes.
template <class T, class Space>
bool pixels_in_lines(const tensor_view<T, 4, Space>& x) {
  using U = std::remove_const_t<T>;
  return in_lines<U>(static_cast<const U*>(x.data()), x.stride(0), x.stride(1)) && x.stride(2) % in_line<U> == 0 && x.extent(3) % in_line<U> == 0;
}

/// Gathers rows, or puts them away (rows may be {}), in lines or numbers.
template <bool Puts, class Runtime, class T>
STRETTO_OPERATION void move_places(basic_queue<Runtime>& q, const char* operation, const tensor_view<T, 4, basic_memory<Runtime>>& x, const tap_phase& down, const tap_phase& across,
                                   const tensor_view<std::remove_const_t<T>, 2, basic_memory<Runtime>>& rows, std::int64_t first, std::int64_t places) {
  const auto move = [&](auto unit) {
    using Unit = decltype(unit);
    const place_rows_arguments<Unit> a{down, across, units_of<Unit>(x), reinterpret_cast<Unit*>(rows.data()), first, places};
    const std::int64_t all = places * (Puts ? 1 : down.taps * across.taps) * a.x.pixel;
    if constexpr (Puts) q.launch(operation, put_places<Unit>, {.blocks = row_blocks(all, each_threads), .threads = each_threads}, a, reads_of(rows), writes_of(x));
    else q.launch(operation, gather_taps<Unit>, {.blocks = row_blocks(all, 4 * each_threads), .threads = each_threads}, a, reads_of(x), writes_of(rows));
  };
  using number = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint16_t>;
  if (pixels_in_lines(x) && reinterpret_cast<std::uintptr_t>(rows.data()) % 16 == 0) move(uint4{});
  else move(number{});
}

/// Calls multiply(rows that were gathered, first place, count) until all places are done.
template <class Runtime, class T, class Multiply>
STRETTO_OPERATION void gather_and(basic_queue<Runtime>& q, const char* operation, const tensor_view<const T, 4, basic_memory<Runtime>>& x, const tap_phase& down, const tap_phase& across, T* room,
                Multiply multiply) {
  const std::int64_t gathered = down.taps * across.taps * x.extent(3), all = x.extent(0) * down.count * across.count, at_once = places_at_once<T>(gathered, all);
  for (std::int64_t first = 0; first < all; first += at_once) {
    const std::int64_t n = first + at_once < all ? at_once : all - first;
    const tensor_view<T, 2, basic_memory<Runtime>> rows(room, {{n, gathered}});
    move_places<false, Runtime, const T>(q, operation, x, down, across, rows, first, n);
    multiply(rows, first, n);
  }
}

template <class Runtime, class T>
STRETTO_OPERATION void turn_weights_of(basic_queue<Runtime>& q, const device_reads<Runtime, T, 4>& weight, const tap_phase& down, const tap_phase& across,
                                       const tensor_view<T, 2, basic_memory<Runtime>>& to) {
  const auto turn = [&](auto unit) {
    using Unit = decltype(unit);
    constexpr std::int64_t each = static_cast<std::int64_t>(sizeof(Unit)) / static_cast<std::int64_t>(sizeof(T));
    const turn_weights_arguments<Unit> a{down, across, reinterpret_cast<const Unit*>(weight.data()), {weight.extent(1), weight.extent(2)}, weight.extent(0), weight.extent(3) / each,
                                         reinterpret_cast<Unit*>(to.data())};
    q.launch("convolution_backward_input", turn_weights<Unit>, {.blocks = row_blocks(to.size() / each, each_threads), .threads = each_threads}, a, reads_of(weight), writes_of(to));
  };
  using number = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint16_t>;
  if (pixels_in_lines(weight) && reinterpret_cast<std::uintptr_t>(to.data()) % 16 == 0) turn(uint4{});
  else turn(number{});
}

/// Each channel by itself: y from x, or dx from dy.
template <class Runtime, class T>
STRETTO_OPERATION void each_channel(basic_queue<Runtime>& q, const char* operation, const device_reads<Runtime, T, 4>& x, const device_reads<Runtime, T, 4>& weight,
                                    const device_reads<Runtime, T, 1>& bias, const tensor_view<T, 4, basic_memory<Runtime>>& y, const tap_phase& down, const tap_phase& across) {
  const depthwise_arguments<T> a{down, across, units_of<const T>(x), units_of<T>(y), x.extent(0), x.extent(3), {weight.extent(1), weight.extent(2)}, weight.data(), bias.data(), 0, nullptr};
  const bool lines = pixels_in_lines(x) && pixels_in_lines(y);
  const std::int64_t all = a.images * down.count * across.count * (a.channels / (lines ? in_line<T> : 1));
  q.launch(operation, lines ? depthwise_rows<in_line<T>, T> : depthwise_rows<1, T>, {.blocks = row_blocks(all, each_threads), .threads = each_threads}, a, reads_of(x, weight, bias), writes_of(y));
}

}  // namespace detail

/// The numbers of room that a convolution and its gradients need.
template <class T, class Runtime>
std::int64_t convolution_room(const basic_queue<Runtime>&, const shape<4>& x, const shape<4>& weight, const convolution_options& o = {}) {
  o.check("convolution_room");
  const std::int64_t forward = detail::forward_room<T>(x, weight, o), backward = detail::backward_room<T>(x, weight, o);
  return forward > backward ? forward : backward;
}

template <class Runtime, class T>
STRETTO_OPERATION void convolution(basic_queue<Runtime>& q, device_reads<Runtime, T, 4> x, device_reads<Runtime, T, 4> weight, device_reads<Runtime, T, 1> bias,
                                   const tensor_view<T, 4, basic_memory<Runtime>>& y, device_writes<Runtime, T, 1> room, const convolution_options& o = {}) {
  detail::check_row_type<T>();
  constexpr const char* operation = "convolution";
  const shape<4> w = weight.extents();
  stretto::detail::check_convolution(operation, x.extents(), w, y.extents(), o);
  stretto::detail::check_run(operation, "bias", bias, w[0], "channel", true);
  const auto flat = weight.template shaped<2>(shape<2>{{w[0], w[1] * w[2] * w[3]}});
  const tap_phase down = stretto::detail::forward_phase(o, 0, y.extent(1), w[1]), across = stretto::detail::forward_phase(o, 1, y.extent(2), w[2]);
  if (depthwise(x.extent(3), w)) return detail::each_channel<Runtime, T>(q, operation, x, weight, bias, y, down, across);
  const auto rows = y.matrix();
  if (stretto::detail::pointwise(w, o) && stretto::detail::has_even_rows(x)) return matrix_product(q, x.matrix(), transposed(flat), rows, {.bias = bias});
  stretto::detail::check_room(operation, room.size(), detail::forward_room<T>(x.extents(), w, o));
  detail::gather_and<Runtime, T>(q, operation, x, down, across, room.data(), [&](const auto& gathered, std::int64_t first, std::int64_t n) {
    matrix_product(q, gathered, transposed(flat), rows.rows(first, n), {.bias = bias});
  });
}

template <class Runtime, class T>
STRETTO_OPERATION void convolution_backward_input(basic_queue<Runtime>& q, device_reads<Runtime, T, 4> weight, device_reads<Runtime, T, 4> dy, const tensor_view<T, 4, basic_memory<Runtime>>& dx,
                                                  device_writes<Runtime, T, 1> room, const convolution_options& o = {}) {
  detail::check_row_type<T>();
  constexpr const char* operation = "convolution_backward_input";
  using matrix = tensor_view<T, 2, basic_memory<Runtime>>;
  const shape<4> w = weight.extents();
  stretto::detail::check_convolution(operation, dx.extents(), w, dy.extents(), o);
  const bool alone = depthwise(dx.extent(3), w), apart = o.stride[0] * o.stride[1] > 1;
  const auto flat = weight.template shaped<2>(shape<2>{{w[0], w[1] * w[2] * w[3]}});
  if (!alone && stretto::detail::pointwise(w, o) && stretto::detail::has_even_rows(dy)) return matrix_product(q, dy.matrix(), flat, dx.matrix());
  if (!alone) stretto::detail::check_room(operation, room.size(), detail::backward_room<T>(dx.extents(), w, o));
  stretto::detail::each_phase(o, dx.extents(), w, [&](const tap_phase& down, const tap_phase& across) {
    if (alone) return detail::each_channel<Runtime, T>(q, operation, dy, weight, {}, dx, down, across);
    const std::int64_t gathered = down.taps * across.taps * w[0], places = dx.extent(0) * down.count * across.count;
    if (gathered == 0) return detail::move_places<true, Runtime, T>(q, operation, dx, down, across, matrix{}, 0, places);
    // (tap, out, in) instead of (out, tap, in), in the order in which outputs are gathered.
    const matrix turned(room.data(), {{gathered, w[3]}});
    detail::turn_weights_of<Runtime, T>(q, weight, down, across, turned);
    T* const products = room.data() + detail::in_room(gathered, w[3]);
    T* const gathers = products + (apart ? detail::in_room(detail::places_at_once<T>(gathered, places), w[3]) : 0);
    detail::gather_and<Runtime, T>(q, operation, dy, down, across, gathers, [&](const auto& rows, std::int64_t first, std::int64_t n) {
      if (!apart) return matrix_product(q, rows, turned, dx.matrix().rows(first, n));
      const matrix pixels(products, {{n, w[3]}});
      matrix_product(q, rows, turned, pixels);
      detail::move_places<true, Runtime, T>(q, operation, dx, down, across, pixels, first, n);
    });
  });
}

template <class Runtime, class Dy>
STRETTO_OPERATION void convolution_backward_weight(basic_queue<Runtime>& q, device_reads<Runtime, std::remove_const_t<Dy>, 4> x, const tensor_view<Dy, 4, basic_memory<Runtime>>& dy,
                                                   device_writes<Runtime, float, 4> dweight, device_writes<Runtime, float, 1> dbias, device_writes<Runtime, std::remove_const_t<Dy>, 1> room,
                                                   const convolution_options& o = {}) {
  using T = std::remove_const_t<Dy>;
  detail::check_row_type<T>();
  constexpr const char* operation = "convolution_backward_weight";
  const shape<4> w = dweight.extents();
  stretto::detail::check_convolution(operation, x.extents(), w, dy.extents(), o);
  stretto::detail::check_run(operation, "dbias", dbias, w[0], "channel", true);
  const auto rows = dy.matrix();
  const auto flat = dweight.template shaped<2>(shape<2>{{w[0], w[1] * w[2] * w[3]}});
  const tap_phase down = stretto::detail::forward_phase(o, 0, dy.extent(1), w[1]), across = stretto::detail::forward_phase(o, 1, dy.extent(2), w[2]);
  if (depthwise(x.extent(3), w)) {
    const std::int64_t places = dy.extent(0) * dy.extent(1) * dy.extent(2), chunk = places > 64 * 1024 ? (places + 63) / 64 : 1024, parts = (places + chunk - 1) / chunk;
    if (parts > 0 && w.count() > 0) {
      const bool lines = detail::pixels_in_lines(x) && detail::pixels_in_lines(dy);
      float* const scratch = q.template scratch<float>(parts * w.count(), operation);
      const memory_run run{scratch, parts * w.count() * 4};
      const depthwise_arguments<T> a{down, across, detail::units_of<const T>(x), detail::units_of<T>(dy), x.extent(0), x.extent(3), {w[1], w[2]}, nullptr, nullptr, chunk, scratch};
      const std::int64_t band = 32 * (lines ? in_line<T> : 1), units = parts * w[1] * w[2] * ((a.channels + band - 1) / band);
      q.launch(operation, lines ? depthwise_weights<in_line<T>, T> : depthwise_weights<1, T>, {.blocks = detail::row_blocks(units, 1), .threads = 32 * depthwise_warps}, a, reads_of(x, dy), writes_of(run));
      q.launch(operation, add_weight_parts<float>, {.blocks = (w.count() + 31) / 32, .threads = 32 * part_groups}, add_parts_arguments{parts, w.count(), scratch, {flat.data(), nullptr}},
               reads_of(run), writes_of(flat));
    }
  } else if (stretto::detail::pointwise(w, o) && stretto::detail::has_even_rows(x)) {
    matrix_product(q, transposed(rows), x.matrix(), flat, {.accumulate = true});
  } else {
    stretto::detail::check_room(operation, room.size(), detail::forward_room<T>(x.extents(), w, o));
    detail::gather_and<Runtime, T>(q, operation, x, down, across, room.data(), [&](const auto& gathered, std::int64_t first, std::int64_t n) {
      matrix_product(q, transposed(rows.rows(first, n)), gathered, flat, {.accumulate = true});
    });
  }
  if (dbias.data() != nullptr) bias_gradient(q, rows, dbias);  // at the end: what was refused has added nothing
}

}  // namespace stretto::inline v0::cuda
