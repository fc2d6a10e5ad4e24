// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// host::tools: what the layers of a rank share on the CPU: a queue, and room for what lives no longer than a call.
//
//     using tools = host::tools;                                              in a layer
//     void reserve(tools& t) { t.reserve<float>(tokens * width, tokens); }    when the pipeline is bound
//     auto& t = context.tools<tools>();  auto room = t.room();                in a pass
//     const auto d = room.take<float, 2>({tokens, width});                    a view; not zeros
// A room begins anew with each call of room(), so what one call of a layer takes, the next one overwrites. Taking is adding
// to a number. Cost in memory: the largest that a layer of the rank reserves, and the queue's scratch memory.
#pragma once

#include <cstdint>

#include <stretto/host/queue.hpp>
#include <stretto/tensor/view.hpp>

namespace stretto::inline v0::host {

class tools {
 public:
  explicit tools(const queue_options& o = {}) : queue(o) {}
  tools(const tools&) = delete;
  tools& operator=(const tools&) = delete;
  ~tools() { host_memory::give(room_, size_); }

  host::queue queue;

  /// Room for so many T in each of so many views. When pipelines are bound, not while they run.
  template <class T, class... Counts>
  void reserve(Counts... counts) {
    reserve_bytes((std::int64_t{0} + ... + padded<T>(counts)));
  }
  void reserve_bytes(std::int64_t bytes) {
    if (bytes <= size_) return;
    host_memory::give(room_, size_);
    room_ = nullptr, size_ = 0;
    room_ = static_cast<char*>(host_memory::take(bytes));
    size_ = bytes;
    host_memory::zero(room_, bytes);  // so that the system gives it now
  }

  /// What a view of so many T takes: whole cache lines.
  template <class T>
  static std::int64_t padded(std::int64_t count) {
    return (count * static_cast<std::int64_t>(sizeof(T)) + 63) / 64 * 64;
  }

  /// Gives views of the room, one behind the other.
  class places {
   public:
    template <class T, int Rank>
    tensor_view<T, Rank> take(const shape<Rank>& s) {
      const std::int64_t bytes = padded<T>(s.count());
      if (bytes > end_ - at_)
        throw error(text("stretto: a layer takes ", bytes, " bytes of its rank's room, where ", static_cast<std::int64_t>(end_ - at_), " are left; reserve what a call takes in reserve(tools&)").str());
      T* const first = reinterpret_cast<T*>(at_);
      at_ += bytes;
      return {first, s};
    }

   private:
    friend tools;
    places(char* at, char* end) : at_(at), end_(end) {}
    char *at_, *end_;
  };
  places room() { return {room_, room_ + size_}; }

  std::int64_t bytes() const { return size_ + queue.threads() * queue.scratch_bytes(); }

 private:
  char* room_ = nullptr;
  std::int64_t size_ = 0;
};

}  // namespace stretto::inline v0::host
