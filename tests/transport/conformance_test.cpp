// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Every transport here conforms, and one that breaks a single promise is told which.
#include <algorithm>
#include <chrono>
#include <memory>
#include <mutex>
#include <cstring>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include <stretto/transport/conformance.hpp>
#include <stretto/transport/recorded.hpp>
#include <stretto/transport/seeded.hpp>
#include <stretto/transport/threads.hpp>

#include "catch.hpp"
#include "schedule/sweep.hpp"

using namespace stretto;

namespace {

constexpr double patience = sweep::thin > 1 ? 0.8 : 0.3;  // seconds, of those that conform: a busy machine must not miss them
constexpr double haste = 0.15;

std::string listed(const std::vector<std::string>& faults) {
  std::string all;
  for (const std::string& f : faults) all += f + '\n';
  return all;
}

enum class lie {
  crosses_boxes, forges_identities, loses_marks, changes_a_message, loses_a_message, throws_in_put, hands_out_twice, is_late, gives_no_object_up, names_no_rank, hides_failure, fails_slowly,
  keeps_the_last_error, rings_nobody, sees_no_progress, attends_to_nothing, sleeps_badly, gives_up_dozing, adds_as_they_come, forgets_the_host, forgets_steps, opens_the_barrier
};

/// `threads` that tells one lie. One class for all, because each class would compile the whole suite anew.
class liar : public threads {
 public:
  liar(int ranks, lie what) : threads(ranks, {.deadline = what == lie::is_late ? haste + 1.2 : haste}), lie_(what) {}

  void* fresh(channel& c, auto&& say) {
    if (lie_ == lie::hands_out_twice && c.shape.boxes > 1) {
      const std::lock_guard lock(mutex_);
      for (const auto& [of, object] : given_)
        if (of == &c) return object;
      given_.emplace_back(&c, threads::fresh(c, say));
      return given_.back().second;
    }
    if (lie_ != lie::gives_no_object_up || c.shape.objects > 1) return threads::fresh(c, say);
    try {
      return threads::fresh(c, say);
    } catch (const error&) {
      return nullptr;
    }
  }
  void put(channel& c, const message_id& id, void* o, auto&& say) {
    if (lie_ == lie::loses_a_message && id.step == 300) return;
    if (lie_ == lie::throws_in_put && id.step == 3) throw error("stretto: the trap");
    if (lie_ == lie::changes_a_message && id.step == 300) --static_cast<detail::test_object*>(o)->numbers[0];
    threads::put(c, {id.step, id.channel, id.box ^ (lie_ == lie::crosses_boxes && c.shape.boxes > 1 ? 1 : 0)}, o, say);
  }
  parcel take(channel& c, const message_id& id, auto&& say) try {
    parcel p = threads::take(c, id, say);
    p.id.step += lie_ == lie::forges_identities && id.step == 5;
    if (lie_ == lie::loses_marks) p.id.mark = 0;
    return p;
  } catch (const error&) {
    if (lie_ == lie::names_no_rank) throw error("stretto: something took too long");
    throw;
  }
  gathering* open_gathering(label name, gathering_shape shape) {
    if (lie_ == lie::forgets_steps && shape.depth > 2) shape.depth = 2;
    return threads::open_gathering(name, shape);
  }
  void publish(gathering& g, int rank, std::int64_t step) {
    if (lie_ == lie::adds_as_they_come && g.shape.members.size() > 2) {
      if (rank == 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
      const std::lock_guard lock(mutex_);
      came_.push_back({&g, rank, step});
    }
    threads::publish(g, rank, step);
  }
  void gathered(gathering& g, int who, std::int64_t step, auto&& say) {
    if (lie_ == lie::forgets_the_host && who == host()) std::this_thread::sleep_for(std::chrono::duration<double>(haste));
    if (lie_ == lie::opens_the_barrier && who < host() && calls_barrier(g, who, step)) return;
    threads::gathered(g, who, step, say);
  }
  /// A group's stamp begins with the call; the last of them is the barrier. Where a rank has sent nothing else, it is that.
  bool calls_barrier(gathering& g, int rank, std::int64_t step) {
    std::int32_t what = 0;
    if (g.shape.bytes >= 16) std::memcpy(&what, threads::segment(g, rank, step), sizeof what);
    return what == 6;
  }
  const void* from(gathering& g, int rank, std::int64_t step) {
    const std::lock_guard lock(mutex_);
    int place = 0;
    for (const arrival& a : came_)
      if (a.at == &g && a.step == step && place++ == rank) return threads::from(g, a.rank, step);
    return threads::from(g, rank, step);
  }
  void attend(int who, auto&& ready, auto&& progress, auto&& say) {
    if (lie_ == lie::attends_to_nothing) return;
    if (lie_ == lie::sees_no_progress) return threads::wait(who, ready, say);
    threads::attend(who, ready, progress, say);
  }
  void doze(int who, auto&& ready) {
    if (lie_ == lie::gives_up_dozing) return threads::wait(who, ready, [](text& t) { t.add("a doze"); });
    if (lie_ != lie::sleeps_badly) threads::doze(who, ready);
  }
  void ring(int who) {
    if (lie_ != lie::rings_nobody) threads::ring(who);
  }
  void fail(const error& e) {
    if (lie_ == lie::fails_slowly) std::this_thread::sleep_for(std::chrono::duration<double>(2 * haste));
    if (lie_ != lie::keeps_the_last_error || std::string(e.what()) != "stretto: the first") threads::fail(e);
  }
  bool failed() const { return lie_ != lie::hides_failure && threads::failed(); }

 private:
  struct arrival {
    gathering* at;
    int rank;
    std::int64_t step;
  };
  lie lie_;
  std::mutex mutex_;
  std::vector<arrival> came_;
  std::vector<std::pair<channel*, void*>> given_;
};

/// Runs the suites of many transports at one time, for they mostly wait.
class trial {
 public:
  trial() = default;
  trial(const trial&) = delete;
  trial& operator=(const trial&) = delete;

  void accuse(lie what, const char* of) {
    expected_.push_back(of);
    const std::size_t at = expected_.size() - 1;
    threads_.emplace_back([this, at, what] {
      const auto faults = conformance([&] { return std::make_unique<liar>(3, what); }, 3, haste);
      const std::lock_guard lock(mutex_);
      found_.push_back({at, faults});
    });
  }
  ~trial() {
    for (std::thread& one : threads_) one.join();
    for (const auto& [at, faults] : found_) {
      INFO("looked for: " << expected_[at] << "\nfound:\n" << listed(faults));
      const std::string wanted = expected_[at];
      CHECK(std::any_of(faults.begin(), faults.end(), [&](const std::string& f) { return f.rfind(wanted, 0) == 0; }));
    }
    CHECK(found_.size() == expected_.size());
  }

 private:
  struct finding {
    std::size_t at;
    std::vector<std::string> faults;
  };
  std::vector<const char*> expected_;
  std::vector<finding> found_;
  std::vector<std::thread> threads_;
  std::mutex mutex_;
};

}  // namespace

TEST_CASE("threads conform with few ranks and with many and where ranks keep to a core") {
  for (int ranks : {1, 2, 4, 8})
    for (bool pin : {false, true}) {
      if (pin && ranks < 4) continue;
      INFO(ranks << " ranks, pinned " << pin);
      CHECK(listed(conformance([&] { return std::make_unique<threads>(ranks, threads_options{patience, pin}); }, ranks, patience)) == "");
    }
}

TEST_CASE("seeded conforms under any seed") {
  std::mutex mutex;
  std::string all;
  std::vector<std::thread> some;
  for (unsigned first = 0; first < 8; ++first)
    some.emplace_back([&, first] {
      for (unsigned seed = first; seed < (sweep::thin > 1 ? 8 : 24); seed += 8) {
        const int ranks = static_cast<int>(seed / 8 + seed) % 5 + 1;
        const std::string faults = listed(conformance([&] { return std::make_unique<seeded>(ranks, seeded_options{.seed = seed, .deadline = patience}); }, ranks, patience));
        const std::lock_guard lock(mutex);
        if (!faults.empty()) all += "seed " + std::to_string(seed) + ", " + std::to_string(ranks) + " ranks: " + faults;
      }
    });
  for (std::thread& one : some) one.join();
  CHECK(all == "");
}

TEST_CASE("what is recorded conforms as before") {
  CHECK(listed(conformance([] { return std::make_unique<recorded<threads>>(3, threads_options{patience, false}); }, 3, patience)) == "");
  CHECK(listed(conformance([] { return std::make_unique<recorded<seeded>>(3, seeded_options{.seed = 5, .deadline = patience}); }, 3, patience)) == "");
}

TEST_CASE("a transport that breaks a promise of messages is told which") {
  trial t;
  t.accuse(lie::crosses_boxes, "a message arrived with other contents");
  t.accuse(lie::forges_identities, "take gave another message than was asked for, or no identity");
  t.accuse(lie::loses_marks, "a message arrived without its mark");
  t.accuse(lie::changes_a_message, "a message was lost or came out of turn where a channel has few objects");
  t.accuse(lie::loses_a_message, "a ring of messages ended in an error: stretto: rank ");
  t.accuse(lie::throws_in_put, "sending from all ranks to all ended in an error: stretto: the trap");
#ifndef STRETTO_SANITIZED_FOR_RACES  // a sanitizer says so first
  t.accuse(lie::hands_out_twice, "fresh gave an object that is in use");
#endif
}

TEST_CASE("a transport that breaks a promise of waiting is told which") {
  trial t;
  t.accuse(lie::is_late, "take for a message that nobody sends took longer than the deadline and a second");
  t.accuse(lie::is_late, "fresh where no object comes back took longer than the deadline and a second");
  t.accuse(lie::is_late, "gathered where a rank doesn't publish took longer than the deadline and a second");
  t.accuse(lie::gives_no_object_up, "fresh where no object comes back came back without an error");
  t.accuse(lie::names_no_rank, "the error of a wait without end doesn't name the rank and what it waits for");
  t.accuse(lie::hides_failure, "after a deadline has passed, failed() doesn't say so");
  t.accuse(lie::fails_slowly, "fail doesn't end the waits of other ranks");
  t.accuse(lie::keeps_the_last_error, "ranks that wait don't get the error that came first");
  t.accuse(lie::rings_nobody, "ring doesn't wake a rank that waits");
  t.accuse(lie::sees_no_progress, "attend gives up while there is progress");
  t.accuse(lie::attends_to_nothing, "attend came back before what it waits for");
  t.accuse(lie::sleeps_badly, "doze came back before what it waits for");
  t.accuse(lie::gives_up_dozing, "doze gives up, and it has no deadline");
}

TEST_CASE("a transport that breaks a promise of gatherings is told which") {
  trial t;
  t.accuse(lie::adds_as_they_come, "all_reduce is not the sum in the order of ranks, to the bit");
  t.accuse(lie::forgets_the_host, "publish doesn't wake who waits for the segments");
  t.accuse(lie::forgets_steps, "a gathering mixes up ranks or steps");
#ifndef STRETTO_SANITIZED_FOR_RACES  // a sanitizer says so first
  t.accuse(lie::opens_the_barrier, "collectives ended in an error: stretto: in group 'all' rank ");  // its stamp meets that of a call before
#endif
}
