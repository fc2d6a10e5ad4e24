// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Puts a transport through its paces: what the pipeline relies on, asked of any class that calls itself one.
//
//     const auto faults = conformance([] { return std::make_unique<my_transport>(4, 0.5); }, 4, 0.5);
//     for (const std::string& f : faults) std::puts(f.c_str());                 empty: it conforms
// The function makes a new transport of that many ranks with that deadline in seconds. Each check starts a thread a rank of
// this process; where ranks are processes, all of them call it, and each gets the faults that it saw. Give a deadline that a thread surely wakes up in: a fifth of a second, or some where the machine
// is busy. Cost: two deadlines and some ten thousand messages.
#pragma once

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <exception>
#include <mutex>
#include <string>
#include <thread>
#include <type_traits>
#include <utility>
#include <vector>

#include <stretto/core/random.hpp>
#include <stretto/transport/group.hpp>
#include <stretto/transport/transport.hpp>

namespace stretto::inline v0 {

namespace detail {

/// What the checks send.
struct test_object {
  std::int64_t numbers[8] = {};
  std::atomic<int> users = 0;
};

template <class Make>
class conformance_run {
 public:
  conformance_run(Make& make, int ranks, double deadline) : make_(make), ranks_(ranks), deadline_(deadline) {}

  std::vector<std::string> run() {
    messages();
    rings();
    clocks(bells());
    failure();
    gatherings();
    collectives();
    return faults_;
  }
 private:
  using made = decltype(std::declval<Make&>()());
  using type = std::remove_cvref_t<decltype(*std::declval<made&>())>;
  static_assert(transport<type>, "stretto: conformance is for transports; give the class what transport.hpp lists");
  using clock = std::chrono::steady_clock;
  static constexpr bool apart = copies_messages<type>();  // ranks see nothing of each other but messages
  static void quiet(text& t) { t.add("a message of the conformance suite"); }
  void fault(const std::string& f) {
    const std::lock_guard lock(mutex_);
    if (std::find(faults_.begin(), faults_.end(), f) == faults_.end()) faults_.push_back(f);
  }
  void expect(bool holds, const char* f) {
    if (!holds) fault(f);
  }
  static void doze_a_little(double seconds) { std::this_thread::sleep_for(std::chrono::duration<double>(seconds)); }
  static double since(clock::time_point begun) { return std::chrono::duration<double>(clock::now() - begun).count(); }

  /// Runs work(rank) on a thread for each rank; what it throws is kept.
  template <class Work>
  std::vector<std::string> on_all(type& t, Work&& work) {
    return on_all(t, work, [] {}, false);
  }
  /// And the host's work on this one; what that throws comes last.
  template <class Work, class Host>
  std::vector<std::string> on_all(type& t, Work&& work, Host&& host, bool has_host = true) {
    std::vector<std::string> thrown(static_cast<std::size_t>(ranks_) + 1);
    std::vector<std::thread> all;
    if (has_host) t.enter(t.host());
    for (int r = 0; r < ranks_; ++r) {
      if (!t.local(r)) continue;
      all.emplace_back([&, r] {
        t.enter(r);
        try {
          work(r);
        } catch (const std::exception& e) {
          thrown[static_cast<std::size_t>(r)] = e.what();
        }
        t.leave(r);
      });
    }
    try {
      host();
    } catch (const std::exception& e) {
      thrown.back() = e.what();
    }
    if (has_host) t.leave(t.host());
    for (std::thread& one : all) one.join();
    return thrown;
  }
  void expect_none(const std::vector<std::string>& thrown, const char* where) {
    for (const std::string& words : thrown)
      if (!words.empty()) fault(std::string(where) + " ended in an error: " + words);
  }

  channel_shape shape(int from, int to, std::int64_t boxes, int objects) const {
    channel_shape s;
    s.from = from, s.to = to, s.boxes = boxes, s.objects = objects;
    s.make = [](const void*) -> void* { return new test_object; };
    s.drop = [](void* p) { delete static_cast<test_object*>(p); };
    s.bytes = [](const void*) -> std::int64_t { return sizeof(test_object::numbers); };
    s.cross = [](void* p, crossing& w) { w.run(static_cast<test_object*>(p)->numbers, sizeof(test_object::numbers)); };
    s.maker = this;
    return s;
  }

  /// All to all, boxes filled in one order and emptied in another, over several steps.
  void messages() {
    const auto t = make_();
    constexpr std::int64_t boxes = 16, steps = 6;
    std::vector<typename type::channel*> channels;
    for (int a = 0; a < ranks_; ++a)
      for (int b = 0; b < ranks_; ++b) channels.push_back(t->open(shape(a, b, boxes, boxes)));
    const auto order = [](int salt, std::int64_t step) {
      std::vector<std::int64_t> all;
      for (std::int64_t i = 0; i < boxes; ++i) all.push_back(i);
      for (std::size_t i = all.size(); i-- > 1;)
        std::swap(all[i], all[random_stream{9, static_cast<std::uint32_t>(step), 0, static_cast<std::uint32_t>(salt)}.bits(static_cast<std::int64_t>(i)) % (i + 1)]);
      return all;
    };
    expect_none(on_all(*t, [&](int r) {
      for (std::int64_t step = 0; step < steps; ++step) {
        for (std::int64_t box : order(r, step))
          for (int to = 0; to < ranks_; ++to) {
            const int c = r * ranks_ + to;
            auto* o = static_cast<test_object*>(t->fresh(*channels[static_cast<std::size_t>(c)], quiet));
            expect(o->users.fetch_add(1) == 0 || apart, "fresh gave an object that is in use");
            for (std::int64_t i = 0; i < 8; ++i) o->numbers[i] = ((step * 1000 + c) * 1000 + box) * 10 + i;
            t->put(*channels[static_cast<std::size_t>(c)], {step, c, box, static_cast<std::int32_t>((step + box) % 3)}, o, quiet);
          }
        for (std::int64_t box : order(r + 100, step))
          for (int from = 0; from < ranks_; ++from) {
            const int c = from * ranks_ + r;
            const message_id id{step, c, box};
            const parcel p = t->take(*channels[static_cast<std::size_t>(c)], id, quiet);
            auto* o = static_cast<test_object*>(p.object);
            expect(p.id == id, "take gave another message than was asked for, or no identity");
            expect(p.id.mark == (step + box) % 3, "a message arrived without its mark");
            for (std::int64_t i = 0; i < 8 && p.id.mark == 0; ++i)  // else it need not have come along
              expect(o->numbers[i] == ((step * 1000 + c) * 1000 + box) * 10 + i, "a message arrived with other contents");
            expect(o->users.fetch_sub(1) == 1 || apart, "an object was handed out while it was in use");
            t->give_back(*channels[static_cast<std::size_t>(c)], o);
          }
      }
    }), "sending from all ranks to all");
  }

  /// More messages than objects: a sender that is ahead waits for objects to come back, and loses nothing.
  void rings() {
    const auto t = make_();
    std::vector<typename type::channel*> channels;
    for (int r = 0; r < ranks_; ++r) channels.push_back(t->open(shape(r, (r + 1) % ranks_, 1, 2)));
    expect_none(on_all(*t, [&](int r) {
      const int before = (r + ranks_ - 1) % ranks_;
      for (std::int64_t step = 0; step < 500; ++step) {
        auto* o = static_cast<test_object*>(t->fresh(*channels[static_cast<std::size_t>(r)], quiet));
        o->numbers[0] = step;
        t->put(*channels[static_cast<std::size_t>(r)], {step, r, 0}, o, quiet);
        const parcel p = t->take(*channels[static_cast<std::size_t>(before)], {step, before, 0}, quiet);
        expect(p.id == message_id{step, before, 0}, "take gave another message than was asked for, or no identity");
        expect(static_cast<test_object*>(p.object)->numbers[0] == step, "a message was lost or came out of turn where a channel has few objects");
        t->give_back(*channels[static_cast<std::size_t>(before)], p.object);
      }
    }), "a ring of messages");
  }

  /// Two ranks wake each other, over and over. Gives whether they did.
  bool bells() {
    if (ranks_ < 2 || apart) return true;
    const auto t = make_();
    std::atomic<int> turns = 0;
    const auto begun = clock::now();
    const auto thrown = on_all(*t, [&](int r) {
      for (int i = r; i < 400 && r < 2 && since(begun) < deadline_; i += 2) {
        t->wait(r, [&] { return turns.load(std::memory_order_acquire) == i; }, quiet);
        if (i % 100 < 2) doze_a_little(0.005);  // so that the other is asleep
        turns.store(i + 1, std::memory_order_release);
        t->ring(1 - r);
      }
    });
    const bool woke = turns.load() == 400 && thrown[0].empty() && thrown[1].empty();
    expect(woke, "ring doesn't wake a rank that waits");
    return woke;
  }

  /// What takes its time, at one time.
  void clocks(bool rings) {
    std::vector<made> transports;
    for (int i = 0; i < 4; ++i) transports.push_back(make_());
    std::vector<std::thread> all;
    for (int kind = 0; kind < 3; ++kind) {
      all.emplace_back([&, kind] { deadline(*transports[static_cast<std::size_t>(kind)], kind); });
      if (apart) all.back().join(), all.pop_back();  // processes take turns anyway
    }
    if (apart) return;
    if (rings) patience(*transports[3]);  // or who dozes would do so for ever
    for (std::thread& one : all) one.join();
  }

  /// Who attends to others waits while they get on, however long that takes, and who dozes has no deadline.
  void patience(type& t) {
    std::atomic<std::int64_t> ended = 0;
    const auto done = [&] { return ended.load(std::memory_order_acquire) == 6; };
    const auto attend = [&](int who) {
      t.attend(who, done, [&] { return ended.load(); }, quiet);
      expect(done(), "attend came back before what it waits for");
    };
    const auto thrown = on_all(t, [&](int r) {
      if (r == 1) {
        attend(r);
        return;
      }
      if (r > 1) {
        t.doze(r, done);
        expect(done(), "doze came back before what it waits for");
        return;
      }
      while (!done()) {
        doze_a_little(deadline_ / 4);
        ended.fetch_add(1);
      }
      for (int other = 1; other < ranks_; ++other) t.ring(other);
      t.ring(t.host());
    }, [&] { attend(t.host()); });
    for (int r = 0; r <= ranks_; ++r) {
      const bool dozes = r > 1 && r < ranks_;
      if (!thrown[static_cast<std::size_t>(r)].empty()) fault(dozes ? "doze gives up, and it has no deadline" : "attend gives up while there is progress");
    }
  }

  /// Whatever a rank waits for, it gives up at the deadline, and says so.
  void deadline(type& t, int kind) {
    const char* const names[] = {"take for a message that nobody sends", "fresh where no object comes back", "gathered where a rank doesn't publish"};
    if (kind == 2 && ranks_ < 2) return;
    const int who = ranks_ - 1;
    auto* c = t.open(kind == 0 ? shape(0, who, 1, 1) : shape(who, 0, 1, 1));
    auto* g = t.open_gathering("deadline", {16, 2, {}});
    const auto begun = clock::now();
    const auto thrown = on_all(t, [&](int r) {
      if (r != who) return;
      if (kind == 0) t.take(*c, {0, 0, 0}, quiet);
      if (kind == 1) t.fresh(*c, quiet), t.fresh(*c, quiet);
      if (kind == 2) t.publish(*g, r, 0), t.gathered(*g, r, 0, quiet);
    });
    if (!t.local(who)) return;
    const std::string& words = thrown[static_cast<std::size_t>(who)];
    const std::string name = names[kind];
    if (words.empty()) fault(name + " came back without an error");
    if (since(begun) > deadline_ + 1) fault(name + " took longer than the deadline and a second");
    expect(words.find("rank " + std::to_string(who)) != std::string::npos && words.find("a message of the conformance suite") != std::string::npos,
           "the error of a wait without end doesn't name the rank and what it waits for");
    expect(t.failed(), "after a deadline has passed, failed() doesn't say so");
  }

  /// Ranks that wait in every way there is are sent home at once.
  void failure() {
    if (ranks_ < 2) return;
    const auto t = make_();
    std::vector<typename type::channel*> channels;
    for (int r = 0; r < ranks_; ++r) channels.push_back(t->open(shape(0, r, 1, 1)));
    auto* g = t->open_gathering("failure", {16, 2, {}});
    const auto begun = clock::now();
    const auto thrown = on_all(*t, [&](int r) {
      if (r == 0) {
        doze_a_little(0.02);  // so that the others are asleep
        t->fail(error("stretto: the first"));
        t->fail(error("stretto: the second"));
        return;
      }
      if (r % 3 == 1) t->wait(r, [] { return false; }, quiet);
      if (r % 3 == 2) t->take(*channels[static_cast<std::size_t>(r)], {0, r, 0}, quiet);
      if (r % 3 == 0) t->gathered(*g, r, 0, quiet);
    });
    expect(since(begun) < 0.02 + deadline_ * 3 / 4, "fail doesn't end the waits of other ranks");
    for (int r = 1; r < ranks_; ++r) expect(!t->local(r) || thrown[static_cast<std::size_t>(r)] == "stretto: the first", "ranks that wait don't get the error that came first");
    std::string later;
    try {
      t->enter(t->host());
      t->wait(t->host(), [] { return false; }, quiet);
    } catch (const std::exception& e) {
      later = e.what();
    }
    t->leave(t->host());
    expect(later == "stretto: the first", "who waits after a failure doesn't get its error at once");
  }

  /// Segments of several steps stay, of some ranks as of all, and the host is woken when the last is there.
  void gatherings() {
    const auto t = make_();
    auto* all = t->open_gathering("all", {24, 3, {}});
    auto* ends = t->open_gathering("ends", {8, 2, ranks_ > 1 ? std::vector<int>{0, ranks_ - 1} : std::vector<int>{0}});
    const auto begun = clock::now();
    const auto seen = [&](int who) {
      t->gathered(*all, who, 2, quiet);
      for (std::int64_t step = 0; step < 3; ++step)
        for (int r = 0; r < ranks_; ++r) expect(static_cast<const std::int64_t*>(t->from(*all, r, step))[2] == step * 100 + r, "a gathering mixes up ranks or steps");
    };
    expect_none(on_all(*t, [&](int r) {
      if (r == ranks_ - 1) doze_a_little(0.02);  // so that the others are asleep
      for (std::int64_t step = 0; step < 3; ++step) {
        static_cast<std::int64_t*>(t->segment(*all, r, step))[2] = step * 100 + r;
        t->publish(*all, r, step);
      }
      if (r > 0 && r < ranks_ - 1) return;
      *static_cast<std::int64_t*>(t->segment(*ends, r, 0)) = r;
      t->publish(*ends, r, 0);
      t->gathered(*ends, r, 0, quiet);
      for (int end : {0, ranks_ - 1}) expect(*static_cast<const std::int64_t*>(t->from(*ends, end, 0)) == end, "a gathering of some ranks mixes them up");
      seen(r);
    }, [&] {
      seen(t->host());
    }), "gathering");
    expect(since(begun) < 0.02 + deadline_ * 3 / 4, "publish doesn't wake who waits for the segments");
  }

  void collectives() {
    const auto t = make_();
    constexpr std::int64_t n = 37;
    // Divided by 3, or sums would be exact and have the same bits in any order.
    const auto value = [](int rank, std::int64_t i) { return (random_stream{4, 0, 0, static_cast<std::uint32_t>(rank)}.uniform(i) - 0.3f) * static_cast<float>(1 + rank) / 3.0f; };
    expect_none(on_all(*t, [&](int r) {
      group g(*t, r, "all", {}, 64);  // room for 16 floats, so that runs go in pieces
      std::vector<float> x, sum, gathered(static_cast<std::size_t>(n * ranks_)), share(static_cast<std::size_t>(n));
      for (std::int64_t i = 0; i < n; ++i) {
        x.push_back(value(r, i));
        float s = value(0, i);
        for (int k = 1; k < ranks_; ++k) s += value(k, i);
        sum.push_back(s);
      }
      std::vector<float> y = x;
      g.all_reduce(view<float>{y.data(), n});
      expect(y == sum, "all_reduce is not the sum in the order of ranks, to the bit");
      g.all_gather(view<const float>{x.data(), n}, view<float>{gathered.data(), n * ranks_});
      for (std::int64_t i = 0; i < n * ranks_; ++i) expect(gathered[static_cast<std::size_t>(i)] == value(static_cast<int>(i / n), i % n), "all_gather mixes up ranks or elements");
      std::vector<float> many;
      for (int k = 0; k < ranks_; ++k)
        for (std::int64_t i = 0; i < n; ++i) many.push_back(value(r, i) + static_cast<float>(k));
      g.reduce_scatter(view<const float>{many.data(), n * ranks_}, view<float>{share.data(), n});
      for (std::int64_t i = 0; i < n; ++i) {
        float s = value(0, i) + static_cast<float>(r);
        for (int k = 1; k < ranks_; ++k) s += value(k, i) + static_cast<float>(r);
        expect(share[static_cast<std::size_t>(i)] == s, "reduce_scatter is not the sum of the shares in the order of ranks");
      }
      g.all_to_all(view<const float>{many.data(), n * ranks_}, view<float>{gathered.data(), n * ranks_});
      for (std::int64_t i = 0; i < n * ranks_; ++i)
        expect(gathered[static_cast<std::size_t>(i)] == value(static_cast<int>(i / n), i % n) + static_cast<float>(r), "all_to_all mixes up ranks or elements");
      for (std::int64_t i = 0; i < n * ranks_; ++i)  // runs of other lengths than a rank gave would be read beyond their ends
        if (gathered[static_cast<std::size_t>(i)] != value(static_cast<int>(i / n), i % n) + static_cast<float>(r)) throw error("stretto: what follows is left out");
      std::vector<std::int64_t> counts;
      std::vector<int> sent, got;
      for (int k = 0; k < ranks_; ++k) {
        counts.push_back((r + 2 * k) % 5);
        for (int i = 0; i < (r + 2 * k) % 5; ++i) sent.push_back(r * 100 + k * 10 + i);
      }
      const auto came = g.all_to_all_v(view<const int>{sent.data(), static_cast<std::int64_t>(sent.size())}, counts, got);
      std::vector<int> right;
      for (int k = 0; k < ranks_; ++k) {
        expect(came[static_cast<std::size_t>(k)] == (k + 2 * r) % 5, "all_to_all_v counts wrongly");
        for (int i = 0; i < (k + 2 * r) % 5; ++i) right.push_back(k * 100 + r * 10 + i);
      }
      expect(got == right, "all_to_all_v mixes up ranks or elements");
      std::vector<float> z = x;
      g.broadcast(view<float>{z.data(), n}, ranks_ - 1);
      for (std::int64_t i = 0; i < n; ++i) expect(z[static_cast<std::size_t>(i)] == value(ranks_ - 1, i), "broadcast gives other numbers than the root has");
      for (int k = 1; k <= ranks_; ++k) {
        if (r == k - 1) doze_a_little(0.002);  // each comes last once
        arrived_.fetch_add(1);
        g.barrier();
        expect(apart || arrived_.load() >= k * ranks_, "barrier lets ranks through before all have come");
      }
    }), "collectives");
  }

  Make& make_;
  int ranks_;
  double deadline_;
  std::atomic<int> arrived_ = 0;
  std::mutex mutex_;
  std::vector<std::string> faults_;
};

}  // namespace detail

/// What a transport does that it shouldn't, in sentences.
template <class Make>
std::vector<std::string> conformance(Make make, int ranks, double deadline) {
  return detail::conformance_run<Make>(make, ranks, deadline).run();
}

}  // namespace stretto::inline v0
