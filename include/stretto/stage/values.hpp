// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// values<T>: a run of numbers whose count may change from one micro-batch to the next, up to a bound that is set once.
//
//     values<float> x(64);      room for 64, holds 64
//     x.resize(48);             holds 48; no memory is asked for
//     x.resize(65);             throws: "… 65 values don't fit a slot with room for 64; …"
// What crosses from stage to stage may be of this type. Cost: two numbers and a pointer; resize allocates nothing.
#pragma once

#include <cstdint>
#include <type_traits>

#include <stretto/core/array.hpp>
#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>

namespace stretto::inline v0 {

template <class T>
class values {
  static_assert(std::is_arithmetic_v<T>, "stretto: values holds numbers; give it an arithmetic type");

 public:
  values() = default;

  /// Holds `count` zeros, and has room for as many.
  explicit values(std::int64_t count) : all_(count, T{}), size_(count) {}

  values(const values&) = default;
  values(values&& other) noexcept : all_(static_cast<heap_array<T>&&>(other.all_)), size_(other.size_) { other.size_ = 0; }
  values& operator=(values other) noexcept {
    all_ = static_cast<heap_array<T>&&>(other.all_);
    size_ = other.size_;
    return *this;
  }
  ~values() = default;

  /// Throws stretto::error where `count` is more than there is room for.
  void resize(std::int64_t count) {
    if (count < 0 || count > all_.size())
      throw error(text("stretto: ", count, " values don't fit a slot with room for ", all_.size(),
                       "; let the layer's make_output, or make_saved, give the largest shape").str());
    size_ = count;
  }

  /// Takes over size and numbers of another; no memory is asked for. Throws like resize.
  void assign(const values& other) {
    resize(other.size_);
    for (std::int64_t i = 0; i < size_; ++i) all_[i] = other.all_[i];
  }

  std::int64_t size() const { return size_; }
  std::int64_t room() const { return all_.size(); }
  T* data() { return all_.data(); }
  const T* data() const { return all_.data(); }
  T& operator[](std::int64_t i) { return all_[i]; }
  const T& operator[](std::int64_t i) const { return all_[i]; }
  T* begin() { return all_.data(); }
  T* end() { return all_.data() + size_; }
  const T* begin() const { return all_.data(); }
  const T* end() const { return all_.data() + size_; }

  void fill(T value) {
    for (T& v : *this) v = value;
  }

 private:
  heap_array<T> all_;
  std::int64_t size_ = 0;
};

}  // namespace stretto::inline v0
