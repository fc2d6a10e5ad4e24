// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the library asks of a type that crosses a boundary between layers, and so perhaps a wire between ranks:
// wire_traits<T>. Numbers, arrays of them, values<T>, tensors, and tuples of such have theirs here; for a type of your own,
// specialise it, or give it a member `wire` that is one.
//
//     using gradient              the type of its gradient; nothing where it has none: integers, masks
//     gradient_like(value)        a gradient that fits `value` in its largest shape
//     bytes(value)                what a message of it carries now
//     assign(to, value)           asked for only where several layers take one skip connection: a copy that asks for no
//     add(gradient, more)         memory, and the sum of their gradients
//     cross(wire, value)          asked for only between processes: its numbers and runs of memory, see crossing.hpp
// Threads hand the object itself over, so nothing else is asked of it. Cost: none, it is read when the program compiles.
#pragma once

#include <array>
#include <cstdint>
#include <tuple>
#include <type_traits>
#include <utility>

#include <stretto/core/crossing.hpp>
#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/stage/values.hpp>
#include <stretto/tensor/tensor.hpp>

namespace stretto::inline v0 {

/// Nothing crosses here: the input of a layer that reads feeds alone, the gradient of what has none.
struct nothing {};

namespace detail {

template <class T>
inline constexpr bool is_real = std::is_floating_point_v<T>;
template <class T, std::size_t N>
inline constexpr bool is_real<std::array<T, N>> = is_real<T>;

template <class T>
  requires std::is_floating_point_v<T>
void add_real(T& to, const T& more) {
  to += more;
}
template <class T, std::size_t N>
void add_real(std::array<T, N>& to, const std::array<T, N>& more) {
  for (std::size_t i = 0; i < N; ++i) add_real(to[i], more[i]);
}

}  // namespace detail

template <class T>
struct wire_traits {
  static_assert(std::is_trivially_copyable_v<T>,
                "stretto: a type at a boundary is trivially copyable, values<T>, a tensor, a tuple of such, or has wire_traits of its own; specialise stretto::wire_traits");
  using gradient = std::conditional_t<detail::is_real<T>, T, nothing>;

  static gradient gradient_like(const T&) { return gradient{}; }
  static std::int64_t bytes(const T&) { return sizeof(T); }
  static void assign(T& to, const T& value) { to = value; }
  static void cross(crossing& w, T& value) { w.run(&value, static_cast<std::int64_t>(sizeof(T))); }
  static void add(T& to, const T& more)
    requires detail::is_real<T>
  {
    detail::add_real(to, more);
  }
};

/// A type may bring its traits along.
template <class T>
  requires requires { typename T::wire; }
struct wire_traits<T> : T::wire {};

template <>
struct wire_traits<nothing> {
  using gradient = nothing;

  static nothing gradient_like(const nothing&) { return {}; }
  static std::int64_t bytes(const nothing&) { return 0; }
  static void assign(nothing&, const nothing&) {}
  static void cross(crossing&, nothing&) {}
  static void add(nothing&, const nothing&) {}
};

template <class T>
struct wire_traits<values<T>> {
  using gradient = std::conditional_t<std::is_floating_point_v<T>, values<T>, nothing>;

  static gradient gradient_like(const values<T>& value) {
    if constexpr (std::is_floating_point_v<T>) return values<T>(value.room());
    else return nothing{};
  }
  static std::int64_t bytes(const values<T>& value) { return value.size() * static_cast<std::int64_t>(sizeof(T)); }
  static void assign(values<T>& to, const values<T>& value) { to.assign(value); }
  static void cross(crossing& w, values<T>& value) {
    std::int64_t size = value.size();
    w.number(size);
    value.resize(size);
    w.run(value.data(), size * static_cast<std::int64_t>(sizeof(T)));
  }
  static void add(values<T>& to, const values<T>& more) {
    if (to.size() != more.size())
      throw error(text("stretto: gradients of ", to.size(), " and of ", more.size(), " values can't be added; resize each to the size of the value it belongs to").str());
    for (std::int64_t i = 0; i < to.size(); ++i) to[i] += more[i];
  }
};

template <class T, int Rank, class Space>
struct wire_traits<tensor<T, Rank, Space>> {
  using gradient = std::conditional_t<real_element<T>, tensor<T, Rank, Space>, nothing>;

  static gradient gradient_like(const tensor<T, Rank, Space>& value) {
    if constexpr (real_element<T>) {
      shape<Rank> largest{};
      for (std::int64_t& e : largest.extent) e = 1;
      largest.extent[0] = value.room();
      tensor<T, Rank, Space> g(largest);
      g.reshape(value.extents());
      return g;
    } else {
      return nothing{};
    }
  }
  static std::int64_t bytes(const tensor<T, Rank, Space>& value) { return value.size() * static_cast<std::int64_t>(sizeof(T)); }
  static void assign(tensor<T, Rank, Space>& to, const tensor<T, Rank, Space>& value)
    requires(Space::reachable)
  {
    to.reshape(value.extents());
    for (std::int64_t i = 0; i < value.size(); ++i) to.data()[i] = value.data()[i];
  }
  static void cross(crossing& w, tensor<T, Rank, Space>& value) {
    shape<Rank> extents = value.extents();
    for (std::int64_t& e : extents.extent) w.number(e);
    value.reshape(extents);
    w.run(value.data(), value.size() * static_cast<std::int64_t>(sizeof(T)));
  }
  static void add(tensor<T, Rank, Space>& to, const tensor<T, Rank, Space>& more)
    requires(real_element<T> && Space::reachable)
  {
    if (to.extents() != more.extents())
      throw error(text("stretto: gradients of shape ", to.extents().words().str(), " and of ", more.extents().words().str(), " can't be added; reshape each to the shape of the value it belongs to").str());
    for (std::int64_t i = 0; i < to.size(); ++i) to.data()[i] = static_cast<T>(to.data()[i] + more.data()[i]);
  }
};

template <class... Ts>
struct wire_traits<std::tuple<Ts...>> {
  using whole = std::tuple<Ts...>;
  using gradient = std::tuple<typename wire_traits<Ts>::gradient...>;

  static gradient gradient_like(const whole& value) {
    return std::apply([](const Ts&... each) { return gradient(wire_traits<Ts>::gradient_like(each)...); }, value);
  }
  static std::int64_t bytes(const whole& value) {
    return std::apply([](const Ts&... each) { return (std::int64_t{0} + ... + wire_traits<Ts>::bytes(each)); }, value);
  }
  static void assign(whole& to, const whole& value) {
    [&]<std::size_t... I>(std::index_sequence<I...>) { (wire_traits<Ts>::assign(std::get<I>(to), std::get<I>(value)), ...); }(std::index_sequence_for<Ts...>{});
  }
  static void cross(crossing& w, whole& value)
    requires(requires(Ts& t) { wire_traits<Ts>::cross(w, t); } && ...)
  {
    std::apply([&](Ts&... each) { (wire_traits<Ts>::cross(w, each), ...); }, value);
  }
  static void add(whole& to, const whole& more)
    requires(requires(Ts& t) { wire_traits<Ts>::add(t, t); } && ...)
  {
    [&]<std::size_t... I>(std::index_sequence<I...>) { (wire_traits<Ts>::add(std::get<I>(to), std::get<I>(more)), ...); }(std::index_sequence_for<Ts...>{});
  }
};

/// The type of the gradient of what crosses a boundary.
template <class T>
using gradient_of = typename wire_traits<T>::gradient;

namespace detail {

template <class G>
inline constexpr bool is_gradient = !std::is_same_v<G, nothing>;
template <class... Gs>
inline constexpr bool is_gradient<std::tuple<Gs...>> = (is_gradient<Gs> || ...);

}  // namespace detail

namespace detail {

/// Whether an object that is made of nothing has room for what it is to hold.
template <class T>
inline constexpr bool fixed_size = true;
template <class T>
inline constexpr bool fixed_size<values<T>> = false;
template <class T, int Rank, class Space>
inline constexpr bool fixed_size<tensor<T, Rank, Space>> = false;
template <class... Ts>
inline constexpr bool fixed_size<std::tuple<Ts...>> = (fixed_size<Ts> && ...);

}  // namespace detail

/// Whether T has a gradient at all; where it hasn't, no message carries one.
template <class T>
inline constexpr bool has_gradient = detail::is_gradient<gradient_of<T>>;

}  // namespace stretto::inline v0
