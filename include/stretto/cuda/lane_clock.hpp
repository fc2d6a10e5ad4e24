// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// When things happened on a stream, by the CPU's clock: marks are put between its work, and read when it has been waited for.
//
//     lane_clock<runtime> c;  c.start(stream, begin, of_device);  c.reserve(64);
//     c.begin();  …c.mark()… work …c.mark()…        0, 1, 2 …
//     c.settle();                                   waits for the stream
//     c.when(0)                                     nanoseconds of the steady clock
// The device's own clock is read by events, from one wait to the next. A wait ends some microseconds after the device does,
// so the least that was seen between both clocks counts, and follows them where they drift; all streams of a device have one
// such difference, so they agree among each other. Cost: a call of the driver a mark, and one to read it.
#pragma once

#include <chrono>
#include <cstdint>
#include <mutex>
#include <utility>
#include <vector>

namespace stretto::inline v0::cuda {

/// An event that knows when it was reached.
template <class Runtime>
class timed_event {
 public:
  timed_event() = default;
  static timed_event made() {
    timed_event e;
    e.what_ = Runtime::make_timed_event(), e.mine_ = true;
    return e;
  }
  timed_event(timed_event&& other) noexcept : what_(other.what_), mine_(std::exchange(other.mine_, false)) {}
  timed_event& operator=(timed_event&& other) noexcept { return std::swap(what_, other.what_), std::swap(mine_, other.mine_), *this; }
  ~timed_event() {
    if (mine_) Runtime::drop_event(what_);
  }
  void record(typename Runtime::stream s) { Runtime::record(what_, s); }
  /// From the one to the other, in nanoseconds; both have been reached.
  friend double between(const timed_event& from, const timed_event& to) { return Runtime::nanoseconds(from.what_, to.what_); }

 private:
  typename Runtime::event what_{};
  bool mine_ = false;
};

/// What the CPU's clock has more than a device's; for all streams of the device.
class device_clock {
 public:
  /// At that time of the device the CPU saw that one.
  double seen(double there, double cpu) {
    const std::lock_guard lock(mutex_);
    const double drifted = apart_ + (there > last_ ? drift * (there - last_) : 0);
    apart_ = known_ && drifted < cpu - there ? drifted : cpu - there;
    last_ = there > last_ ? there : last_, known_ = true;
    return apart_;
  }

 private:
  static constexpr double drift = 2e-5;  // of the one against the other, at most
  std::mutex mutex_;
  double apart_ = 0, last_ = 0;
  bool known_ = false;
};

template <class Runtime>
class lane_clock {
 public:
  /// Of a stream; `begin` was recorded on the same device and reached.
  void start(typename Runtime::stream s, const timed_event<Runtime>& begin, device_clock& of_device) {
    for (timed_event<Runtime>& e : ends_) e = timed_event<Runtime>::made();
    ends_[1].record(s);
    Runtime::synchronize(s);
    stream_ = s, device_ = &of_device, passed_ = between(begin, ends_[1]);
    apart_ = of_device.seen(passed_, now());
  }
  /// Room for so many marks at least. The calling thread uses the stream's device.
  void reserve(std::int64_t marks) {
    while (static_cast<std::int64_t>(marks_.size()) < marks) marks_.push_back(timed_event<Runtime>::made());
  }
  /// Marks count from 0 from here on.
  void begin() { next_ = 0; }
  void mark() {
    if (next_ < marks_.size()) marks_[next_++].record(stream_);
  }
  std::int64_t marks() const { return static_cast<std::int64_t>(next_); }

  /// Waits for the stream.
  void settle() {
    std::swap(ends_[0], ends_[1]);
    ends_[1].record(stream_);
    Runtime::synchronize(stream_);
    passed_ += between(ends_[0], ends_[1]);
    apart_ = device_->seen(passed_, now());
  }
  /// Of a mark before the last wait, in nanoseconds of the steady clock.
  std::int64_t when(std::int64_t mark) const { return static_cast<std::int64_t>(apart_ + (passed_ - between(marks_[static_cast<std::size_t>(mark)], ends_[1]))); }

 private:
  static double now() { return static_cast<double>(std::chrono::duration_cast<std::chrono::nanoseconds>(std::chrono::steady_clock::now().time_since_epoch()).count()); }

  typename Runtime::stream stream_{};
  device_clock* device_ = nullptr;
  std::vector<timed_event<Runtime>> marks_;
  timed_event<Runtime> ends_[2];  // of the last two waits
  std::size_t next_ = 0;
  double passed_ = 0, apart_ = 0;  // by the device's clock, at the last wait; what the CPU's has more
};

}  // namespace stretto::inline v0::cuda
