// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// How weights begin: by counting, keyed by seed, layer and place, so that they don't hang on ranks or on the order in which
// layers are made.
//
//     begin_normal(w.data(), w.size(), {.seed = 1, .layer = 7}, 0.02)      a normal distribution of that deviation
// Source: Box and Muller, A note on the generation of random normal deviates, 1958.
#pragma once

#include <cmath>
#include <cstdint>

#include <stretto/core/random.hpp>
#include <stretto/tensor/tensor.hpp>

namespace stretto::inline v0 {

/// Which numbers are meant. Each matrix of a layer is a stream of its own.
struct begin_key {
  std::uint32_t seed = 0;
  std::uint32_t layer = 0;
  std::uint32_t matrix = 0;
};

/// Fills a tensor of any device with what write(first, count) puts into the CPU's memory.
template <class T, int Rank, class Space, class Write>
void begin_with(const tensor<T, Rank, Space>& t, Write&& write) {
  if constexpr (Space::reachable) {
    write(t.data(), t.size());
  } else {
    tensor<T, 1> here(shape<1>{{t.size()}});
    write(here.data(), here.size());
    Space::copy(t.data(), here.data(), t.size() * static_cast<std::int64_t>(sizeof(T)));
  }
}

/// A normal distribution around 0.
template <class T>
void begin_normal(T* to, std::int64_t count, const begin_key& key, double deviation) {
  const random_stream r{key.seed, 0x80000000u, key.matrix, key.layer};  // no step is as late as that
  constexpr double turn = 6.283185307179586;
  for (std::int64_t i = 0; i < count; i += 2) {
    const double u = (static_cast<double>(r.bits(i)) + 1) / 4294967296.0, angle = turn * (static_cast<double>(r.bits(i + 1)) / 4294967296.0);
    const double reach = std::sqrt(-2 * std::log(u)) * deviation;
    to[i] = static_cast<T>(reach * std::cos(angle));
    if (i + 1 < count) to[i + 1] = static_cast<T>(reach * std::sin(angle));
  }
}

template <class T, int Rank, class Space>
void begin_normal(const tensor<T, Rank, Space>& t, const begin_key& key, double deviation) {
  begin_with(t, [&](T* first, std::int64_t count) { begin_normal(first, count, key, deviation); });
}

}  // namespace stretto::inline v0
