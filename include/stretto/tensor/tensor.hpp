// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// tensor<T, Rank, Space>: numbers that it owns, with a shape that may change up to the room that it was made with.
//
//     tensor<float, 2> x({1024, 384});        zeros; room for as many
//     x.reshape({512, 384});                  no memory is asked for
//     x.reshape({2048, 384});                 throws: "… doesn't fit a tensor with room for …"
// It is a tensor_view of its numbers and goes wherever one is asked for. Copying copies the numbers.
#pragma once

#include <cstdint>

#include <stretto/tensor/view.hpp>

namespace stretto::inline v0 {

template <class T, int Rank, class Space = host_memory>
class tensor : public tensor_view<T, Rank, Space> {
  static_assert(!std::is_const_v<T>, "stretto: a tensor's own numbers can be written; take a view of const");
  using base = tensor_view<T, Rank, Space>;

 public:
  tensor() = default;

  /// Zeros.
  explicit tensor(const shape<Rank>& s) : tensor(s, s.count()) { Space::zero(this->data_, bytes()); }

  tensor(const tensor& other) : tensor(other.extents(), other.room_) { Space::copy(this->data_, other.data_, bytes()); }
  tensor(tensor&& other) noexcept : base(static_cast<const base&>(other)), room_(other.room_) { other.forget(); }
  tensor& operator=(tensor other) noexcept {
    Space::give(this->data_, bytes());
    static_cast<base&>(*this) = static_cast<const base&>(other);
    room_ = other.room_;
    other.forget();
    return *this;
  }
  ~tensor() { Space::give(this->data_, bytes()); }

  /// Another shape, within the room. The numbers stay where they are.
  void reshape(const shape<Rank>& s) {
    if (s.count() > room_)
      throw error(text("stretto: shape ", s.words().str(), " doesn't fit a tensor with room for ", room_, " elements; make it in the largest shape").str());
    static_cast<base&>(*this) = base(this->data_, s);
  }

  std::int64_t room() const { return room_; }

  T* begin() const { return this->data_; }
  T* end() const { return this->data_ + this->size(); }

 private:
  /// With nothing in it yet. Whatever throws behind it gives the room back.
  tensor(const shape<Rank>& s, std::int64_t room) : base(nullptr, s), room_(room) { this->data_ = static_cast<T*>(Space::take(bytes())); }
  std::int64_t bytes() const { return room_ * static_cast<std::int64_t>(sizeof(T)); }
  void forget() {
    static_cast<base&>(*this) = base{};
    room_ = 0;
  }

  std::int64_t room_ = 0;
};

}  // namespace stretto::inline v0
