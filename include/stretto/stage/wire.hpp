// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the library asks of a type that crosses a boundary between layers, and so perhaps a wire between ranks:
// wire_traits<T>. Numbers, arrays of them, values<T>, and tuples of such have theirs here; for a type of your own,
// specialise it.
//
//     using gradient            the type of its gradient; nothing where it has none: integers, masks
//     gradient_like(value)      a gradient that fits `value` in its largest shape
// Threads hand the object itself over, so nothing else is asked of it. Cost: none, it is read when the program compiles.
#pragma once

#include <array>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>

#include <stretto/stage/values.hpp>

namespace stretto::inline v0 {

/// Nothing crosses here: the input of a layer that reads feeds alone, the gradient of what has none.
struct nothing {};

namespace detail {

template <class T>
inline constexpr bool is_real = std::is_floating_point_v<T>;
template <class T, std::size_t N>
inline constexpr bool is_real<std::array<T, N>> = is_real<T>;

}  // namespace detail

template <class T>
struct wire_traits {
  static_assert(std::is_trivially_copyable_v<T>,
                "stretto: a type at a boundary is trivially copyable, values<T>, a tuple of such, or has wire_traits of its own; specialise stretto::wire_traits");
  using gradient = std::conditional_t<detail::is_real<T>, T, nothing>;

  static gradient gradient_like(const T&) { return gradient{}; }
};

template <>
struct wire_traits<nothing> {
  using gradient = nothing;

  static nothing gradient_like(const nothing&) { return {}; }
};

template <class T>
struct wire_traits<values<T>> {
  using gradient = std::conditional_t<std::is_floating_point_v<T>, values<T>, nothing>;

  static gradient gradient_like(const values<T>& value) {
    if constexpr (std::is_floating_point_v<T>)
      return values<T>(value.room());
    else
      return nothing{};
  }
};

template <class... Ts>
struct wire_traits<std::tuple<Ts...>> {
  using gradient = std::tuple<typename wire_traits<Ts>::gradient...>;

  static gradient gradient_like(const std::tuple<Ts...>& value) {
    return std::apply([](const Ts&... each) { return gradient(wire_traits<Ts>::gradient_like(each)...); }, value);
  }
};

/// The type of the gradient of what crosses a boundary.
template <class T>
using gradient_of = typename wire_traits<T>::gradient;

}  // namespace stretto::inline v0
