// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What kernels on the rows of a matrix are made of: the team of threads that shares a row, and the row as it is held between
// passes over it. Norms, softmax and losses are all written with these.
//
//     __shared__ float room[row_team::room];
//     const row_team team(a.threads, room);                                    8 to 512 threads, a power of 2
//     for (row_turn row(team, a.rows); row.more(); row.next()) {               every thread of a block turns as often
//       const std::int64_t n = row.columns(a.columns);                         0 behind the last row
//       held_row<T, Hold, Lined> x(a.x + row * a.x_gap, n, team, shared);
//       float s = 0;
//       x.each(team, [&](int k, std::int64_t i) { s += …x.at(k, i)…; });        lines of 16 bytes: columns i, i + 1, …
//       s = team.all<adds>(s);
//
//     thread t of a team of 32 has lines  t, t + 32, t + 64, t + 96             whatever the address of a row: bits don't hang on it
// Lined: rows begin at sixteen bytes and are whole lines. Otherwise a line is made of the two that it lies in, and numbers at
// the ends of rows go one by one. Cost: a row is read once, but for row_hold::again; a sum is 10 shuffles and one barrier.
#pragma once

#include <stretto/cuda/kernels/numbers.cuh>
#include <stretto/cuda/kernels/sums.cuh>
#include <stretto/cuda/row_shapes.hpp>

namespace stretto::inline v0::cuda {

/// Sixteen bytes of a row, as they are in memory.
template <class T>
struct row_line {
  static constexpr int numbers = in_line<T>;
  union {
    uint4 word;
    T each[numbers];
  };
  __device__ row_line() {}
};
template <class T>
__device__ inline floats<in_line<T>> widen(const row_line<T>& l) {
  floats<in_line<T>> x;
#pragma unroll
  for (int j = 0; j < in_line<T>; ++j) x.of[j] = widen(l.each[j]);
  return x;
}
template <class T>
__device__ inline row_line<T> narrow_line(const floats<in_line<T>>& x) {
  row_line<T> l;
#pragma unroll
  for (int j = 0; j < in_line<T>; ++j) l.each[j] = narrow<T>(x.of[j]);
  return l;
}

namespace detail {

/// Rows of that view begin at sixteen bytes and are whole lines; or there is none.
template <class T, int Rank, class Space>
bool rows_in_lines(const tensor_view<T, Rank, Space>& v) {
  return v.data() == nullptr || in_lines<T>(v.data(), Rank > 1 && v.extent(0) > 1 ? v.stride(0) : 0, v.extent(Rank - 1));
}

/// Sixteen bytes from any address that is a multiple of two, made of the two lines that they lie in.
__device__ inline uint4 across_lines(const uint4* line, unsigned off) {
  const uint4 lo = line[0], hi = line[1];
  const bool two = (off & 8u) != 0, one = (off & 4u) != 0;
  const unsigned a = two ? lo.z : lo.x, b = two ? lo.w : lo.y, c = two ? hi.x : lo.z, d = two ? hi.y : lo.w, e = two ? hi.z : hi.x, f = two ? hi.w : hi.y;
  const unsigned v = one ? b : a, w = one ? c : b, x = one ? d : c, y = one ? e : d, z = one ? f : e, bits = (off & 3u) * 8u;
  return {__funnelshift_r(v, w, bits), __funnelshift_r(w, x, bits), __funnelshift_r(x, y, bits), __funnelshift_r(y, z, bits)};
}

}  // namespace detail

/// Columns from i on of a row of n; zeros where there are none. i may be negative.
template <bool Lined, class T>
__device__ inline row_line<T> read_line(const T* row, std::int64_t i, std::int64_t n) {
  row_line<T> l;
  const T* const from = row + i;
  if constexpr (Lined) {
    l.word = *reinterpret_cast<const uint4*>(from);
  } else {
    const auto at = reinterpret_cast<std::uintptr_t>(from), begin = at & ~std::uintptr_t{15};
    if (at == begin && i >= 0 && i + in_line<T> <= n) {
      l.word = *reinterpret_cast<const uint4*>(from);
    } else if (begin >= reinterpret_cast<std::uintptr_t>(row) && begin + 32 <= reinterpret_cast<std::uintptr_t>(row + n)) {
      l.word = detail::across_lines(reinterpret_cast<const uint4*>(begin), static_cast<unsigned>(at - begin));
    } else {
      l.word = {0, 0, 0, 0};
#pragma unroll
      for (int j = 0; j < in_line<T>; ++j)
        if (i + j >= 0 && i + j < n) l.each[j] = from[j];
    }
  }
  return l;
}
template <bool Lined, class T>
__device__ inline void write_line(T* row, std::int64_t i, std::int64_t n, const row_line<T>& l) {
  T* const to = row + i;
  if (Lined || (reinterpret_cast<std::uintptr_t>(to) % 16 == 0 && i >= 0 && i + in_line<T> <= n)) {
    __stwb(reinterpret_cast<uint4*>(to), l.word);  // of an assignment the compiler makes stores of four bytes in some kernels
  } else {
#pragma unroll
    for (int j = 0; j < in_line<T>; ++j)
      if (i + j >= 0 && i + j < n) to[j] = l.each[j];
  }
}
template <bool Lined, class T>
__device__ inline void write_line(T* row, std::int64_t i, std::int64_t n, const floats<in_line<T>>& x) {
  write_line<Lined>(row, i, n, narrow_line<T>(x));
}

/// The threads that share a row: a part of a warp, a warp, or the block.
class row_team {
 public:
  static constexpr int room = 64;  ///< floats of shared memory

  __device__ row_team(int a_row, float* shared)
      : threads(a_row), me(static_cast<int>(threadIdx.x) & (a_row - 1)), which(static_cast<int>(threadIdx.x) / a_row), of_block(static_cast<int>(blockDim.x) / a_row),
        room_(shared) {}

  /// Of every thread's x, for all to have, in a fixed order. To be called by all threads of the block.
  template <class How, int N>
  __device__ void all(float (&x)[N]) {
    static_assert(N <= 2, "stretto: a team joins two numbers at most");
    if (threads < 32) {
      for (int apart = threads / 2; apart > 0; apart /= 2)
#pragma unroll
        for (int i = 0; i < N; ++i) x[i] = How::of(x[i], __shfl_xor_sync(0xffffffffu, x[i], apart));
      return;
    }
#pragma unroll
    for (int i = 0; i < N; ++i) x[i] = warp_all<How>(x[i]);
    if (threads == 32) return;
    const int warps = threads / 32, lane = me & 31;
    turn_ ^= 32;  // in turns, so that one barrier is enough: who writes here again has been through the other's
#pragma unroll
    for (int i = 0; i < N; ++i)
      if (lane == 0) room_[turn_ + 16 * i + me / 32] = x[i];
    __syncthreads();
#pragma unroll
    for (int i = 0; i < N; ++i) x[i] = room_[turn_ + 16 * i + (lane & (warps - 1))];
    for (int apart = warps / 2; apart > 0; apart /= 2)
#pragma unroll
      for (int i = 0; i < N; ++i) x[i] = How::of(x[i], __shfl_xor_sync(0xffffffffu, x[i], apart));
  }
  template <class How>
  __device__ float all(float x) {
    float one[1] = {x};
    all<How>(one);
    return one[0];
  }

  const int threads, me, which, of_block;

 private:
  float* room_;
  int turn_ = 0;
};

/// The rows of a team, one after the other.
class row_turn {
 public:
  __device__ row_turn(const row_team& team, std::int64_t rows)
      : rows_(rows), first_(static_cast<std::int64_t>(blockIdx.x) * team.of_block), step_(static_cast<std::int64_t>(gridDim.x) * team.of_block), which_(team.which) {}
  __device__ bool more() const { return first_ < rows_; }
  __device__ void next() { first_ += step_; }
  __device__ std::int64_t at() const { return first_ + which_; }
  __device__ bool there() const { return at() < rows_; }
  __device__ std::int64_t columns(std::int64_t n) const { return there() ? n : 0; }
  /// Of the turn after this, or none.
  __device__ std::int64_t ahead() const { return at() + step_ < rows_ ? at() + step_ : -1; }

 private:
  std::int64_t rows_, first_, step_;
  int which_;
};

/// Calls f(k, i) for each line of the team's thread: number k of its own, columns from i on.
template <row_hold Hold, class T, class F>
__device__ inline void each_line(const row_team& team, std::int64_t n, F&& f) {
  if constexpr (Hold == row_hold::registers) {
#pragma unroll
    for (int k = 0; k < row_lines; ++k) {
      const std::int64_t i = (k * team.threads + team.me) * in_line<T>;
      if (i < n) f(k, i);
    }
  } else {
    for (std::int64_t i = std::int64_t{team.me} * in_line<T>; i < n; i += std::int64_t{team.threads} * in_line<T>) f(0, i);
  }
}

/// Sixteen bytes to shared memory, which this thread may read after await_copies.
__device__ inline void copy_past_registers(uint4* shared, const void* from) {
  asm volatile(R"(cp.async.cg.shared.global [%0], [%1], 16;)" ::"r"(static_cast<unsigned>(__cvta_generic_to_shared(shared))), "l"(from) : "memory");
}
__device__ inline void await_copies() { asm volatile("cp.async.wait_all;" ::: "memory"); }
/// What was copied since the last is a group; all but the last group are waited for.
__device__ inline void end_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
__device__ inline void await_all_but_last_copies() { asm volatile(R"(cp.async.wait_group 1;)" ::: "memory"); }

/// A row between passes. A thread sees its own lines alone, so nobody waits.
template <class T, row_hold Hold, bool Lined>
class held_row {
 public:
  static constexpr int numbers = in_line<T>;

  __device__ held_row() {}
  /// Shared: room for whole lines, where the row is held there.
  __device__ held_row(const T* row, std::int64_t n, const row_team& team, uint4* shared = nullptr) { read(row, n, team, shared); }
  __device__ void read(const T* row, std::int64_t n, const row_team& team, uint4* shared = nullptr) {
    row_ = row, columns_ = n, shared_ = shared;
    if constexpr (Hold == row_hold::registers) {
      each_line<Hold, T>(team, n, [&](int k, std::int64_t i) { line_[k] = read_line<Lined>(row, i, n); });
    } else if constexpr (Hold == row_hold::shared) {
      // Whole lines are copied past the registers, all at once; `each` waits for them.
      if (reinterpret_cast<std::uintptr_t>(row) % 16 == 0 && n % numbers == 0) each_line<Hold, T>(team, n, [&](int, std::int64_t i) { copy_past_registers(shared + i / numbers, row + i); });
      else each_line<Hold, T>(team, n, [&](int, std::int64_t i) { shared[i / numbers] = read_line<Lined>(row, i, n).word; });
    }
  }

  __device__ row_line<T> line(int k, std::int64_t i) const {
    if constexpr (Hold == row_hold::registers) {
      return line_[k];
    } else if constexpr (Hold == row_hold::shared) {
      row_line<T> l;
      l.word = shared_[i / numbers];
      return l;
    } else {
      return read_line<Lined>(row_, i, columns_);
    }
  }
  __device__ floats<numbers> at(int k, std::int64_t i) const { return widen(line(k, i)); }
  /// Another line in its place. Of row_hold::again that must be written to the row that `now` names.
  __device__ void put(int k, std::int64_t i, const row_line<T>& l) {
    if constexpr (Hold == row_hold::registers) line_[k] = l;
    else if constexpr (Hold == row_hold::shared) shared_[i / numbers] = l.word;
  }
  __device__ void now(const T* row) { row_ = row; }
  template <class F>
  __device__ void each(const row_team& team, F&& f) const {
    if constexpr (Hold == row_hold::shared) await_copies();
    each_line<Hold, T>(team, columns_, f);
  }
  /// Whether number j of the line from i on is in the row. Whole lines are.
  __device__ bool has(std::int64_t i, int j) const { return Lined || i + j < columns_; }

 private:
  row_line<T> line_[Hold == row_hold::registers ? row_lines : 1];
  const T* row_ = nullptr;
  std::int64_t columns_ = 0;
  uint4* shared_ = nullptr;
};

/// Shared memory of a launch, by operand.
template <class T>
__device__ inline uint4* shared_lines(int operand, std::int64_t columns) {
  extern __shared__ uint4 stretto_shared_lines[];
  return stretto_shared_lines + operand * ((columns + in_line<T> - 1) / in_line<T>);
}

/// Weights of the columns of a line, or `none` where there are none.
template <bool Lined, class T>
__device__ inline floats<in_line<T>> weights_at(const T* weights, std::int64_t i, std::int64_t n, float offset, float none) {
  floats<in_line<T>> w;
  if (weights != nullptr) {
    w = widen(read_line<Lined>(weights, i, n));
#pragma unroll
    for (int j = 0; j < in_line<T>; ++j) w.of[j] += offset;
  } else {
#pragma unroll
    for (int j = 0; j < in_line<T>; ++j) w.of[j] = none;
  }
  return w;
}

/// Has the L2 cache fetch what is about to be read.
__device__ inline void fetch_ahead(const void* from) { asm volatile("prefetch.global.L2\t[%0];" ::"l"(from)); }
/// Of a row of n columns, one in 64 bytes, which is what may be fetched at once.
template <class T>
__device__ inline void fetch_row_ahead(const row_team& team, const T* row, std::int64_t n) {
  constexpr int each = 64 / static_cast<int>(sizeof(T));
  for (std::int64_t i = std::int64_t{team.me} * each; i < n; i += std::int64_t{team.threads} * each) fetch_ahead(row + i);
}

}  // namespace stretto::inline v0::cuda
