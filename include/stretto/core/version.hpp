// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The version of the library, for the preprocessor and for programs.
//
// Every name lives in `stretto::v0`, an inline namespace: two incompatible versions can stand in one program, and a
// mangled name says which it is. The number in the namespace is the major version.
#pragma once

#if __cplusplus < 202002L
#error "stretto: this needs C++20; compile with -std=c++20, or link the CMake target stretto::stretto"
#endif

#define STRETTO_VERSION_MAJOR 0
#define STRETTO_VERSION_MINOR 1
#define STRETTO_VERSION_PATCH 0

namespace stretto::inline v0 {

struct version_number {
  int of_major, of_minor, of_patch;
  friend constexpr bool operator==(const version_number&, const version_number&) = default;
};

inline constexpr version_number version{STRETTO_VERSION_MAJOR, STRETTO_VERSION_MINOR, STRETTO_VERSION_PATCH};

}  // namespace stretto::inline v0
