// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A stream and an event that belong to somebody, and the device of a scope.
//
//     basic_stream<runtime> a, b;  basic_event<runtime> written;
//     …work on a…;  written.record(a.get());  written.hold(b.get());  …work on b that needs it…
// Work on one stream is done in its order; between streams only events say what comes first. Cost: a call of the driver each.
#pragma once

#include <utility>

namespace stretto::inline v0::cuda {

/// The calling thread makes and uses memory of a device while this lives, and then of that of before.
template <class Runtime>
class on_device {
 public:
  explicit on_device(int device) : before_(Runtime::current()) { Runtime::use(device); }
  on_device(const on_device&) = delete;
  ~on_device() { Runtime::use_again(before_); }

 private:
  int before_;
};

template <class Runtime>
class basic_stream {
 public:
  basic_stream() : what_(Runtime::make_stream()), mine_(true) {}
  basic_stream(basic_stream&& other) noexcept : what_(other.what_), mine_(std::exchange(other.mine_, false)) {}
  basic_stream& operator=(basic_stream&&) = delete;
  ~basic_stream() {
    if (mine_) Runtime::drop_stream(what_);
  }

  typename Runtime::stream get() const { return what_; }
  void synchronize() const { Runtime::synchronize(what_); }

 private:
  typename Runtime::stream what_;
  bool mine_;
};

template <class Runtime>
class basic_event {
 public:
  basic_event() : what_(Runtime::make_event()), mine_(true) {}
  basic_event(basic_event&& other) noexcept : what_(other.what_), mine_(std::exchange(other.mine_, false)), recorded_(other.recorded_) {}
  basic_event& operator=(basic_event&&) = delete;
  ~basic_event() {
    if (mine_) Runtime::drop_event(what_);
  }

  /// Behind what is on the stream so far.
  void record(typename Runtime::stream s) { Runtime::record(what_, s), recorded_ = true; }
  /// What is put on the stream from here on comes behind it. An event that was never recorded holds nobody.
  void hold(typename Runtime::stream s) const {
    if (recorded_) Runtime::wait(s, what_);
  }
  void synchronize() const {
    if (recorded_) Runtime::synchronize_event(what_);
  }
  bool is_done() const { return !recorded_ || Runtime::is_done(what_); }

 private:
  typename Runtime::event what_;
  bool mine_, recorded_ = false;
};

}  // namespace stretto::inline v0::cuda
