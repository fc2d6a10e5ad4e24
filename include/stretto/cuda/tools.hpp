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
#include <stretto/tensor/call_room.hpp>

namespace stretto::inline v0::cuda {

template <class Runtime>
class basic_tools : public call_room<basic_memory<Runtime>, 256> {
 public:
  using memory = basic_memory<Runtime>;

  explicit basic_tools(const queue_options& o = {}) : queue(o) {}

  /// Behind the room: it goes first, and waits for what is on its stream.
  basic_queue<Runtime> queue;

  /// The stream of the rank, which the transport lends.
  void use_lane(const void* lane) { queue.use(*static_cast<const typename Runtime::stream*>(lane)); }

  void begin_step(const step_numbers& n) { queue.begin_step(n); }

  std::int64_t bytes() const { return this->room_bytes() + queue.bytes(); }
};

}  // namespace stretto::inline v0::cuda
