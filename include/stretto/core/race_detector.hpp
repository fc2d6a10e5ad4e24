// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// watched_for_races: whether this is compiled for ThreadSanitizer, which knows no fences, and takes what they order for a race.
// g++ says so by a macro, clang++ where it is asked. Cost: none.
#pragma once

namespace stretto::inline v0::detail {

#if defined(__SANITIZE_THREAD__)
inline constexpr bool watched_for_races = true;
#elif defined(__has_feature)
#if __has_feature(thread_sanitizer)
inline constexpr bool watched_for_races = true;
#else
inline constexpr bool watched_for_races = false;
#endif
#else
inline constexpr bool watched_for_races = false;
#endif

}  // namespace stretto::inline v0::detail
