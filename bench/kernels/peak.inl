// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Chains of fma that hang on nothing but themselves: what the CPU can do at most.

/// `count` times twelve fma of lanes; gives how many floating-point operations that were.
inline double many_fma(std::int64_t count, float* sink) {
  lanes s[12];
#pragma GCC unroll 12
  for (int i = 0; i < 12; ++i) s[i] = set(static_cast<float>(i));
  const lanes a = in_register(set(0.999f)), b = in_register(set(1e-3f));
  for (std::int64_t n = 0; n < count; ++n) {
#pragma GCC unroll 12
    for (int i = 0; i < 12; ++i) s[i] = in_register(fma(s[i], a, b));
  }
#pragma GCC unroll 12
  for (int i = 1; i < 12; ++i) s[0] = add(s[0], s[i]);
  store(sink, s[0]);
  return static_cast<double>(count) * 12 * width * 2;
}
