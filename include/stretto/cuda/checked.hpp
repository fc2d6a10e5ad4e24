// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// checked: a device that isn't there. It has the functions of the real runtime (runtime.hpp), so that queues, transports and
// operations run over it on any machine, and finds in any program what its streams don't wait for (stream_order.hpp).
//
//     checked::begin({.seed = 7});
//     basic_streams<checked> t(4);  pipeline p(t, model, cut, plan);  p.step().loss();
//     for (const std::string& fault : checked::finish()) …
// Work is done late, by the thread that waits for it, in an order that the seed draws of those that streams and events
// allow: copies, and functions of the CPU that are put on streams; kernels are noted and not run. Memory is the CPU's.
// Cost: a lock for each call. One program at a time has the device.
#pragma once

#include <algorithm>
#include <chrono>
#include <cstdint>
#include <cstring>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <new>
#include <string>
#include <vector>

#include <stretto/core/error.hpp>
#include <stretto/core/random.hpp>
#include <stretto/cuda/launch_shape.hpp>
#include <stretto/cuda/stream_order.hpp>

namespace stretto::inline v0::cuda {

struct checked_options {
  std::uint32_t seed = 0;
  int devices = 1;
};

class checked {
 public:
  using stream = int;
  using event = int;
  static constexpr const char* name = "checked";
  static constexpr bool watches = true;

  /// Forgets all that was before.
  static void begin(const checked_options& how = {}) { here() = std::make_unique<world>(how), device() = 0; }
  /// Does what is still to be done; all faults.
  static std::vector<std::string> finish() {
    const std::lock_guard lock(mutex());
    world& w = *here();
    w.run_all();
    w.order.finish();
    return w.order.faults();
  }
  /// How much work was put on streams.
  static std::int64_t works() { return here()->order.works(); }

  static int devices() { return here()->how.devices; }
  static int multiprocessors(int) { return 132; }
  static void use(int device) {
    if (device < 0 || device >= devices()) throw error(text("stretto: there are ", devices(), " devices, and device ", device, " is asked for; name one from 0").str());
    checked::device() = device;
  }
  /// The device of the calling thread.
  static int current() { return device(); }

  static stream make_stream() {
    const std::lock_guard lock(mutex());
    here()->lanes.emplace_back();
    return here()->order.add_stream(device());
  }
  /// What is on it is done, and nobody has waited for that.
  static void drop_stream(stream s) {
    const std::lock_guard lock(mutex());
    while (!here()->lanes[index(s) - 1].empty()) here()->one();
  }
  static event make_event() {
    const std::lock_guard lock(mutex());
    here()->records.push_back(0), here()->reached.push_back(0), here()->when.push_back(0);
    return here()->order.add_event(device());
  }
  static event make_timed_event() { return make_event(); }
  static void drop_event(event) {}
  static double nanoseconds(event from, event to) {
    const std::lock_guard lock(mutex());
    world& w = *here();
    w.order.read_time(from), w.order.read_time(to);
    return static_cast<double>(w.when[index(to)] - w.when[index(from)]);
  }

  static void record(event e, stream s) {
    const std::lock_guard lock(mutex());
    world& w = *here();
    w.order.record(e, s);
    const std::int64_t number = ++w.records[index(e)];
    w.put(s, [&w, e, number] { w.reached[index(e)] = (std::max)(w.reached[index(e)], number), w.when[index(e)] = now(); });
  }
  static void wait(stream s, event e) {
    const std::lock_guard lock(mutex());
    world& w = *here();
    w.order.wait(s, e);
    w.lanes[index(s) - 1].push_back({[] {}, e, w.records[index(e)]});
    w.some();
  }
  static bool is_done(event e) {
    const std::lock_guard lock(mutex());
    world& w = *here();
    w.some();
    if (w.reached[index(e)] < w.records[index(e)]) return false;
    w.order.synchronize_event(e);
    return true;
  }
  static void synchronize_event(event e) {
    const std::lock_guard lock(mutex());
    world& w = *here();
    w.order.synchronize_event(e);
    while (w.reached[index(e)] < w.records[index(e)]) w.one();
  }
  static void synchronize(stream s) {
    const std::lock_guard lock(mutex());
    world& w = *here();
    w.order.synchronize_stream(s);
    while (!w.lanes[index(s) - 1].empty()) w.one();
  }

  static void use_again(int device) noexcept { checked::device() = device; }
  static void finish(stream s) { synchronize(s); }

  static void* take(std::int64_t bytes) { return take(bytes, "memory", device()); }
  static void* take(std::int64_t bytes, const char* what, int where) {
    void* const block = ::operator new(static_cast<std::size_t>(bytes), std::align_val_t{256});
    std::memset(block, 0xcd, static_cast<std::size_t>(bytes));  // a number that nobody wants
    const std::lock_guard lock(mutex());
    here()->order.taken(block, bytes, what, where);
    return block;
  }
  /// Waits for all work of its device before.
  static void give(void* block) {
    const std::lock_guard lock(mutex());
    here()->run_all();
    here()->order.synchronize_all(here()->order.device_of(block));
    here()->order.given_back(block, stream_order::host);
    ::operator delete(block, std::align_val_t{256});
  }
  static void* take_in_order(std::int64_t bytes, stream) { return take(bytes, "memory of a stream", device()); }
  static void give_in_order(void* block, stream s) {
    const std::lock_guard lock(mutex());
    here()->order.given_back(block, s);
    here()->put(s, [block] { ::operator delete(block, std::align_val_t{256}); });
  }
  static void* take_pinned(std::int64_t bytes) { return take(bytes, "pinned memory", -1); }
  static void give_pinned(void* block) { give(block); }

  static void zero_now(void* block, std::int64_t bytes) {
    touched_by_host("zeroing", {block, bytes, true});
    std::memset(block, 0, static_cast<std::size_t>(bytes));
  }
  /// Between the device and the CPU's ordinary memory, too.
  static void copy_now(void* to, const void* from, std::int64_t bytes) {
    const std::lock_guard lock(mutex());
    here()->run_all();
    for (const touch& t : {touch{from, bytes, false}, touch{to, bytes, true}})
      if (here()->order.knows(t.first)) here()->order.work(stream_order::host, "copying", &t, 1);
    std::memcpy(to, from, static_cast<std::size_t>(bytes));
  }

  static void copy(void* to, const void* from, std::int64_t bytes, stream s) {
    const std::lock_guard lock(mutex());
    const touch t[] = {{from, bytes, false}, {to, bytes, true}};
    if (!here()->order.work(s, "copy", t, 2)) return;
    here()->put(s, [=] { std::memcpy(to, from, static_cast<std::size_t>(bytes)); });
  }
  static void zero(void* block, std::int64_t bytes, stream s) {
    const std::lock_guard lock(mutex());
    const touch t{block, bytes, true};
    if (!here()->order.work(s, "zero", &t, 1)) return;
    here()->put(s, [=] { std::memset(block, 0, static_cast<std::size_t>(bytes)); });
  }
  /// What the host itself reads or writes, of the device's memory or of pinned memory.
  static void touched_by_host(const char* who, const touch& t) {
    const std::lock_guard lock(mutex());
    here()->order.work(stream_order::host, who, &t, 1);
  }

  /// A kernel is noted alone.
  template <class Arguments>
  static void launch(const char* who, void (*)(Arguments), const launch_shape&, stream s, const Arguments&, const touch* touches, int count) {
    const std::lock_guard lock(mutex());
    here()->order.launched(s, who, device());
    here()->order.work(s, who, touches, count, false);
  }
  /// A function of the CPU is called when its turn comes.
  template <class Arguments>
  static void call(const char* who, void (*function)(const Arguments&), stream s, const Arguments& a, const touch* touches, int count) {
    const std::lock_guard lock(mutex());
    here()->order.work(s, who, touches, count, false);
    here()->put(s, [function, a] { function(a); });
  }

 private:
  struct job {
    std::function<void()> work;
    event needs = -1;
    std::int64_t record = 0;  // which recording of it
  };
  struct world {
    explicit world(const checked_options& h) : how(h) {}
    checked_options how;
    stream_order order;
    std::vector<std::deque<job>> lanes;                // by stream
    std::vector<std::int64_t> records, reached, when;  // by event: how often it was recorded, and was reached, and when
    std::int64_t drawn = 0;

    std::uint32_t draw() { return random_stream{how.seed, 0, 0, 0}.bits(drawn++); }
    void put(stream s, std::function<void()> work) {
      lanes[index(s) - 1].push_back({std::move(work), -1, 0});
      some();
    }
    /// Now and then something is done before anybody waits for it.
    void some() {
      while (draw() % 4 == 0 && one()) {}
    }
    /// Does one piece of work of those that may be next; false where there is none.
    bool one() {
      std::vector<std::size_t> next;
      for (std::size_t s = 0; s < lanes.size(); ++s)
        if (!lanes[s].empty() && (lanes[s].front().needs < 0 || reached[index(lanes[s].front().needs)] >= lanes[s].front().record)) next.push_back(s);
      if (next.empty()) return false;
      auto& lane = lanes[next[draw() % next.size()]];
      const job j = std::move(lane.front());
      lane.pop_front();
      j.work();
      return true;
    }
    void run_all() {
      while (one()) {}
    }
  };

  static std::int64_t now() { return std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count(); }
  static std::size_t index(int i) { return static_cast<std::size_t>(i); }
  static std::unique_ptr<world>& here() {
    static std::unique_ptr<world> all = std::make_unique<world>(checked_options{});
    return all;
  }
  static int& device() {
    static thread_local int now = 0;
    return now;
  }
  static std::mutex& mutex() {
    static std::mutex all;
    return all;
  }
};

}  // namespace stretto::inline v0::cuda
