// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// One rank's end of a transport that all ranks share: the program is written once for each rank, as it is where ranks are
// processes, and each thread makes a pipeline of its own.
//
//     threads t(4);
//     std::thread rank2([&] { endpoint mine(t, 2);  pipeline p(mine, model, cut, plan);  p.step().loss(); });
// Whatever the ranks are bound to is compared when they are bound. Cost: none, it hands everything on.
#pragma once

#include <cstdint>

#include <stretto/transport/transport.hpp>

namespace stretto::inline v0 {

template <class Transport>
class endpoint {
  static_assert(!requires { Transport::one_host; }, "stretto: in this transport one thread asks for the steps of all ranks, so it has no endpoints; use threads");

 public:
  using channel = typename Transport::channel;
  using gathering = typename Transport::gathering;
  static constexpr link_model links = Transport::links;

  endpoint(Transport& all, int rank) : all_(all), rank_(rank) {
    if (rank < 0 || rank >= all.ranks()) throw error(text("stretto: rank ", rank, " has no endpoint in a transport of ", all.ranks(), " ranks; use 0 to ", all.ranks() - 1).str());
  }

  int ranks() const { return all_.ranks(); }
  bool local(int rank) const { return rank == rank_; }
  int host() const { return all_.ranks() + 1 + rank_; }
  void enter(int who) { all_.enter(who); }
  void leave(int who) { all_.leave(who); }
  channel* open(const channel_shape& shape) { return all_.open_as(opened_++, shape); }
  std::size_t opened() const { return opened_; }
  void close(channel* c) { all_.close(c); }
  template <class Say>
  void* fresh(channel& c, Say&& say) { return all_.fresh(c, say); }
  template <class Say>
  void put(channel& c, const message_id& id, void* object, Say&& say) { all_.put(c, id, object, say); }
  template <class Say>
  parcel take(channel& c, const message_id& id, Say&& say) { return all_.take(c, id, say); }
  void give_back(channel& c, void* object) { all_.give_back(c, object); }
  void close(gathering* g) { all_.close(g); }
  gathering* open_gathering(label name, const gathering_shape& shape) { return all_.open_gathering(name, shape); }
  void* segment(gathering& g, int rank, std::int64_t step) { return all_.segment(g, rank, step); }
  void publish(gathering& g, int rank, std::int64_t step) { all_.publish(g, rank, step); }
  template <class Say>
  void gathered(gathering& g, int rank, std::int64_t step, Say&& say) { all_.gathered(g, rank, step, say); }
  const void* from(gathering& g, int rank, std::int64_t step) { return all_.from(g, rank, step); }
  template <class Ready, class Say>
  void wait(int who, Ready&& ready, Say&& say) { all_.wait(who, ready, say); }
  template <class Ready, class Progress, class Say>
  void attend(int who, Ready&& ready, Progress&& progress, Say&& say) { all_.attend(who, ready, progress, say); }
  template <class Ready>
  void doze(int who, Ready&& ready) { all_.doze(who, ready); }
  void ring(int who) { all_.ring(who); }
  void fail(const error& e) { all_.fail(e); }
  bool failed() const { return all_.failed(); }
  [[noreturn]] void rethrow() { all_.rethrow(); }

 private:
  Transport& all_;
  int rank_;
  std::size_t opened_ = 0;
};

}  // namespace stretto::inline v0
