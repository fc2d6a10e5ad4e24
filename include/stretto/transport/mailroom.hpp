// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Channels and gatherings in memory that all ranks share. A message is an object that changes hands: the sender puts a
// pointer into a box, the receiver takes it out, and gives the object back when it has no more use for it. Nothing is copied.
//
//     sender    fresh ──► fills it ──► put ─┐                    ┌─► fresh …
//     receiver                              └─► take ──► uses it ──► give_back
// There is a box for each message of a step, so ends meet by identity: link model `buffered`. A channel has as many objects
// as the plan can have under way at once, made when it is opened, so a send holds nobody and nothing is allocated later.
// Pace says how ranks wait: threads spin and sleep, seeded plays with the order. Cost: an exchange of a pointer a message.
#pragma once

#include <atomic>
#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/transport/transport.hpp>

namespace stretto::inline v0 {

template <class Pace>
class mailroom : public Pace {
  /// Objects on their way back, from one thread to one other.
  class return_path {
   public:
    explicit return_path(int most) : ring_(static_cast<std::size_t>(most) + 1) {}
    void push(void* object) {
      const std::size_t at = tail_.load(std::memory_order_relaxed);
      ring_[at] = object;
      tail_.store(at + 1 == ring_.size() ? 0 : at + 1, std::memory_order_release);
    }
    bool pop(void*& object) {
      const std::size_t at = head_.load(std::memory_order_relaxed);
      if (at == tail_.load(std::memory_order_acquire)) return false;
      object = ring_[at];
      head_.store(at + 1 == ring_.size() ? 0 : at + 1, std::memory_order_release);
      return true;
    }

   private:
    std::vector<void*> ring_;
    alignas(64) std::atomic<std::size_t> head_ = 0;
    alignas(64) std::atomic<std::size_t> tail_ = 0;
  };

  struct box {
    std::atomic<void*> object = nullptr;
    message_id id{};
  };

 public:
  static constexpr link_model links = stretto::links::buffered;

  /// Messages of one kind from one stage to one other.
  class channel {
   public:
    explicit channel(const channel_shape& s) : shape(s), boxes(static_cast<std::size_t>(s.boxes)), free(s.objects) {}
    channel(const channel&) = delete;
    channel& operator=(const channel&) = delete;
    ~channel() {
      for (void* object : all) drop(object);
    }

    channel_shape shape;

   private:
    friend mailroom;
    std::vector<box> boxes;
    return_path free;
    std::vector<void*> all;
    void (*drop)(void*) = nullptr;
    int users = 0;  // endpoints
    std::size_t number = 0;
  };

  /// Segments of some ranks, a few steps deep.
  class gathering {
   public:
    explicit gathering(const gathering_shape& s, int ranks) : shape(s), place(static_cast<std::size_t>(ranks), -1) {
      if (shape.members.empty())
        for (int r = 0; r < ranks; ++r) shape.members.push_back(r);
      for (std::size_t i = 0; i < shape.members.size(); ++i) place[static_cast<std::size_t>(shape.members[i])] = static_cast<int>(i);
      stride = (shape.bytes + 127) / 64 * 64;  // segments of two ranks share no cache line
      bytes.resize(static_cast<std::size_t>(stride) * static_cast<std::size_t>(shape.depth) * shape.members.size() + 64);
      published = std::vector<count>(shape.members.size());
    }

    gathering_shape shape;

   private:
    friend mailroom;
    struct alignas(64) count {
      std::atomic<std::int64_t> steps = 0;
    };
    void* at(int rank, std::int64_t step) {
      const std::int64_t index = static_cast<std::int64_t>(place[static_cast<std::size_t>(rank)]) * shape.depth + step % shape.depth;
      const auto base = (reinterpret_cast<std::uintptr_t>(bytes.data()) + 63) / 64 * 64 - reinterpret_cast<std::uintptr_t>(bytes.data());
      return bytes.data() + base + index * stride;
    }
    std::vector<int> place;
    std::int64_t stride = 0;
    std::vector<unsigned char> bytes;
    std::vector<count> published;
  };

  template <class... Options>
  explicit mailroom(int ranks, const Options&... how) : Pace(ranks, how...) {}

  channel* open(const channel_shape& shape) { return open_as(opened_++, shape); }

  /// Several endpoints of one mailroom open the same channels, each in the same order; the objects are the sender's.
  channel* open_as(std::size_t number, const channel_shape& shape) {
    const std::lock_guard lock(opening_);
    auto& c = channels_[number];
    if (!c) c = std::make_unique<channel>(shape);
    c->number = number;
    ++c->users;
    if (shape.maker == nullptr || !c->all.empty()) return c.get();
    c->drop = shape.drop;
    c->shape.bytes = shape.bytes;
    for (int i = 0; i < shape.objects; ++i) {
      c->all.push_back(shape.make(shape.maker));
      c->free.push(c->all.back());
    }
    return c.get();
  }

  /// The last endpoint to close it drops its objects.
  void close(channel* what) {
    const std::lock_guard lock(opening_);
    if (--what->users > 0) return;
    channels_.erase(what->number);
  }

  template <class Say>
  void* fresh(channel& c, Say&& say) {
    void* object = nullptr;
    this->turn(c.shape.from);
    if (!c.free.pop(object))  // the question may be asked again after it was answered
      this->wait(c.shape.from, [&] { return object != nullptr || c.free.pop(object); }, say);
    return object;
  }

  template <class Say>
  void put(channel& c, const message_id& id, void* object, Say&& say) {
    box& b = c.boxes[static_cast<std::size_t>(id.box)];
    this->turn(c.shape.from);
    if (!this->vacant(b.object))  // still full of the step before
      this->wait(c.shape.from, [&] { return this->vacant(b.object); }, say);
    b.id = id;
    this->deliver(b.object, object, c.shape.from, c.shape.to);
  }

  template <class Say>
  parcel take(channel& c, const message_id& id, Say&& say) {
    box& b = c.boxes[static_cast<std::size_t>(id.box)];
    this->turn(c.shape.to);
    if (b.object.load(std::memory_order_acquire) == nullptr)
      this->wait(c.shape.to, [&] { return b.object.load(std::memory_order_acquire) != nullptr; }, say);
    const parcel p{b.object.load(std::memory_order_relaxed), b.id};
    b.object.store(nullptr, std::memory_order_release);
    if (c.shape.from != c.shape.to) this->ring(c.shape.from);
    return p;
  }

  void give_back(channel& c, void* object) {
    c.free.push(object);
    if (c.shape.from != c.shape.to) this->ring(c.shape.from);
  }

  /// Who asks by the same name gets the same one, until somebody closes it: who asks then begins another.
  gathering* open_gathering(label name, const gathering_shape& shape) {
    const std::lock_guard lock(opening_);
    for (auto& g : gatherings_)
      if (g.name == name && !g.closing) {
        const gathering_shape& there = g.what->shape;
        bool all = static_cast<int>(there.members.size()) == this->ranks();
        for (int r = 0; r < this->ranks() && all; ++r) all = there.members[static_cast<std::size_t>(r)] == r;
        if (there.bytes != shape.bytes || there.depth != shape.depth || (shape.members.empty() ? !all : there.members != shape.members))
          throw error(text("stretto: gathering '", name, "' was opened with other members, bytes or depth; give each gathering its own name").str());
        ++g.users;
        return g.what.get();
      }
    detail::check_gathering(name, shape, this->ranks());
    gatherings_.push_back({name, std::make_unique<gathering>(shape, this->ranks()), 1, false});
    return gatherings_.back().what.get();
  }
  void close(gathering* what) {
    const std::lock_guard lock(opening_);
    for (std::size_t i = 0; i < gatherings_.size(); ++i) {
      if (gatherings_[i].what.get() != what) continue;
      gatherings_[i].closing = true;
      if (--gatherings_[i].users == 0) gatherings_.erase(gatherings_.begin() + static_cast<std::ptrdiff_t>(i));
      return;
    }
  }
  void* segment(gathering& g, int rank, std::int64_t step) { return g.at(rank, step); }
  void publish(gathering& g, int rank, std::int64_t step) {
    g.published[static_cast<std::size_t>(g.place[static_cast<std::size_t>(rank)])].steps.store(step + 1, std::memory_order_release);
    for (int member : g.shape.members)
      if (member != rank) this->ring(member);
    this->ring_hosts();  // who binds an endpoint waits for the others' segments as host
  }
  template <class Say>
  void gathered(gathering& g, int rank, std::int64_t step, Say&& say) {
    this->turn(rank);
    const auto all = [&] {
      for (const auto& p : g.published)
        if (p.steps.load(std::memory_order_acquire) <= step) return false;
      return true;
    };
    if (!all()) this->wait(rank, all, say);
  }
  const void* from(gathering& g, int rank, std::int64_t step) { return g.at(rank, step); }

  /// How many channels one endpoint for all ranks has opened.
  std::size_t opened() const { return opened_; }

 private:
  struct named {
    label name;
    std::unique_ptr<gathering> what;
    int users;
    bool closing;
  };
  std::mutex opening_;
  std::size_t opened_ = 0;
  std::map<std::size_t, std::unique_ptr<channel>> channels_;  // by number
  std::vector<named> gatherings_;
};

}  // namespace stretto::inline v0
