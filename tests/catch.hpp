// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The one way to include Catch2. Tests are written with the names of version 3; here they work with 2.13 too.
#pragma once

#if __has_include(<catch2/catch_all.hpp>)
#include <catch2/catch_all.hpp>
#else
#include <catch2/catch.hpp>

namespace Catch {
using Detail::Approx;
namespace Matchers {
inline auto ContainsSubstring(const std::string& text) { return Contains(text); }
}  // namespace Matchers
}  // namespace Catch
#endif
