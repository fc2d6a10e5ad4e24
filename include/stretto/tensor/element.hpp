// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What tensors hold: double, float, bf16, fp16 and integers. bf16 and fp16 are two bytes that are widened to float before
// anything is done with them, and rounded once when a result is put away.
//
//     bits   sign  exponent  fraction     largest    smallest normal   steps at 1
//     bf16     1      8         7         3.4e38         1.2e-38          1/128
//     fp16     1      5        10         65504          6.1e-5           1/1024
// Rounding is to the nearest, to even where two are as near; what is no number stays so. Cost: a few instructions; the
// operations on tensors convert many at once.
// Source: IEEE 754-2019 for fp16 and the rounding.
#pragma once

#include <bit>
#include <cstdint>
#include <string_view>
#include <type_traits>

namespace stretto::inline v0 {

struct bf16 {
  std::uint16_t bits;

  bf16() = default;
  constexpr explicit bf16(float f) : bits(round(f)) {}
  constexpr operator float() const { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }

  static constexpr std::uint16_t round(float f) {
    const auto b = std::bit_cast<std::uint32_t>(f);
    if ((b & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>(b >> 16 | 0x40u);
    return static_cast<std::uint16_t>((b + 0x7fffu + (b >> 16 & 1u)) >> 16);
  }
};

struct fp16 {
  std::uint16_t bits;

  fp16() = default;
  constexpr explicit fp16(float f) : bits(round(f)) {}
  constexpr operator float() const {
    const std::uint32_t sign = static_cast<std::uint32_t>(bits & 0x8000u) << 16, exponent = bits >> 10 & 31u, fraction = bits & 0x3ffu;
    if (exponent == 31) return std::bit_cast<float>(sign | 0x7f800000u | fraction << 13 | (fraction != 0 ? 0x400000u : 0u));
    if (exponent != 0) return std::bit_cast<float>(sign | (exponent + 112) << 23 | fraction << 13);
    const float below = static_cast<float>(fraction) * 0x1p-24f;
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(below));
  }

  static constexpr std::uint16_t round(float f) {
    const auto b = std::bit_cast<std::uint32_t>(f);
    const std::uint32_t sign = b >> 16 & 0x8000u, size = b & 0x7fffffffu;
    if (size > 0x7f800000u) return static_cast<std::uint16_t>(sign | 0x7e00u | (size >> 13 & 0x3ffu));
    if (size >= 0x477ff000u) return static_cast<std::uint16_t>(sign | 0x7c00u);  // from 65520 on
    if (size < 0x38800000u) {  // below the smallest normal: adding 0.5 leaves the fraction in the last bits
      const float shifted = std::bit_cast<float>(size) + 0.5f;
      return static_cast<std::uint16_t>(sign | (std::bit_cast<std::uint32_t>(shifted) - 0x3f000000u));
    }
    return static_cast<std::uint16_t>(sign | ((size - 0x38000000u + 0xfffu + (size >> 13 & 1u)) >> 13));
  }
};

enum class element_type : std::uint8_t { float64, float32, bfloat16, float16, int64, int32, int16, int8, uint16, uint8, boolean };

/// What is known of a type that tensors may hold.
template <class T>
struct element_traits {
  static constexpr bool known = false;
};

namespace detail {

template <element_type Type, class Computes>
struct known_element {
  static constexpr bool known = true;
  static constexpr element_type type = Type;
  using computes = Computes;  ///< what operations work in
};

}  // namespace detail

template <> struct element_traits<double> : detail::known_element<element_type::float64, double> {};
template <> struct element_traits<float> : detail::known_element<element_type::float32, float> {};
template <> struct element_traits<bf16> : detail::known_element<element_type::bfloat16, float> {};
template <> struct element_traits<fp16> : detail::known_element<element_type::float16, float> {};
template <> struct element_traits<std::int64_t> : detail::known_element<element_type::int64, std::int64_t> {};
template <> struct element_traits<std::int32_t> : detail::known_element<element_type::int32, std::int32_t> {};
template <> struct element_traits<std::int16_t> : detail::known_element<element_type::int16, std::int16_t> {};
template <> struct element_traits<std::int8_t> : detail::known_element<element_type::int8, std::int8_t> {};
template <> struct element_traits<std::uint16_t> : detail::known_element<element_type::uint16, std::uint16_t> {};
template <> struct element_traits<std::uint8_t> : detail::known_element<element_type::uint8, std::uint8_t> {};
template <> struct element_traits<bool> : detail::known_element<element_type::boolean, bool> {};

/// A type that tensors may hold.
template <class T>
concept element = element_traits<std::remove_const_t<T>>::known;

/// Of those, one with fractions: what has gradients.
template <class T>
concept real_element = element<T> && (std::is_same_v<typename element_traits<std::remove_const_t<T>>::computes, float> ||
                                      std::is_same_v<typename element_traits<std::remove_const_t<T>>::computes, double>);

/// float for float, bf16 and fp16, double for double: what operations work in, and what norms and sums are given in.
template <class T>
using computes_in = typename element_traits<std::remove_const_t<T>>::computes;

constexpr std::string_view element_name(element_type t) {
  constexpr std::string_view names[] = {"fp64", "fp32", "bf16", "fp16", "int64", "int32", "int16", "int8", "uint16", "uint8", "bool"};
  return names[static_cast<int>(t)];
}

}  // namespace stretto::inline v0
