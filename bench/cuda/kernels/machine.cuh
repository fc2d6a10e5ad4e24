// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What the parts of bench_kernels_cuda share: the device's queue, how hard to try, tensors with numbers drawn on the device,
// and where results go.
//
//     on_device<bf16, 2> x = m.drawn<bf16, 2>({{65536, 4096}}, 1);       from -1 to 1; zeros would run faster than numbers do
//     m.forget();                                                        the L2 cache holds nothing of what comes next
// The cache is emptied by reading what is three times as large: what a kernel wrote goes to memory before the next is timed,
// and there is nothing for that one to write back. Cost of a forget: 40 us on a device that reads 4.5 TB/s and has 60 MB.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <string>

#include <stretto/cuda/device.hpp>
#include <stretto/cuda/kernels/numbers.cuh>
#include <stretto/tensor/tensor.hpp>

namespace bench {

using namespace stretto;

template <class T, int Rank>
using on_device = tensor<T, Rank, cuda::memory>;

/// Sixteen bytes are a line.
struct lines_arguments {
  const uint4* from;
  uint4* to;
  std::int64_t count;
};

/// Reads all, and writes as good as never.
template <int Each>
STRETTO_KERNEL __launch_bounds__(256) void read_lines(lines_arguments a) {
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * (256 * Each);
  unsigned all = 0;
  for (std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * (256 * Each) + threadIdx.x; first < a.count; first += step) {
    uint4 x[Each];
#pragma unroll
    for (int i = 0; i < Each; ++i) x[i] = first + i * 256 < a.count ? a.from[first + i * 256] : uint4{0, 0, 0, 0};
#pragma unroll
    for (int i = 0; i < Each; ++i) all += x[i].x ^ x[i].y ^ x[i].z ^ x[i].w;
  }
  if (all == 0x5eedf00du) a.to[0].x = all;
}

template <int Each>
STRETTO_KERNEL __launch_bounds__(256) void copy_lines(lines_arguments a) {
  const std::int64_t step = static_cast<std::int64_t>(gridDim.x) * (256 * Each);
  for (std::int64_t first = static_cast<std::int64_t>(blockIdx.x) * (256 * Each) + threadIdx.x; first < a.count; first += step) {
    uint4 x[Each];
#pragma unroll
    for (int i = 0; i < Each; ++i)
      if (first + i * 256 < a.count) x[i] = a.from[first + i * 256];
#pragma unroll
    for (int i = 0; i < Each; ++i)
      if (first + i * 256 < a.count) a.to[first + i * 256] = x[i];
  }
}

template <class T>
struct draw_arguments {
  T* to;
  std::int64_t count;
  std::uint64_t seed;
  float from, up_to;
};
/// Each number hangs on the seed and its place alone.
template <class T>
STRETTO_KERNEL __launch_bounds__(256) void draw(draw_arguments<T> a) {
  for (std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * 256 + threadIdx.x; i < a.count; i += static_cast<std::int64_t>(gridDim.x) * 256) {
    std::uint64_t h = (static_cast<std::uint64_t>(i) + 1 + a.seed * 0x100000001b3ull) * 0x9e3779b97f4a7c15ull;
    h ^= h >> 32, h *= 0xd6e8feb86659fd93ull, h ^= h >> 32;
    a.to[i] = cuda::narrow<T>(a.from + (a.up_to - a.from) * static_cast<float>(h >> 40) * 0x1p-24f);
  }
}

/// How long parts take.
struct effort {
  int rounds = 21;
  bool quick = false;  ///< sizes that show that it works, and measure nothing
};

class machine {
 public:
  machine(const effort& how_, std::FILE* json_) : how(how_), json(json_), q({.scratch_bytes = 256 << 20}) {
    cuda::runtime::use(0);
    const std::int64_t cache = cuda::runtime::fact(0, cudaDevAttrL2CacheSize);
    flush_ = on_device<float, 1>(shape<1>{{std::max<std::int64_t>(3 * cache, 1 << 20) / 64 * 16}});
    const std::int64_t lines = how.quick ? 1 << 12 : 32 << 20;  // half a GiB
    from_ = drawn<float, 1>(shape<1>{{4 * lines}}, 91), to_ = on_device<float, 1>(shape<1>{{4 * lines}});
  }

  template <class T, int Rank>
  on_device<T, Rank> drawn(const shape<Rank>& s, unsigned seed, float from = -1, float up_to = 1) {
    on_device<T, Rank> t(s);
    q.launch("draw", draw<T>, {.blocks = std::min<std::int64_t>((t.size() + 255) / 256, 16384)}, {t.data(), t.size(), seed, from, up_to}, cuda::writes_of(t));
    return t;
  }

  void forget() { read(flush_); }
  /// Counting bytes read and written, or read.
  std::int64_t copied() const { return 2 * from_.size() * 4; }
  std::int64_t bytes_read() const { return from_.size() * 4; }
  void copy_by_kernel() {
    const lines_arguments a{reinterpret_cast<const uint4*>(from_.data()), reinterpret_cast<uint4*>(to_.data()), from_.size() / 4};
    q.launch("copy", copy_lines<4>, {.blocks = (a.count + 1023) / 1024}, a, cuda::reads_of(from_), cuda::writes_of(to_));
  }
  void copy_by_driver() { q.copy_bytes(to_.data(), from_.data(), from_.size() * 4); }
  void read() { read(from_); }

  /// Elements of the main tensor: half a GiB of it.
  template <class T>
  std::int64_t elements() const {
    return (how.quick ? 1 << 16 : 512 << 20) / static_cast<std::int64_t>(sizeof(T));
  }
  /// A matrix of about so many, in whole rows.
  template <class T>
  shape<2> matrix_of(std::int64_t columns) const {
    return {{std::max<std::int64_t>(elements<T>() / columns, 4), columns}};
  }

  const effort how;
  std::FILE* const json;
  cuda::queue q;

 private:
  void read(const on_device<float, 1>& what) {
    const lines_arguments a{reinterpret_cast<const uint4*>(what.data()), reinterpret_cast<uint4*>(what.data()), what.size() / 4};
    q.launch("read", read_lines<8>, {.blocks = std::min<std::int64_t>((a.count + 2047) / 2048, std::int64_t{8} * q.multiprocessors())}, a, cuda::reads_of(what));
  }
  on_device<float, 1> flush_, from_, to_;
};

template <class T>
inline constexpr const char* type_name = "fp32";
template <>
inline constexpr const char* type_name<bf16> = "bf16";
template <>
inline constexpr const char* type_name<fp16> = "fp16";

inline std::string by(std::int64_t rows, std::int64_t columns) { return std::to_string(rows) + "x" + std::to_string(columns); }
inline std::string by(const shape<2>& s) { return by(s[0], s[1]); }

}  // namespace bench
