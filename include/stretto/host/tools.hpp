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
#include <stretto/tensor/call_room.hpp>

namespace stretto::inline v0::host {

class tools : public call_room<host_memory, 64> {
 public:
  explicit tools(const queue_options& o = {}) : queue(o) {}

  host::queue queue;

  std::int64_t bytes() const { return room_bytes() + queue.threads() * queue.scratch_bytes(); }
};

}  // namespace stretto::inline v0::host
