// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The function that results go to, and whether somebody asks from within it: what waits for all results there would wait
// for itself.
//
//     result_function<written> tell([&](const written& w) { … });
//     tell(w);                          a rank's thread
//     tell.within()                     true on that thread until it comes back, or throws
// Cost: an indirect call, and two stores.
#pragma once

#include <atomic>
#include <memory>
#include <thread>
#include <type_traits>
#include <utility>

namespace stretto::inline v0::detail {

template <class Result>
class result_function {
 public:
  result_function() = default;
  template <class F>
    requires std::is_invocable_v<F&, const Result&>
  explicit result_function(F function)
      : held_(new F(std::move(function)), [](void* f) { delete static_cast<F*>(f); }), call_([](void* f, const Result& r) { (*static_cast<F*>(f))(r); }) {}
  result_function(result_function&& other) noexcept : held_(std::move(other.held_)), call_(other.call_) {}
  /// Not while it is called.
  result_function& operator=(result_function&& other) noexcept { return held_ = std::move(other.held_), call_ = other.call_, *this; }

  explicit operator bool() const { return held_ != nullptr; }
  bool within() const { return thread_.load() == std::this_thread::get_id(); }

  void operator()(const Result& r) {
    const struct note {
      std::atomic<std::thread::id>& thread;
      ~note() { thread.store({}); }
    } here{thread_};
    thread_.store(std::this_thread::get_id());
    call_(held_.get(), r);
  }

 private:
  std::unique_ptr<void, void (*)(void*)> held_{nullptr, [](void*) {}};
  void (*call_)(void*, const Result&) = nullptr;
  std::atomic<std::thread::id> thread_{};
};

}  // namespace stretto::inline v0::detail
