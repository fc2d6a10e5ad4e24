// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Puts a transport through its paces: what the pipeline relies on, asked of any class that calls itself one.
//
//     const auto faults = conformance([] { return std::make_unique<my_transport>(4, 0.5); }, 4, 0.5);
//     for (const std::string& f : faults) std::puts(f.c_str());                 empty: it conforms
// The function makes a new transport of that many ranks with that deadline in seconds; its ranks must be local. Each check
// starts a thread a rank. Cost: a few deadlines and some ten thousand messages.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <string>
#include <thread>
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
    deadline();
    failure();
    collectives();
    return faults_;
  }

 private:
  using made = decltype(std::declval<Make&>()());
  using type = std::remove_cvref_t<decltype(*std::declval<made&>())>;
  static_assert(transport<type>, "stretto: conformance is for transports; give the class what transport.hpp lists");
  using clock = std::chrono::steady_clock;

  static void quiet(text& t) { t.add("a message of the conformance suite"); }
  void fault(const std::string& f) {
    const std::lock_guard lock(mutex_);
    for (const std::string& old : faults_)
      if (old == f) return;
    faults_.push_back(f);
  }
  void expect(bool holds, const char* f) {
    if (!holds) fault(f);
  }

  /// Runs work(rank) on a thread for each rank; what it throws is kept.
  template <class Work>
  std::vector<std::string> on_all(type& t, Work&& work) {
    std::vector<std::string> thrown(static_cast<std::size_t>(ranks_));
    std::vector<std::thread> all;
    for (int r = 0; r < ranks_; ++r)
      all.emplace_back([&, r] {
        t.enter(r);
        try {
          work(r);
        } catch (const std::exception& e) {
          thrown[static_cast<std::size_t>(r)] = e.what();
        }
        t.leave(r);
      });
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
            expect(o->users.fetch_add(1) == 0, "fresh gave an object that is in use");
            for (std::int64_t i = 0; i < 8; ++i) o->numbers[i] = ((step * 1000 + c) * 1000 + box) * 10 + i;
            t->put(*channels[static_cast<std::size_t>(c)], {step, c, box}, o, quiet);
          }
        for (std::int64_t box : order(r + 100, step))
          for (int from = 0; from < ranks_; ++from) {
            const int c = from * ranks_ + r;
            const message_id id{step, c, box};
            const parcel p = t->take(*channels[static_cast<std::size_t>(c)], id, quiet);
            auto* o = static_cast<test_object*>(p.object);
            expect(p.id == id, "take gave another message than was asked for, or no identity");
            for (std::int64_t i = 0; i < 8; ++i) expect(o->numbers[i] == ((step * 1000 + c) * 1000 + box) * 10 + i, "a message arrived with other contents");
            expect(o->users.fetch_sub(1) == 1, "an object was handed out while it was in use");
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
        expect(static_cast<test_object*>(p.object)->numbers[0] == step, "a message was lost or came out of turn where a channel has few objects");
        t->give_back(*channels[static_cast<std::size_t>(before)], p.object);
      }
    }), "a ring of messages");
  }

  void deadline() {
    const auto t = make_();
    auto* c = t->open(shape(0, ranks_ - 1, 1, 1));
    const auto begun = clock::now();
    const auto thrown = on_all(*t, [&](int r) {
      if (r == ranks_ - 1) t->take(*c, {0, 0, 0}, quiet);
    });
    const double took = std::chrono::duration<double>(clock::now() - begun).count();
    const std::string& words = thrown[static_cast<std::size_t>(ranks_ - 1)];
    expect(!words.empty(), "take for a message that nobody sends came back without an error");
    expect(took < deadline_ + 1, "take for a message that nobody sends took longer than the deadline and a second");
    expect(words.find("rank " + std::to_string(ranks_ - 1)) != std::string::npos && words.find("a message of the conformance suite") != std::string::npos,
           "the error of a wait without end doesn't name the rank and what it waits for");
    expect(t->failed(), "after a deadline has passed, failed() doesn't say so");
  }

  void failure() {
    if (ranks_ < 2) return;
    const auto t = make_();
    auto* c = t->open(shape(0, 1, 1, 1));
    const auto begun = clock::now();
    const auto thrown = on_all(*t, [&](int r) {
      if (r == 0) {
        t->fail(error("stretto: the first"));
        t->fail(error("stretto: the second"));
      } else {
        t->wait(r, [] { return false; }, quiet);
      }
    });
    expect(std::chrono::duration<double>(clock::now() - begun).count() < deadline_ + 1, "fail doesn't end the waits of other ranks");
    for (int r = 1; r < ranks_; ++r) expect(thrown[static_cast<std::size_t>(r)] == "stretto: the first", "ranks that wait don't get the error that came first");
    std::string later;
    try {
      t->enter(t->host());
      t->wait(t->host(), [] { return false; }, quiet);
    } catch (const std::exception& e) {
      later = e.what();
    }
    t->leave(t->host());
    expect(later == "stretto: the first", "who waits after a failure doesn't get its error at once");
    (void)c;
  }

  void collectives() {
    const auto t = make_();
    constexpr std::int64_t n = 37;
    const auto value = [](int rank, std::int64_t i) { return random_stream{4, 0, 0, static_cast<std::uint32_t>(rank)}.uniform(i) - 0.3f; };
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
      arrived_.fetch_add(1);
      g.barrier();
      expect(arrived_.load() == ranks_, "barrier lets ranks through before all have come");
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
