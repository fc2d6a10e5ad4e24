// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Which instructions the CPU has, asked of it once when the program runs. The same program serves every CPU: kernels are
// compiled for each set of instructions through the target of functions, so users need no flags.
//
//     isa::portable     what every CPU of the architecture has, in vectors of 16 bytes
//     isa::avx2         AVX2, FMA and F16C: vectors of 8 floats
//     isa::avx512       AVX-512 F, BW, DQ, VL: vectors of 16 floats
//     isa::avx512_bf16  besides, dot products of bf16 pairs
//     isa::amx          besides, products of bf16 tiles; the system is asked for leave to use them
// Each has all that stands above it.
#pragma once

#include <cstdint>

#include <stretto/core/text.hpp>

#if defined(__x86_64__)
#define STRETTO_X86 1
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#else
#define STRETTO_X86 0
#endif

namespace stretto::inline v0::host {

enum class isa : std::uint8_t { portable, avx2, avx512, avx512_bf16, amx };

constexpr std::string_view isa_name(isa i) {
  constexpr std::string_view names[] = {"portable", "avx2", "avx512", "avx512_bf16", "amx"};
  return names[static_cast<int>(i)];
}

/// What a CPU is and can do.
struct cpu {
  label kind;                    ///< vendor, family and model: "GenuineIntel 6 207"
  isa best = isa::portable;
};

namespace detail {

#if STRETTO_X86
struct cpuid_words {
  unsigned a = 0, b = 0, c = 0, d = 0;
  explicit cpuid_words(unsigned leaf, unsigned part = 0) { __get_cpuid_count(leaf, part, &a, &b, &c, &d); }
};

inline unsigned long long enabled_states() {
  unsigned low = 0, high = 0;
  __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
  return static_cast<unsigned long long>(high) << 32 | low;
}

/// Leave to use tile registers: a process asks once (arch_prctl, ARCH_REQ_XCOMP_PERM, XTILEDATA).
inline bool may_use_tiles() { return ::syscall(SYS_arch_prctl, 0x1023, 18) == 0; }

inline isa find_isa() {
  const cpuid_words one(1);
  const bool saves = (one.c >> 27 & 1u) != 0;  // xgetbv is there
  const unsigned long long states = saves ? enabled_states() : 0;
  const auto has = [](unsigned word, int bit) { return (word >> bit & 1u) != 0; };
  const cpuid_words seven(7), seven_one(7, 1);
  if ((states & 6) != 6 || !has(one.c, 12) || !has(one.c, 28) || !has(one.c, 29) || !has(seven.b, 5)) return isa::portable;
  if ((states & 0xe6) != 0xe6 || !has(seven.b, 16) || !has(seven.b, 17) || !has(seven.b, 30) || !has(seven.b, 31)) return isa::avx2;
  if (!has(seven_one.a, 5)) return isa::avx512;
  if ((states & 0x60000) == 0x60000 && has(seven.d, 22) && has(seven.d, 24) && may_use_tiles()) return isa::amx;
  // On GenuineIntel 6 207 dot products run at half the rate of fma in float: without tiles nothing is gained by them.
  return cpuid_words(0).b == 0x756e6547u ? isa::avx512 : isa::avx512_bf16;
}

inline label find_kind() {
  const cpuid_words zero(0), one(1);
  char vendor[12];
  const unsigned words[3] = {zero.b, zero.d, zero.c};
  for (int i = 0; i < 12; ++i) vendor[i] = static_cast<char>(words[i / 4] >> 8 * (i % 4));
  const unsigned family = (one.a >> 8 & 15u) == 15 ? 15 + (one.a >> 20 & 255u) : one.a >> 8 & 15u;
  const unsigned model = (one.a >> 4 & 15u) + (one.a >> 16 & 15u) * 16;
  return label(text(std::string_view(vendor, 12), " ", static_cast<int>(family), " ", static_cast<int>(model)).str());
}
#else
inline isa find_isa() { return isa::portable; }
inline label find_kind() { return "another"; }
#endif

}  // namespace detail

/// The CPU that the program runs on.
inline const cpu& this_cpu() {
  static const cpu found{detail::find_kind(), detail::find_isa()};
  return found;
}

}  // namespace stretto::inline v0::host
