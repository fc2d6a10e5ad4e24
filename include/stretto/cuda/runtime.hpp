// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// runtime: the CUDA runtime, as far as Stretto calls it. The one header that includes cuda_runtime.h.
//
//     cuda_check(cudaMemcpy(…), "cudaMemcpy");      throws where it failed, with the call and CUDA's words
// Queues, memory, streams and transports are templates over it, so that checked.hpp can stand in its place. Streams don't
// wait for the default stream. Cost: none beside the calls.
// Source: CUDA C++ Programming Guide 13, chapters on streams, events and stream-ordered memory.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/cuda/launch_shape.hpp>

namespace stretto::inline v0::cuda {

namespace detail {

[[noreturn]] inline void cuda_broke(cudaError_t code, const char* call) {
  static_cast<void>(cudaGetLastError());  // the next call isn't to blame
  throw error(text("stretto: ", call, " failed: ", cudaGetErrorString(code), " (", cudaGetErrorName(code), "); see what was put on the device before it").str());
}

}  // namespace detail

inline void cuda_check(cudaError_t code, const char* call) {
  if (code != cudaSuccess) [[unlikely]]
    detail::cuda_broke(code, call);
}

struct runtime {
  using stream = cudaStream_t;
  using event = cudaEvent_t;
  static constexpr const char* name = "cuda";
  static constexpr bool watches = false;

  /// 0 where there is no driver, too.
  static int devices() {
    int count = 0;
    if (cudaGetDeviceCount(&count) != cudaSuccess) return static_cast<void>(cudaGetLastError()), 0;
    return count;
  }
  static int multiprocessors(int device) { return fact(device, cudaDevAttrMultiProcessorCount); }
  static int fact(int device, cudaDeviceAttr which) {
    int value = 0;
    cuda_check(cudaDeviceGetAttribute(&value, which, device), "cudaDeviceGetAttribute");
    return value;
  }
  /// The device of the calling thread.
  static int current() {
    int device = 0;
    cuda_check(cudaGetDevice(&device), "cudaGetDevice");
    return device;
  }
  /// The calling thread's device from here on. Devices reach each other's memory where they can.
  static void use(int device) {
    cuda_check(cudaSetDevice(device), "cudaSetDevice");
    static std::mutex mutex;
    static std::vector<bool> ready;
    const std::lock_guard lock(mutex);
    const int count = devices();
    ready.resize(static_cast<std::size_t>(count), false);
    if (ready[static_cast<std::size_t>(device)]) return;
    ready[static_cast<std::size_t>(device)] = true;
    for (int other = 0; other < count; ++other) {
      int can = 0;
      if (other == device || cudaDeviceCanAccessPeer(&can, device, other) != cudaSuccess || can == 0) continue;
      if (const cudaError_t e = cudaDeviceEnablePeerAccess(other, 0); e == cudaErrorPeerAccessAlreadyEnabled) static_cast<void>(cudaGetLastError());
      else cuda_check(e, "cudaDeviceEnablePeerAccess");
    }
    cudaMemPool_t pool = nullptr;  // keeps what streams give back, so that taking it again asks nobody
    cuda_check(cudaDeviceGetDefaultMemPool(&pool, device), "cudaDeviceGetDefaultMemPool");
    std::uint64_t all = UINT64_MAX;
    cuda_check(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &all), "cudaMemPoolSetAttribute");
  }

  static stream make_stream() {
    stream s = nullptr;
    cuda_check(cudaStreamCreateWithFlags(&s, cudaStreamNonBlocking), "cudaStreamCreateWithFlags");
    return s;
  }
  static void drop_stream(stream s) { cudaStreamDestroy(s); }
  static event make_event() {
    event e = nullptr;
    cuda_check(cudaEventCreateWithFlags(&e, cudaEventDisableTiming), "cudaEventCreateWithFlags");
    return e;
  }
  static event make_timed_event() {
    event e = nullptr;
    cuda_check(cudaEventCreate(&e), "cudaEventCreate");
    return e;
  }
  static void drop_event(event e) { cudaEventDestroy(e); }
  /// Between two that were reached.
  static double nanoseconds(event from, event to) {
    float ms = 0;
    cuda_check(cudaEventElapsedTime(&ms, from, to), "cudaEventElapsedTime");
    return 1e6 * static_cast<double>(ms);
  }
  static void record(event e, stream s) { cuda_check(cudaEventRecord(e, s), "cudaEventRecord"); }
  static void wait(stream s, event e) { cuda_check(cudaStreamWaitEvent(s, e, 0), "cudaStreamWaitEvent"); }
  static bool is_done(event e) {
    const cudaError_t code = cudaEventQuery(e);
    if (code == cudaErrorNotReady) return static_cast<void>(cudaGetLastError()), false;
    cuda_check(code, "cudaEventQuery");
    return true;
  }
  static void synchronize_event(event e) { cuda_check(cudaEventSynchronize(e), "cudaEventSynchronize"); }
  // What destructors call says nothing where it fails: a device that is broken has said so, and what is left goes all the same.
  static void use_again(int device) noexcept { static_cast<void>(cudaSetDevice(device)); }
  static void finish(stream s) noexcept { static_cast<void>(cudaStreamSynchronize(s)); }
  static void finish_all(int device) noexcept {
    int before = device;
    static_cast<void>(cudaGetDevice(&before));
    if (before != device) use_again(device);
    static_cast<void>(cudaDeviceSynchronize());
    if (before != device) use_again(before);
  }
  static void synchronize(stream s) { cuda_check(cudaStreamSynchronize(s), "cudaStreamSynchronize"); }

  static void* take(std::int64_t bytes) {
    void* block = nullptr;
    if (const cudaError_t code = cudaMalloc(&block, static_cast<std::size_t>(bytes)); code == cudaErrorMemoryAllocation) {
      std::size_t left = 0, all = 0;
      static_cast<void>(cudaGetLastError());
      cuda_check(cudaMemGetInfo(&left, &all), "cudaMemGetInfo");
      throw error(text("stretto: the device has no ", bytes, " bytes left: ", static_cast<std::int64_t>(left), " of ", static_cast<std::int64_t>(all), " are free; use more ranks, fewer micro-batches at once, or recompute").str());
    } else {
      cuda_check(code, "cudaMalloc");
    }
    return block;
  }
  static void give(void* block) { cudaFree(block); }
  static void* take_in_order(std::int64_t bytes, stream s) {
    void* block = nullptr;
    cuda_check(cudaMallocAsync(&block, static_cast<std::size_t>(bytes), s), "cudaMallocAsync");
    return block;
  }
  static void give_in_order(void* block, stream s) { cudaFreeAsync(block, s); }
  static void* take_pinned(std::int64_t bytes) {
    void* block = nullptr;
    cuda_check(cudaHostAlloc(&block, static_cast<std::size_t>(bytes), cudaHostAllocPortable), "cudaHostAlloc");
    return block;
  }
  static void give_pinned(void* block) { cudaFreeHost(block); }

  static void zero_now(void* block, std::int64_t bytes) {
    cuda_check(cudaMemset(block, 0, static_cast<std::size_t>(bytes)), "cudaMemset");
    cuda_check(cudaStreamSynchronize(nullptr), "cudaStreamSynchronize");
  }
  static void copy_now(void* to, const void* from, std::int64_t bytes) {
    cuda_check(cudaMemcpy(to, from, static_cast<std::size_t>(bytes), cudaMemcpyDefault), "cudaMemcpy");
    cuda_check(cudaStreamSynchronize(nullptr), "cudaStreamSynchronize");
  }
  static void copy(void* to, const void* from, std::int64_t bytes, stream s) { cuda_check(cudaMemcpyAsync(to, from, static_cast<std::size_t>(bytes), cudaMemcpyDefault, s), "cudaMemcpyAsync"); }
  static void zero(void* block, std::int64_t bytes, stream s) { cuda_check(cudaMemsetAsync(block, 0, static_cast<std::size_t>(bytes), s), "cudaMemsetAsync"); }

  /// By this library's copy of the runtime, which alone knows its kernels.
  template <class Arguments>
  STRETTO_OPERATION static void launch(const char* who, void (*kernel)(Arguments), const launch_shape& shape, stream s, const Arguments& a) {
    cudaLaunchConfig_t how{};
    how.gridDim = dim3(static_cast<unsigned>(shape.blocks), static_cast<unsigned>(shape.rows));
    how.blockDim = dim3(static_cast<unsigned>(shape.threads));
    how.dynamicSmemBytes = static_cast<std::size_t>(shape.shared_bytes);
    how.stream = s;
    if (shape.shared_bytes > 48 * 1024) {
      const int device = current();
      if (const int most = fact(device, cudaDevAttrMaxSharedMemoryPerBlockOptin); shape.shared_bytes > most) [[unlikely]]
        throw error(text("stretto: '", who, "' needs ", shape.shared_bytes, " bytes of shared memory a block, and device ", device, " has ", most, "; take bf16 or a smaller head size").str());
      cuda_check(cudaFuncSetAttribute(reinterpret_cast<const void*>(kernel), cudaFuncAttributeMaxDynamicSharedMemorySize, shape.shared_bytes), who);
    }
    cuda_check(cudaLaunchKernelEx(&how, kernel, a), who);
  }
  /// A function of the CPU in the stream's order. Its arguments are copied, and freed when it has been called.
  template <class Arguments>
  static void call(const char* who, void (*function)(const Arguments&), stream s, const Arguments& a) {
    struct job {
      void (*function)(const Arguments&);
      Arguments a;
    };
    auto mine = std::make_unique<job>(job{function, a});
    cuda_check(cudaLaunchHostFunc(s, [](void* p) {
      const std::unique_ptr<job> j(static_cast<job*>(p));
      j->function(j->a);
    }, mine.get()), who);
    static_cast<void>(mine.release());
  }
};

}  // namespace stretto::inline v0::cuda
