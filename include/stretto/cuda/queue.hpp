// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// queue: where operations of a CUDA device are put, the first argument of each: a stream, and scratch memory that they share.
//
//     cuda::queue q;
//     rms_norm(q, x, weight, y, inverse);            put on the stream; nobody waits
//     q.copy(y, z);  q.zero(dw);                     likewise
//     const auto ids = q.upload(tokens);             a copy of the CPU's numbers, good until `uploads` more calls
//     q.synchronize();                               now it is done
// A rank's queue works on the stream that the transport gives it (use). What operations take of the scratch memory is theirs
// until the next one begins, because a stream does one after the other. Cost: a launch each; no memory is asked for.
#pragma once

#include <cstdint>
#include <cstring>
#include <memory>
#include <string>
#include <tuple>
#include <vector>

#include <stretto/core/array.hpp>
#include <stretto/core/step_numbers.hpp>
#include <stretto/cuda/launch_shape.hpp>
#include <stretto/cuda/memory.hpp>
#include <stretto/cuda/stream.hpp>
#include <stretto/cuda/touch.hpp>

namespace stretto::inline v0::cuda {

struct queue_options {
  int device = -1;                       ///< below 0: the calling thread's
  std::int64_t scratch_bytes = 64 << 20;
  std::int64_t upload_bytes = 1 << 20;   ///< the largest upload
  int uploads = 16;                      ///< that may be under way
  bool tf32 = false;                     ///< products of float multiply numbers of 11 bits, on tensor cores
  std::string product_table = {};        ///< algorithms of products, as choose_products writes them; else the library's own choice
};

template <class Runtime>
class basic_queue {
 public:
  using memory = basic_memory<Runtime>;
  using runtime = Runtime;
  using stream = typename Runtime::stream;
  using options_type = queue_options;

  explicit basic_queue(const queue_options& o = {}) : how_(checked_options(o)), own_(stream_there(how_.device)), now_(own_.get()) {
    const on_device<Runtime> there(how_.device);
    const std::int64_t whole = how_.upload_bytes * how_.uploads;
    scratch_.take(how_.scratch_bytes), uploaded_.take(whole), step_.take(static_cast<std::int64_t>(sizeof(step_numbers)));
    staged_ = pinned<Runtime, char>(whole);
    copied_ = std::vector<basic_event<Runtime>>(static_cast<std::size_t>(how_.uploads));
  }
  basic_queue(const basic_queue&) = delete;
  basic_queue& operator=(const basic_queue&) = delete;
  ~basic_queue() {
    Runtime::finish(now_);
  }

  int device() const { return how_.device; }
  int multiprocessors() const { return Runtime::multiprocessors(how_.device); }
  stream where() const { return now_; }
  /// Another stream of the same device from here on. What is on the one before must be done.
  void use(stream s) { now_ = s; }

  /// A kernel, which takes one struct. The last arguments, reads_of() and writes_of(), say what it touches.
  template <class Arguments, class... Touched>
  STRETTO_OPERATION void launch(const char* name, void (*kernel)(Arguments), const launch_shape& shape, const std::type_identity_t<Arguments>& a, const Touched&... touched) {
    if (shape.blocks <= 0 || shape.rows <= 0) return;
    if constexpr (Runtime::watches) {
      const std::vector<touch> all = touches(touched...);
      Runtime::launch(name, kernel, shape, now_, a, all.data(), static_cast<int>(all.size()));
    } else {
      Runtime::launch(name, kernel, shape, now_, a);
    }
  }
  /// A function of the CPU, in the stream's order. It must not call CUDA.
  template <class Arguments, class... Touched>
  void call(const char* name, void (*function)(const Arguments&), const std::type_identity_t<Arguments>& a, const Touched&... touched) {
    if constexpr (Runtime::watches) {
      const std::vector<touch> all = touches(touched...);
      Runtime::call(name, function, now_, a, all.data(), static_cast<int>(all.size()));
    } else {
      Runtime::call(name, function, now_, a);
    }
  }

  /// Of tensors without gaps, of one size.
  template <class T, int Rank, int Other>
  void copy(const tensor_view<const T, Rank, memory>& from, const tensor_view<T, Other, memory>& to) {
    if (from.size() != to.size() || !from.packed() || !to.packed())
      throw error(text("stretto: a tensor of shape ", from.extents().words().str(), " is copied to one of ", to.extents().words().str(), "; give tensors of one size without gaps, or copy rows").str());
    copy_bytes(to.data(), from.data(), from.size() * static_cast<std::int64_t>(sizeof(T)));
  }
  template <class T, int Rank, int Other>
    requires(!std::is_const_v<T>)
  void copy(const tensor_view<T, Rank, memory>& from, const tensor_view<T, Other, memory>& to) {
    copy(tensor_view<const T, Rank, memory>(from), to);
  }
  template <class T, int Rank>
  void zero(const tensor_view<T, Rank, memory>& what) {
    if (!what.packed()) throw error(text("stretto: a tensor of shape ", what.extents().words().str(), " with gaps can't be zeroed at once; zero its rows").str());
    if (!what.empty()) Runtime::zero(what.data(), what.size() * static_cast<std::int64_t>(sizeof(T)), now_);
  }
  /// To and from the device, and pinned memory.
  void copy_bytes(void* to, const void* from, std::int64_t bytes) {
    if (bytes > 0) Runtime::copy(to, from, bytes, now_);
  }

  /// The CPU's numbers on the device. They may change when this comes back.
  template <class T>
  tensor_view<const T, 1, memory> upload(const view<const T>& from) {
    const std::int64_t bytes = from.count * static_cast<std::int64_t>(sizeof(T));
    if (bytes > how_.upload_bytes)
      throw error(text("stretto: ", bytes, " bytes are uploaded, and the queue has room for ", how_.upload_bytes, " at once; make it with upload_bytes = ", bytes).str());
    const int i = next_upload_;
    next_upload_ = i + 1 < how_.uploads ? i + 1 : 0;
    auto& copied = copied_[static_cast<std::size_t>(i)];
    copied.synchronize();  // of the upload that was here before: long done
    char* const staged = staged_.data() + i * how_.upload_bytes;
    char* const there = static_cast<char*>(uploaded_.first) + i * how_.upload_bytes;
    if (bytes > 0) std::memcpy(staged, from.first, static_cast<std::size_t>(bytes));
    if constexpr (Runtime::watches) Runtime::touched_by_host("staging an upload", {staged, bytes, true});
    copy_bytes(there, staged, bytes);
    copied.record(now_);
    return {reinterpret_cast<const T*>(there), {{from.count}}};
  }

  /// What changes from step to step goes to one place of the device's memory, where operations read it: put there again, by a
  /// graph that was captured, they read the new numbers.
  void begin_step(const step_numbers& n) {
    const auto there = upload(view<const std::uint8_t>{reinterpret_cast<const std::uint8_t*>(&n), static_cast<std::int64_t>(sizeof n)});
    copy_bytes(step_there(), there.data(), static_cast<std::int64_t>(sizeof n));
    told_ = n, knows_step_ = true;
  }
  /// Where the number of the step is, if it is that of begin_step; else null, and the number itself counts.
  const std::uint32_t* step_at(std::uint32_t step) const { return knows_step_ && step == told_.step ? &step_there()->step : nullptr; }
  /// The gradient that a last layer is given, where operations on T take it from.
  template <class T>
  tensor_view<const double, 1, memory> loss_gradient(double g) {
    if (!knows_step_ || !(g <= told_.loss_gradient && g >= told_.loss_gradient)) return upload(view<const double>{&g, 1});
    return {&step_there()->loss_gradient, {{1}}};
  }

  /// A copy on the CPU of what the device has, good until the next one. Waits.
  template <class T, int Rank>
  tensor_view<const std::remove_const_t<T>, Rank> download(const tensor_view<T, Rank, memory>& from) {
    if (!from.packed()) throw error(text("stretto: a tensor of shape ", from.extents().words().str(), " with gaps can't be copied from the device at once; copy it by rows").str());
    downloaded_.resize(static_cast<std::size_t>(from.size()) * sizeof(T));
    synchronize();
    memory::copy(downloaded_.data(), from.data(), static_cast<std::int64_t>(downloaded_.size()));
    return {reinterpret_cast<const std::remove_const_t<T>*>(downloaded_.data()), from.extents()};
  }

  /// That much scratch memory. Throws stretto::error with both numbers where it isn't there.
  template <class T>
  T* scratch(std::int64_t count, const char* operation) {
    const std::int64_t bytes = count < INT64_MAX / static_cast<std::int64_t>(sizeof(T)) ? count * static_cast<std::int64_t>(sizeof(T)) : INT64_MAX;
    if (bytes > how_.scratch_bytes)
      throw error(text("stretto: ", operation, " needs ", bytes, " bytes of scratch memory on the device, and the queue has ", how_.scratch_bytes, "; make it with scratch_bytes = ", bytes).str());
    return static_cast<T*>(scratch_.first);
  }
  std::int64_t scratch_bytes() const { return how_.scratch_bytes; }
  const queue_options& options() const { return how_; }

  /// What an operation keeps from call to call, made at the first: a library's handle and plans. There is one such type.
  template <class Kept, class Make>
  Kept& kept(Make make) {
    if (kept_ == nullptr) kept_ = std::shared_ptr<Kept>(make());
    return *static_cast<Kept*>(kept_.get());
  }
  std::int64_t bytes() const { return how_.scratch_bytes + how_.upload_bytes * how_.uploads + static_cast<std::int64_t>(sizeof(step_numbers)); }

  void synchronize() { Runtime::synchronize(now_); }

 private:
  static queue_options checked_options(const queue_options& o) {
    if (o.scratch_bytes < 0 || o.upload_bytes < 0 || o.uploads < 1) throw error("stretto: a queue has scratch_bytes or upload_bytes below 0, or less than one upload; correct its options");
    queue_options whole = o;
    if (o.upload_bytes > (std::int64_t{1} << 40) / o.uploads) throw error(text("stretto: a queue is to have room for ", o.uploads, " uploads of ", o.upload_bytes, " bytes, more than there is memory; correct its options").str());
    whole.upload_bytes = o.upload_bytes > 256 ? (o.upload_bytes + 255) / 256 * 256 : 256;
    if (whole.device < 0) whole.device = Runtime::current();
    return whole;
  }
  static basic_stream<Runtime> stream_there(int device) {
    const on_device<Runtime> there(device);
    return {};
  }
  /// Memory of the device that goes with the queue, also where the rest of it can't be made.
  struct block {
    block() = default;
    block(const block&) = delete;
    ~block() { memory::give(first, bytes); }
    void take(std::int64_t n) { first = memory::take(n), bytes = n; }
    void* first = nullptr;
    std::int64_t bytes = 0;
  };
  step_numbers* step_there() const { return static_cast<step_numbers*>(step_.first); }
  template <class... Touched>
  static std::vector<touch> touches(const Touched&... touched) {
    std::vector<touch> all;
    (add_touches(all, touched), ...);
    return all;
  }
  template <bool Writes, class... Views>
  static void add_touches(std::vector<touch>& all, const touched_views<Writes, Views...>& some) {
    std::apply([&](const auto&... v) { (all.push_back(touch_of(v, Writes)), ...); }, some.views);
  }

  queue_options how_;
  basic_stream<Runtime> own_;
  stream now_;
  block scratch_, uploaded_, step_;
  step_numbers told_{};
  bool knows_step_ = false;
  pinned<Runtime, char> staged_;
  std::vector<basic_event<Runtime>> copied_;
  int next_upload_ = 0;
  std::vector<char> downloaded_;
  std::shared_ptr<void> kept_;
};

}  // namespace stretto::inline v0::cuda
