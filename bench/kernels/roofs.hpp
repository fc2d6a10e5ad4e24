// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What kernels are measured against on the machine at hand: chains of fma, and copying memory.
#pragma once

#include <cstring>

#include <stretto/host/queue.hpp>
#include <stretto/host/simd.hpp>
#include <stretto/tensor/tensor.hpp>

#include "race.hpp"

#define STRETTO_KERNELS "peak.inl"
#include <stretto/host/each_isa.inl>

namespace bench {

/// Joins a race as "fma peak", in turns of about as many operations.
inline int add_peak(race& r, const stretto::host::queue& q, double operations) {
  namespace host = stretto::host;
  const auto run = q.pick(&host::portable::many_fma, &host::avx2::many_fma, &host::avx512::many_fma);
  static float sink[16];
  const double each = run(1, sink);
  const auto count = static_cast<std::int64_t>(operations / each) + 1;
  return r.add("fma peak", static_cast<double>(count) * each, [run, count] { run(count, sink); });
}

/// Joins a race as "memcpy": from one tensor to another, both read or written once.
inline int add_copy(race& r, const stretto::tensor<float, 1>& from, stretto::tensor<float, 1>& to) {
  const auto bytes = static_cast<std::size_t>(from.size()) * sizeof(float);
  return r.add("memcpy", 2.0 * static_cast<double>(bytes), [&from, &to, bytes] { std::memcpy(to.data(), from.data(), bytes); });
}

}  // namespace bench
