// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Ranks as threads that go one at a time, in an order that a seed draws: at every message the turn may pass to any rank
// that can go on, and what was sent lies about until its delivery is drawn. A seed repeats a run exactly, so whatever
// depends on who comes first shows itself under some seed, and stays found.
//
//     for (unsigned seed = 0; seed < 10000; ++seed) { seeded t(4, {.seed = seed}); pipeline p(t, model, cut, plan); … }
// Where no rank can go on and nothing is under way, that is a deadlock: it is said at once, with what each rank waits for.
// The thread that asks for steps takes turns, too. Cost: a hand-over between threads at each message, some 10 µs.
#pragma once

#include <atomic>
#include <chrono>
#include <condition_variable>
#include <cstdint>
#include <memory>
#include <mutex>
#include <type_traits>
#include <vector>

#include <stretto/core/random.hpp>
#include <stretto/transport/mailroom.hpp>
#include <stretto/transport/parking.hpp>   // detail::late

namespace stretto::inline v0 {

struct seeded_options {
  std::uint32_t seed = 0;
  double deadline = 600;  ///< seconds that a rank waits for its turn before it gives up
};

namespace detail {

class baton {
 public:
  using options = seeded_options;

  baton(int ranks, const seeded_options& how) : how_(how), ranks_(ranks), seats_(ranks < 1 ? 0 : static_cast<std::size_t>(ranks) + 1) {
    if (ranks < 1) throw error(text("stretto: a transport of ", ranks, " ranks can't be; give at least one").str());
    if (!(how.deadline > 0)) throw error("stretto: the deadline of a transport is not a number of seconds above 0; give one");
  }

  static constexpr bool one_host = true;  // whoever holds the turn while ranks wait

  int ranks() const { return ranks_; }
  int host() const { return ranks_; }
  bool local(int) const { return true; }

  /// The host begins with the turn; ranks wait until all are there.
  void enter(int who) {
    std::unique_lock lock(mutex_);
    if (who == host() && seats_.back().there) throw in_use();
    seats_[static_cast<std::size_t>(who)].there = true;
    if (who == host()) {
      holder_ = who;
      return;
    }
    ++entered_;
    const auto at_once = [] { return true; };
    sit(lock, who, at_once, nothing_to_say, no_progress, true);
  }

  void leave(int who) {
    const std::lock_guard lock(mutex_);
    seats_[static_cast<std::size_t>(who)].there = false;
    if (who != host() && --entered_ == 0) begun_ = false;
    if (holder_ == who) holder_ = nobody;
    pass();
  }

  template <class Ready, class Say>
  void wait(int who, Ready&& ready, Say&& say) {
    attend(who, ready, no_progress, say);
  }
  template <class Ready, class Progress, class Say>
  void attend(int who, Ready&& ready, Progress&& progress, Say&& say) {
    const auto asks = [&] { return ready(); };  // what is given may be plain functions, to which no void* points
    const auto says = [&](text& t) { say(t); };
    std::unique_lock lock(mutex_);
    sit(lock, who, asks, says, progress, false);
    if (failed()) {
      lock.unlock();
      rethrow();
    }
  }
  template <class Ready>
  void doze(int who, Ready&& ready) {
    const auto asks = [&] { return ready(); };
    std::unique_lock lock(mutex_);
    sit(lock, who, asks, nothing_to_say, no_progress, true);
  }
  void ring(int who) {
    if (failed()) seats_[static_cast<std::size_t>(who)].wake.notify_all();
  }

  void ring_hosts() {}

  void fail(const error& e) {
    const std::lock_guard lock(mutex_);  // so that nobody is between looking and falling asleep
    end_all(e);
  }
  bool failed() const { return failed_.load(std::memory_order_acquire); }
  [[noreturn]] void rethrow() {
    const std::lock_guard lock(failure_mutex_);
    throw error(*failure_);
  }

 protected:
  void turn(int who) {
    wait(who, [] { return true; }, [](text&) {});
  }
  void deliver(std::atomic<void*>& where, void* object, int, int) {
    const std::lock_guard lock(mutex_);
    under_way_.push_back({&where, object});
  }
  /// Whether a message was taken from there, and no other is on its way to it. Asked by who has the turn.
  bool vacant(const std::atomic<void*>& where) const {
    if (where.load(std::memory_order_acquire) != nullptr) return false;
    for (const delivery& d : under_way_)
      if (d.where == &where) return false;
    return true;
  }

 private:
  static constexpr int nobody = -1;
  // Not lambdas: those of a class would be other types in each translation unit.
  struct silence {
    void operator()(text&) const {}
  };
  static constexpr silence nothing_to_say{};
  struct standstill {
    std::int64_t operator()() const { return 0; }
  };
  static constexpr standstill no_progress{};
  struct seat {
    std::condition_variable wake;
    bool there = false, waits = false, idle = false;
    bool (*ready)(void*) = nullptr;
    void (*say)(void*, text&) = nullptr;
    void *of_ready = nullptr, *of_say = nullptr;
  };
  struct delivery {
    std::atomic<void*>* where;
    void* object;
  };

  /// Waits for the turn, which comes when ready() holds and the seed says so.
  template <class Ready, class Say, class Progress>
  void sit(std::unique_lock<std::mutex>& lock, int who, Ready& ready, Say& say, Progress&& progress, bool idle) {
    seat& s = seats_[static_cast<std::size_t>(who)];
    s.waits = true;
    s.idle = idle;
    s.ready = [](void* f) -> bool { return (*static_cast<std::remove_reference_t<Ready>*>(f))(); };
    s.say = [](void* f, text& t) { (*static_cast<std::remove_reference_t<Say>*>(f))(t); };
    s.of_ready = const_cast<void*>(static_cast<const void*>(&ready));
    s.of_say = const_cast<void*>(static_cast<const void*>(&say));
    if (holder_ == who) holder_ = nobody;
    pass();
    std::int64_t seen = progress();
    auto end = patience();
    while (holder_ != who && !(failed() && (!idle || ready()))) {
      if (idle || failed()) {
        s.wake.wait_for(lock, std::chrono::milliseconds(50));  // after a failure nobody passes the turn
      } else if (s.wake.wait_until(lock, end) == std::cv_status::timeout && holder_ != who && !failed()) {
        const std::int64_t now = progress();
        if (now == seen)
          end_all(late(who, ranks_, how_.deadline, [&](text& t) {
            if (ready()) t.add("its turn");
            else say(t);
          }));
        seen = now, end = patience();
      }
    }
    s.waits = false;
  }

  std::chrono::steady_clock::time_point patience() const {
    return std::chrono::steady_clock::now() + std::chrono::duration_cast<std::chrono::steady_clock::duration>(std::chrono::duration<double>(how_.deadline < 1e9 ? how_.deadline : 1e9));
  }

  /// With the mutex held. The first error counts.
  void end_all(const error& e) {
    {
      const std::lock_guard lock(failure_mutex_);
      if (!failure_) failure_ = std::make_unique<error>(e);
    }
    failed_.store(true, std::memory_order_release);
    for (seat& s : seats_) s.wake.notify_all();
  }

  /// Gives the turn to somebody who can go on, or makes deliveries until there is one.
  void pass() {
    if (holder_ != nobody || failed()) return;
    if (!begun_) {  // until it must wait, the host goes on alone: who is there by then is chance, and nothing may depend on it
      seat& h = seats_.back();
      if (h.there && h.waits && h.ready(h.of_ready)) {
        holder_ = host();
        h.wake.notify_all();
        return;
      }
      if (entered_ < ranks_) return;
      begun_ = true;
    }
    while (true) {
      candidates_.clear();
      bool stuck = false;
      for (int i = 0; i <= ranks_; ++i) {
        seat& s = seats_[static_cast<std::size_t>(i)];
        if (!s.there || !s.waits) continue;
        if (s.ready(s.of_ready)) candidates_.push_back(i);
        else stuck = stuck || !s.idle;
      }
      const std::size_t choices = candidates_.size() + under_way_.size();
      if (choices == 0) {
        if (stuck) say_deadlock();
        return;
      }
      const std::size_t choice = draw() % choices;
      if (choice < candidates_.size()) {
        holder_ = candidates_[choice];
        seats_[static_cast<std::size_t>(holder_)].wake.notify_all();
        return;
      }
      const std::size_t parcel = choice - candidates_.size();
      under_way_[parcel].where->store(under_way_[parcel].object, std::memory_order_release);
      under_way_[parcel] = under_way_.back();
      under_way_.pop_back();
    }
  }

  void say_deadlock() {
    text t("stretto: no rank can go on: ");
    const char* comma = "";
    for (int i = 0; i <= ranks_; ++i) {
      seat& s = seats_[static_cast<std::size_t>(i)];
      if (!s.there || !s.waits || s.idle) continue;
      t.add(comma);
      if (i < ranks_) t.add("rank ", i, " waits for ");
      else t.add("the thread that asks for steps waits for ");
      s.say(s.of_say, t);
      comma = ", ";
    }
    t.add("; see who should have sent it");
    end_all(error(t.str()));
  }

  std::uint32_t draw() { return random_stream{how_.seed, 0, 0, 0}.bits(drawn_++); }

  seeded_options how_;
  int ranks_;
  std::vector<seat> seats_;  // of ranks and of the host
  std::mutex mutex_;
  int holder_ = nobody, entered_ = 0;
  bool begun_ = false;
  std::vector<int> candidates_;
  std::vector<delivery> under_way_;
  std::int64_t drawn_ = 0;
  std::atomic<bool> failed_ = false;
  std::mutex failure_mutex_;
  std::unique_ptr<error> failure_;
};

}  // namespace detail

class seeded : public mailroom<detail::baton> {
 public:
  using options = seeded_options;

  explicit seeded(int ranks, const seeded_options& how = {}) : mailroom<detail::baton>(ranks, how) {}
};

}  // namespace stretto::inline v0
