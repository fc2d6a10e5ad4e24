// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the library asks of a type that crosses a boundary between layers, and so perhaps a wire between ranks:
// wire_traits<T>. Numbers, arrays of them, values<T>, and tuples of such have theirs here; for a type of your own,
// specialise it.
//
//     using gradient            the type of its gradient; nothing where it has none: integers, masks
//     gradient_like(value)      a gradient that fits `value` in its largest shape
//     parts(value, visit)       visit(pointer, bytes) for each run of bytes that it holds now, in a fixed order
//     refit(value, counts)      makes value's shape that of `counts`, as count_parts told it; no memory is asked for
// Threads hand the object itself over and use none of the last two.
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
  static void parts(auto& value, auto&& visit) { visit(&value, static_cast<std::int64_t>(sizeof value)); }
  static constexpr int counts = 0;  ///< numbers that describe its shape
  static void count_parts(const T&, std::int64_t*) {}
  static void refit(T&, const std::int64_t*) {}
};

template <>
struct wire_traits<nothing> {
  using gradient = nothing;

  static nothing gradient_like(const nothing&) { return {}; }
  static void parts(auto&, auto&&) {}
  static constexpr int counts = 0;
  static void count_parts(const nothing&, std::int64_t*) {}
  static void refit(nothing&, const std::int64_t*) {}
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
  static void parts(auto& value, auto&& visit) { visit(value.data(), value.size() * static_cast<std::int64_t>(sizeof(T))); }
  static constexpr int counts = 1;
  static void count_parts(const values<T>& value, std::int64_t* out) { *out = value.size(); }
  static void refit(values<T>& value, const std::int64_t* from) { value.resize(*from); }
};

template <class... Ts>
struct wire_traits<std::tuple<Ts...>> {
  using gradient = std::tuple<typename wire_traits<Ts>::gradient...>;

  static gradient gradient_like(const std::tuple<Ts...>& value) {
    return std::apply([](const Ts&... each) { return gradient(wire_traits<Ts>::gradient_like(each)...); }, value);
  }
  static void parts(auto& value, auto&& visit) {
    std::apply([&](auto&... each) { (wire_traits<std::remove_cvref_t<decltype(each)>>::parts(each, visit), ...); }, value);
  }
  static constexpr int counts = (wire_traits<Ts>::counts + ... + 0);
  static void count_parts(const std::tuple<Ts...>& value, std::int64_t* out) {
    std::apply([&](const Ts&... each) { ((wire_traits<Ts>::count_parts(each, out), out += wire_traits<Ts>::counts), ...); }, value);
  }
  static void refit(std::tuple<Ts...>& value, const std::int64_t* from) {
    std::apply([&](Ts&... each) { ((wire_traits<Ts>::refit(each, from), from += wire_traits<Ts>::counts), ...); }, value);
  }
};

/// The type of the gradient of what crosses a boundary.
template <class T>
using gradient_of = typename wire_traits<T>::gradient;

}  // namespace stretto::inline v0
