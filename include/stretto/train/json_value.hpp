// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A JSON value: null, true or false, a number, a string, an array or an object. json.hpp reads and writes it.
//
//     json j = json::object();
//     j.set("step", 12).set("rate", 1e-3).set("shape", json::array().push_back(2).push_back(3));
//     j.at("step").integer()  ->  12        j.find("seed")  ->  nullptr
// A number is an integer of 64 bits where the text has one that fits, and a double otherwise; number() takes both. Members
// of an object stay in their order. Cost: 56 bytes a value and its strings; a member is found in linear time.
// Source: RFC 8259, The JavaScript Object Notation data interchange format, 2017.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <type_traits>
#include <variant>
#include <vector>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>

namespace stretto::inline v0 {

class json;

namespace detail {

/// What a file says, fit for a sentence: on one row, in ASCII, and not too long.
inline text fit_to_print(std::string_view s, unsigned most = 60) {
  text t;
  for (unsigned i = 0; i < s.size() && i < most; ++i) t.add(s[i] >= ' ' && s[i] <= '~' ? s[i] : '?');
  if (s.size() > most) t.add("...");
  return t;
}

/// How many bytes the character of UTF-8 at `i` has, 0 where there is none.
inline unsigned utf8_bytes(std::string_view s, std::size_t i) {
  const auto byte = [&](std::size_t k) { return static_cast<unsigned>(k < s.size() ? static_cast<unsigned char>(s[k]) : 0u); };
  const auto more = [&](std::size_t k) { return (byte(k) & 0xc0u) == 0x80u; };
  const unsigned a = byte(i), b = byte(i + 1);
  if (a < 0x80u) return i < s.size() ? 1 : 0;
  if (a >= 0xc2u && a <= 0xdfu) return more(i + 1) ? 2 : 0;
  if (a >= 0xe0u && a <= 0xefu) return more(i + 1) && more(i + 2) && !(a == 0xe0u && b < 0xa0u) && !(a == 0xedu && b > 0x9fu) ? 3 : 0;
  if (a >= 0xf0u && a <= 0xf4u)
    return more(i + 1) && more(i + 2) && more(i + 3) && !(a == 0xf0u && b < 0x90u) && !(a == 0xf4u && b > 0x8fu) ? 4 : 0;
  return 0;
}

}  // namespace detail

enum class json_kind : std::uint8_t { null, boolean, integer, real, string, array, object };

constexpr std::string_view json_kind_name(json_kind k) {
  constexpr std::string_view names[] = {"null", "boolean", "integer", "fraction", "string", "array", "object"};
  return names[static_cast<int>(k)];
}

class json {
 public:
  json() = default;
  /// 64 bits without a sign don't fit: make them a string.
  template <class T>
    requires(std::is_floating_point_v<T> || (std::is_integral_v<T> && (std::is_signed_v<T> || sizeof(T) < 8)))
  json(T v) {
    if constexpr (std::is_same_v<T, bool>)
      value_ = v;
    else if constexpr (std::is_integral_v<T>)
      value_ = static_cast<std::int64_t>(v);
    else
      value_ = static_cast<double>(v);
  }
  json(std::string v) : value_(std::move(v)) {}
  json(std::string_view v) : value_(std::string(v)) {}
  json(const char* v) : value_(std::string(v)) {}

  static json array() { return json(list{}); }
  static json object() { return json(members{}); }

  json_kind kind() const { return static_cast<json_kind>(value_.index()); }
  bool is(json_kind k) const { return kind() == k; }

  // What a value holds. Each throws stretto::error where it is of another kind.
  bool boolean() const { return get<bool>(json_kind::boolean); }
  std::int64_t integer() const { return get<std::int64_t>(json_kind::integer); }
  double number() const { return is(json_kind::integer) ? static_cast<double>(integer()) : get<double>(json_kind::real); }
  const std::string& string() const { return get<std::string>(json_kind::string); }
  /// The values of an array, or of an object in the order of its names.
  const std::vector<json>& values() const { return is(json_kind::object) ? get<members>(json_kind::object).values : get<list>(json_kind::array).values; }
  const std::vector<std::string>& names() const { return get<members>(json_kind::object).names; }

  /// The member of an object, nullptr where there is none.
  const json* find(std::string_view name) const {
    const members& m = get<members>(json_kind::object);
    for (std::size_t i = 0; i < m.names.size(); ++i)
      if (m.names[i] == name) return &m.values[i];
    return nullptr;
  }
  const json& at(std::string_view name) const {
    const json* found = find(name);
    if (found == nullptr) throw error(text("stretto: a JSON object has no member '", detail::fit_to_print(name), "', which is asked for; add it").str());
    return *found;
  }

  /// Adds a member, or replaces the one of that name. What was null becomes an object.
  json& set(std::string_view name, json value) {
    if (is(json_kind::null)) value_ = members{};
    if (const json* found = find(name); found != nullptr) {
      *const_cast<json*>(found) = std::move(value);
      return *this;
    }
    return append(std::string(name), std::move(value));
  }
  /// Adds a member whose name isn't there yet, in constant time.
  json& append(std::string name, json value) {
    get<members>(json_kind::object);
    members& m = std::get<members>(value_);
    m.names.push_back(std::move(name));
    m.values.push_back(std::move(value));
    return *this;
  }
  /// Adds to an array. What was null becomes one.
  [[gnu::noinline]] json& push_back(json value) {  // inlined, g++ 12 takes parts of a number for uninitialized
    if (is(json_kind::null)) value_ = list{};
    get<list>(json_kind::array);
    std::get<list>(value_).values.push_back(std::move(value));
    return *this;
  }

  friend bool operator==(const json& a, const json& b) { return a.same(b); }

 private:
  struct list {
    std::vector<json> values;
  };
  struct members {
    std::vector<std::string> names;
    std::vector<json> values;
  };
  explicit json(list v) : value_(std::move(v)) {}
  explicit json(members v) : value_(std::move(v)) {}

  template <class T>
  const T& get(json_kind asked) const {
    if (const T* held = std::get_if<T>(&value_)) return *held;
    throw error(text("stretto: a JSON value is of kind ", json_kind_name(kind()), " where one of kind ", json_kind_name(asked), " is asked for; correct the value").str());
  }
  bool same(const json& o) const {
    if (kind() != o.kind()) return false;
    switch (kind()) {
      case json_kind::null: return true;
      case json_kind::boolean: return boolean() == o.boolean();
      case json_kind::integer: return integer() == o.integer();
      case json_kind::real: return !(number() < o.number()) && !(o.number() < number());
      case json_kind::string: return string() == o.string();
      case json_kind::array: return values() == o.values();
      default: return names() == o.names() && values() == o.values();
    }
  }

  std::variant<std::monostate, bool, std::int64_t, double, std::string, list, members> value_;
};

}  // namespace stretto::inline v0
