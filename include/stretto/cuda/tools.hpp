// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// cuda::tools: what the layers of a rank share on a device: a queue, and room for what lives no longer than a call. See
// host/tools.hpp, which it is like.
//
//     using tools = typename Device::tools;                                     in a layer
//     void reserve(tools& t) { t.template reserve<T>(rows * width); }
//     auto room = c.tools<tools>().room();  const auto d = room.template take<T, 2>({rows, width});
// A room begins anew with each call of room(); a stream does one call's work after the other's, so nothing overlaps.
// Cost in memory: the largest that a layer of the rank reserves, and what the queue has.
#pragma once

#include <cstdint>

#include <stretto/cuda/queue.hpp>
#include <stretto/tensor/view.hpp>

namespace stretto::inline v0::cuda {

template <class Runtime>
class basic_tools {
 public:
  using memory = basic_memory<Runtime>;

  explicit basic_tools(const queue_options& o = {}) : queue(o) {}
  basic_tools(const basic_tools&) = delete;
  basic_tools& operator=(const basic_tools&) = delete;
  ~basic_tools() {
    queue.synchronize();
    memory::give(room_, size_);
  }

  basic_queue<Runtime> queue;

  /// The stream of the rank, which the transport lends.
  void use_lane(const void* lane) { queue.use(*static_cast<const typename Runtime::stream*>(lane)); }

  template <class T, class... Counts>
  void reserve(Counts... counts) {
    reserve_bytes((std::int64_t{0} + ... + padded<T>(counts)));
  }
  void reserve_bytes(std::int64_t bytes) {
    if (bytes <= size_) return;
    memory::give(room_, size_);
    room_ = nullptr, size_ = 0;
    room_ = static_cast<char*>(memory::take(bytes));
    size_ = bytes;
  }
  /// What a view of so many T takes: whole lines of 256 bytes.
  template <class T>
  static std::int64_t padded(std::int64_t count) {
    return (count * static_cast<std::int64_t>(sizeof(T)) + 255) / 256 * 256;
  }

  class places {
   public:
    template <class T, int Rank>
    tensor_view<T, Rank, memory> take(const shape<Rank>& s) {
      const std::int64_t bytes = padded<T>(s.count());
      if (bytes > end_ - at_)
        throw error(text("stretto: a layer takes ", bytes, " bytes of its rank's room, where ", static_cast<std::int64_t>(end_ - at_), " are left; reserve what a call takes in reserve(tools&)").str());
      T* const first = reinterpret_cast<T*>(at_);
      at_ += bytes;
      return {first, s};
    }

   private:
    friend basic_tools;
    places(char* at, char* end) : at_(at), end_(end) {}
    char *at_, *end_;
  };
  places room() { return {room_, room_ + size_}; }

  std::int64_t bytes() const { return size_ + queue.bytes(); }

 private:
  char* room_ = nullptr;
  std::int64_t size_ = 0;
};

}  // namespace stretto::inline v0::cuda
