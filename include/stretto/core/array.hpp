// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Holders of a run of values: fixed_array (size in the type), heap_array (size chosen once), grow_array (values are
// added one by one), and view (borrowed).
//
// They do less than their standard cousins, on purpose: one indexing expression is one step of a constant evaluation,
// so a plan of 4,096 actions is generated and checked within the default limits of g++ 12, clang 14 and nvcc 13, where
// std::array and std::vector reach about half as far. A heap_array of trivial values starts uninitialised, so a plan of
// thirty million actions is written once, not twice.
#pragma once

#include <cstdint>

namespace stretto::inline v0 {

/// A borrowed run of values. The lender must outlive it.
template <class T>
struct view {
  T* first = nullptr;
  std::int64_t count = 0;

  constexpr T& operator[](std::int64_t i) const { return first[i]; }
  constexpr T* begin() const { return first; }
  constexpr T* end() const { return first + count; }
  constexpr std::int64_t size() const { return count; }
  constexpr bool empty() const { return count == 0; }
};

/// A run whose size is part of its type; the storage of compile-time plans. N may be 0.
template <class T, std::int64_t N>
struct fixed_array {
  T values[N > 0 ? N : 1];

  static constexpr std::int64_t size() { return N; }
  constexpr T& operator[](std::int64_t i) { return values[i]; }
  constexpr const T& operator[](std::int64_t i) const { return values[i]; }
  constexpr T* data() { return values; }
  constexpr const T* data() const { return values; }
};

/// A run whose size is chosen when it is made; the storage of run-time plans and of scratch space.
template <class T>
class heap_array {
 public:
  constexpr heap_array() = default;

  /// Trivial values are left uninitialised: write before you read.
  constexpr explicit heap_array(std::int64_t n) : data_(n > 0 ? new T[static_cast<unsigned long>(n)] : nullptr), size_(n) {}

  constexpr heap_array(std::int64_t n, const T& value) : heap_array(n) {
    for (std::int64_t i = 0; i < n; ++i) data_[i] = value;
  }

  constexpr heap_array(const heap_array& other) : heap_array(other.size_) {
    for (std::int64_t i = 0; i < size_; ++i) data_[i] = other.data_[i];
  }

  constexpr heap_array(heap_array&& other) noexcept : data_(other.data_), size_(other.size_) {
    other.data_ = nullptr;
    other.size_ = 0;
  }

  constexpr heap_array& operator=(heap_array other) noexcept {
    T* data = data_;
    data_ = other.data_;
    other.data_ = data;
    const std::int64_t size = size_;
    size_ = other.size_;
    other.size_ = size;
    return *this;
  }

  constexpr ~heap_array() { delete[] data_; }

  constexpr std::int64_t size() const { return size_; }
  constexpr T& operator[](std::int64_t i) { return data_[i]; }
  constexpr const T& operator[](std::int64_t i) const { return data_[i]; }
  constexpr T* data() { return data_; }
  constexpr const T* data() const { return data_; }
  constexpr T* begin() { return data_; }
  constexpr T* end() { return data_ + size_; }
  constexpr const T* begin() const { return data_; }
  constexpr const T* end() const { return data_ + size_; }

 private:
  T* data_ = nullptr;
  std::int64_t size_ = 0;
};

/// A run that grows by push_back.
template <class T>
class grow_array {
 public:
  constexpr grow_array() = default;
  constexpr grow_array(const grow_array& other) : room_(other.size_), size_(other.size_) {
    for (std::int64_t i = 0; i < size_; ++i) room_[i] = other.room_[i];
  }
  constexpr grow_array(grow_array&& other) noexcept : room_(static_cast<heap_array<T>&&>(other.room_)), size_(other.size_) { other.size_ = 0; }
  constexpr grow_array& operator=(grow_array other) noexcept {
    room_ = static_cast<heap_array<T>&&>(other.room_);
    size_ = other.size_;
    return *this;
  }
  constexpr ~grow_array() = default;

  constexpr void push_back(const T& value) {
    if (size_ == room_.size()) {
      heap_array<T> larger(2 * size_ + 8);
      for (std::int64_t i = 0; i < size_; ++i) larger[i] = room_[i];
      room_ = static_cast<heap_array<T>&&>(larger);
    }
    room_[size_++] = value;
  }
  constexpr void pop_back() { --size_; }
  constexpr void clear() { size_ = 0; }

  constexpr std::int64_t size() const { return size_; }
  constexpr bool empty() const { return size_ == 0; }
  constexpr T& operator[](std::int64_t i) { return room_[i]; }
  constexpr const T& operator[](std::int64_t i) const { return room_[i]; }
  constexpr const T& back() const { return room_[size_ - 1]; }
  constexpr const T* data() const { return room_.data(); }
  constexpr const T* begin() const { return room_.data(); }
  constexpr const T* end() const { return room_.data() + size_; }

 private:
  heap_array<T> room_;
  std::int64_t size_ = 0;
};

}  // namespace stretto::inline v0
