// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The memory of a CUDA device as a memory space, and pinned memory of the CPU. A tensor in it is made, and goes, when a
// pipeline is bound, out of the large chunks of device_arena.hpp; what lives within a step is taken in the order of a stream.
//
//     tensor<float, 2, cuda::memory> w({768, 768});          zeros; w(0, 0) doesn't compile: it isn't the CPU's
//     cuda::to_device(w, numbers);  cuda::to_host(w, numbers);
//     pinned<runtime, double> sums(8);                       the CPU's, and copied to and from without a stop
//     ordered<runtime> room(1 << 20, stream);                given back in the order of its stream
// Cost: these ask the driver and wait, but for `ordered`. Runtime says whose functions are called: runtime.hpp, checked.hpp.
#pragma once

#include <cstdint>
#include <type_traits>
#include <utility>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/cuda/device_arena.hpp>
#include <stretto/cuda/touch.hpp>
#include <stretto/tensor/memory_account.hpp>
#include <stretto/tensor/tensor.hpp>

namespace stretto::inline v0::cuda {

template <class Runtime>
struct basic_memory {
  using runtime = Runtime;
  static constexpr const char* name = Runtime::name;
  static constexpr bool reachable = false;

  /// On the device that the calling thread uses. Throws stretto::error where there is none left.
  static void* take(std::int64_t bytes) {
    if (bytes <= 0) return nullptr;
    void* const block = taken(bytes);
    if (stretto::detail::counting != nullptr) stretto::detail::counting->add(bytes);
    return block;
  }
  static void give(void* block, std::int64_t bytes) {
    if (block == nullptr) return;
    if (stretto::detail::counting != nullptr) stretto::detail::counting->add(-bytes);
    if constexpr (Runtime::watches) Runtime::give(block);
    else device_arena<Runtime>::all().give(block);
  }
  static void zero(void* block, std::int64_t bytes) {
    if (bytes > 0) Runtime::zero_now(block, bytes);
  }
  static void copy(void* to, const void* from, std::int64_t bytes) {
    if (bytes > 0) Runtime::copy_now(to, from, bytes);
  }

 private:
  static void* taken(std::int64_t bytes) {
    if constexpr (Runtime::watches) return Runtime::take(bytes);  // each block by itself
    else return device_arena<Runtime>::all().take(bytes);
  }
};

/// Copies as many numbers as `to` has, and waits for it. Not while a step is under way.
template <class T, int Rank, class Runtime>
void to_device(const tensor_view<T, Rank, basic_memory<Runtime>>& to, const T* from) {
  if (!to.packed()) throw error(text("stretto: a tensor of shape ", to.extents().words().str(), " with gaps can't be copied to the device at once; copy it by rows").str());
  basic_memory<Runtime>::copy(to.data(), from, to.size() * static_cast<std::int64_t>(sizeof(T)));
}
template <class T, int Rank, class Runtime>
void to_host(const tensor_view<T, Rank, basic_memory<Runtime>>& from, std::remove_const_t<T>* to) {
  if (!from.packed()) throw error(text("stretto: a tensor of shape ", from.extents().words().str(), " with gaps can't be copied from the device at once; copy it by rows").str());
  basic_memory<Runtime>::copy(to, from.data(), from.size() * static_cast<std::int64_t>(sizeof(T)));
}

/// Memory of the CPU that the device reads and writes while the CPU goes on.
template <class Runtime, class T>
class pinned {
 public:
  pinned() = default;
  explicit pinned(std::int64_t count) : count_(count) {
    if (count > 0) first_ = static_cast<T*>(Runtime::take_pinned(count * static_cast<std::int64_t>(sizeof(T))));
    for (std::int64_t i = 0; i < count; ++i) first_[i] = T{};
    if constexpr (Runtime::watches) Runtime::touched_by_host("making pinned memory", {first_, bytes(), true});
  }
  pinned(pinned&& other) noexcept : first_(std::exchange(other.first_, nullptr)), count_(std::exchange(other.count_, 0)) {}
  pinned& operator=(pinned other) noexcept { return std::swap(first_, other.first_), std::swap(count_, other.count_), *this; }
  ~pinned() {
    if (first_ != nullptr) Runtime::give_pinned(first_);
  }

  T* data() const { return first_; }
  std::int64_t size() const { return count_; }
  std::int64_t bytes() const { return count_ * static_cast<std::int64_t>(sizeof(T)); }
  /// What the CPU reads when the device has written it, and somebody has waited for that.
  T read(std::int64_t i) const {
    if constexpr (Runtime::watches) Runtime::touched_by_host("reading pinned memory", {first_ + i, sizeof(T), false});
    return first_[i];
  }
  void write(std::int64_t i, const T& value) {
    if constexpr (Runtime::watches) Runtime::touched_by_host("writing pinned memory", {first_ + i, sizeof(T), true});
    first_[i] = value;
  }

 private:
  T* first_ = nullptr;
  std::int64_t count_ = 0;
};

/// Memory of a stream: what is put on it later may use it, until this goes.
template <class Runtime>
class ordered {
 public:
  ordered(std::int64_t bytes, typename Runtime::stream where) : where_(where), first_(bytes > 0 ? Runtime::take_in_order(bytes, where) : nullptr), bytes_(bytes) {}
  ordered(const ordered&) = delete;
  ordered& operator=(const ordered&) = delete;
  ~ordered() {
    if (first_ != nullptr) Runtime::give_in_order(first_, where_);
  }
  void* data() const { return first_; }
  std::int64_t bytes() const { return bytes_; }

 private:
  typename Runtime::stream where_;
  void* first_;
  std::int64_t bytes_;
};

}  // namespace stretto::inline v0::cuda
