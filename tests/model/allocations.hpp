// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// What operator new was asked for, in the tests of models: calls of all threads, and the bytes of this thread. memory_test.cpp
// replaces it, but not under sanitizers, whose own must stay.
#pragma once

#include <atomic>
#include <cstdint>

namespace allocations {

#ifndef STRETTO_SANITIZED
inline constexpr bool counted = true;
#else
inline constexpr bool counted = false;
#endif
extern std::atomic<std::int64_t> calls;
extern thread_local std::int64_t bytes, most;  // that this thread has, and has had at once

}  // namespace allocations
