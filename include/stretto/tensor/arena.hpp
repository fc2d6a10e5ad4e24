// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// arena: one piece of memory that a plan's slots are laid out in, asked for once.
//
//     slot_table slots = assign_slots(lower(p), {.activation = 1 << 20, .boundary = 4096});
//     arena<> memory(slots.arena[rank]);
//     for (const slot_use& u : slots.of(rank)) … memory.at<float>(u.offset, shape<2>{{256, 384}}) …
// The offsets of slot_table are such that no two values that live at one time overlap. Cost: at() is an addition and a
// comparison.
#pragma once

#include <cstdint>

#include <stretto/tensor/view.hpp>

namespace stretto::inline v0 {

template <class Space = host_memory>
class arena {
 public:
  arena() = default;
  /// Zeros.
  explicit arena(std::int64_t bytes) : bytes_(bytes) {
    if (bytes < 0) throw error(text("stretto: an arena can't have ", bytes, " bytes; give 0 or more").str());
    first_ = static_cast<char*>(Space::take(bytes));
    Space::zero(first_, bytes);
  }
  arena(arena&& other) noexcept : first_(other.first_), bytes_(other.bytes_) { other.first_ = nullptr, other.bytes_ = 0; }
  arena& operator=(arena&& other) noexcept {
    arena taken(static_cast<arena&&>(other));  // which may be this one
    char* const first = first_;
    const std::int64_t bytes = bytes_;
    first_ = taken.first_, bytes_ = taken.bytes_;
    taken.first_ = first, taken.bytes_ = bytes;
    return *this;
  }
  ~arena() { Space::give(first_, bytes_); }

  std::int64_t bytes() const { return bytes_; }

  /// The numbers from byte `offset` on. Throws where they don't end within the arena, or don't begin where a T may.
  template <element T, int Rank>
  tensor_view<T, Rank, Space> at(std::int64_t offset, const shape<Rank>& s) const {
    const std::int64_t size = s.count() * static_cast<std::int64_t>(sizeof(T));
    if (offset < 0 || size > bytes_ - offset || offset % static_cast<std::int64_t>(alignof(T)) != 0)
      throw error(text("stretto: ", size, " bytes at offset ", offset, " don't fit an arena of ", bytes_, " bytes; give assign_slots the size of what its slots hold").str());
    return {reinterpret_cast<T*>(first_ + offset), s};
  }

 private:
  char* first_ = nullptr;
  std::int64_t bytes_ = 0;
};

}  // namespace stretto::inline v0
