// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Any transport, with every message counted: how many went from each rank to each other, and how many bytes they carried.
//
//     recorded<threads> t(4);   pipeline p(t, model, cut, plan);   p.step().loss();
//     t.messages(0, 1) == 8     t.bytes(0, 1) == 8 * 64 * 4        t.total_bytes()
// What stays on a rank is no message. Each rank writes counts of its own, so counting takes no lock; read them when no step
// is under way. Cost: a call and two additions a message.
#pragma once

#include <cstdint>
#include <vector>

#include <stretto/transport/transport.hpp>

namespace stretto::inline v0 {

/// A message as it was sent.
struct message_record {
  message_id id{};
  int from = 0, to = 0;
  std::int64_t bytes = 0;
};

template <class Transport>
class recorded : public Transport {
 public:
  using channel = typename Transport::channel;
  using gathering = typename Transport::gathering;

  explicit recorded(int ranks, const typename Transport::options& how = {})
      : Transport(ranks, how), counts_(static_cast<std::size_t>(ranks) * static_cast<std::size_t>(ranks)), gathered_(static_cast<std::size_t>(ranks)),
        logs_(static_cast<std::size_t>(ranks)) {}

  /// Keeps the identity of each message, too. The log grows as it must.
  void keep_log(bool yes = true) { keeps_ = yes; }

  template <class Say>
  void put(channel& c, const message_id& id, void* object, Say&& say) {
    if (c.shape.from != c.shape.to) {
      count& n = at(c.shape.from, c.shape.to);
      const std::int64_t bytes = c.shape.bytes != nullptr && id.mark == 0 ? c.shape.bytes(object) : 0;
      ++n.messages;
      n.bytes += bytes;
      if (keeps_) logs_[static_cast<std::size_t>(c.shape.from)].all.push_back({id, c.shape.from, c.shape.to, bytes});
    }
    Transport::put(c, id, object, static_cast<Say&&>(say));
  }
  void publish(gathering& g, int rank, std::int64_t step) {
    const auto others = static_cast<std::int64_t>(g.shape.members.size()) - 1;
    gathered_[static_cast<std::size_t>(rank)].bytes += others * g.shape.bytes;
    Transport::publish(g, rank, step);
  }

  std::int64_t messages(int from, int to) { return at(from, to).messages; }
  std::int64_t bytes(int from, int to) { return at(from, to).bytes; }
  /// What a rank's segments of gatherings come to, sent to each other member.
  std::int64_t gathered_bytes(int rank) const { return gathered_[static_cast<std::size_t>(rank)].bytes; }
  const std::vector<message_record>& log(int from) const { return logs_[static_cast<std::size_t>(from)].all; }

  std::int64_t total_messages() const {
    std::int64_t sum = 0;
    for (const count& n : counts_) sum += n.messages;
    return sum;
  }
  std::int64_t total_bytes() const {
    std::int64_t sum = 0;
    for (const count& n : counts_) sum += n.bytes;
    return sum;
  }
  void reset() {
    for (count& n : counts_) n = {};
    for (count& n : gathered_) n = {};
    for (auto& log : logs_) log.all.clear();
  }

 private:
  struct alignas(64) count {
    std::int64_t messages = 0, bytes = 0;
  };
  struct alignas(64) record {
    std::vector<message_record> all;
  };
  count& at(int from, int to) { return counts_[static_cast<std::size_t>(from) * gathered_.size() + static_cast<std::size_t>(to)]; }

  std::vector<count> counts_, gathered_;
  std::vector<record> logs_;
  bool keeps_ = false;
};

}  // namespace stretto::inline v0
