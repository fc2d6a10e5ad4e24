// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// call_room: room for what lives no longer than a call of a layer, in any memory space. The tools of a rank have one.
//
//     call_room<host_memory, 64> r;   r.reserve<float>(tokens * width, tokens);        when a pipeline is bound
//     auto room = r.room();           const auto d = room.take<float, 2>({tokens, width});        a view; not zeros
// A room begins anew with each call of room(), so what one call of a layer takes, the next one overwrites. Views begin at
// multiples of `Line` bytes. Cost: taking is adding to a number; in memory the largest that is reserved.
#pragma once

#include <cstdint>

#include <stretto/tensor/view.hpp>

namespace stretto::inline v0 {

template <class Space, int Line>
class call_room {
 public:
  call_room() = default;
  call_room(const call_room&) = delete;
  call_room& operator=(const call_room&) = delete;
  ~call_room() { Space::give(room_, size_); }

  /// Room for so many T in each of so many views. When pipelines are bound, not while they run.
  template <class T, class... Counts>
  void reserve(Counts... counts) {
    reserve_bytes((std::int64_t{0} + ... + padded<T>(counts)));
  }
  void reserve_bytes(std::int64_t bytes) {
    if (bytes <= size_) return;
    Space::give(room_, size_);
    room_ = nullptr, size_ = 0;
    room_ = static_cast<char*>(Space::take(bytes));
    size_ = bytes;
    if constexpr (Space::reachable) Space::zero(room_, bytes);  // so that the system gives it now
  }

  /// What a view of so many T takes: whole lines.
  template <class T>
  static std::int64_t padded(std::int64_t count) {
    return (count * static_cast<std::int64_t>(sizeof(T)) + Line - 1) / Line * Line;
  }

  /// Gives views of the room, one behind the other.
  class places {
   public:
    template <class T, int Rank>
    tensor_view<T, Rank, Space> take(const shape<Rank>& s) {
      const std::int64_t bytes = padded<T>(s.count());
      if (bytes > end_ - at_)
        throw error(text("stretto: a layer takes ", bytes, " bytes of its rank's room, where ", static_cast<std::int64_t>(end_ - at_), " are left; reserve what a call takes in reserve(tools&)").str());
      T* const first = reinterpret_cast<T*>(at_);
      at_ += bytes;
      return {first, s};
    }

   private:
    friend call_room;
    places(char* at, char* end) : at_(at), end_(end) {}
    char *at_, *end_;
  };
  places room() { return {room_, room_ + size_}; }
  std::int64_t room_bytes() const { return size_; }

 private:
  char* room_ = nullptr;
  std::int64_t size_ = 0;
};

}  // namespace stretto::inline v0
