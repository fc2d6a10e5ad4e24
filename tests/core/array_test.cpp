// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <utility>

#include <stretto/core/array.hpp>

#include "catch.hpp"

using namespace stretto;

TEST_CASE("a fixed array of no values is an array") {
  constexpr fixed_array<int, 0> none{};
  STATIC_REQUIRE(none.size() == 0);
  fixed_array<int, 3> three{{4, 5, 6}};
  three[1] = 7;
  CHECK(three.data()[1] == 7);
}

TEST_CASE("a heap array copies deeply and moves out of its source") {
  heap_array<int> a(3, 5);
  heap_array<int> b = a;
  b[0] = 1;
  CHECK(a[0] == 5);
  heap_array<int> c = std::move(b);
  CHECK(c[0] == 1);
  CHECK(b.size() == 0);
  c = a;
  CHECK(c[0] == 5);
  c = std::move(a);
  CHECK(c.size() == 3);
  heap_array<int>& same = c;
  c = same;
  CHECK(c[2] == 5);
}

TEST_CASE("a heap array of no values owns nothing and can be walked") {
  heap_array<int> none(0);
  int count = 0;
  for (int i : none) count += i + 1;
  CHECK(count == 0);
  CHECK(none.data() == nullptr);
}

TEST_CASE("arrays work in constant expressions") {
  constexpr auto sum = [] {
    heap_array<int> a(10);
    for (std::int64_t i = 0; i < a.size(); ++i) a[i] = static_cast<int>(i);
    heap_array<int> b(a);
    int s = 0;
    for (int x : b) s += x;
    return s;
  }();
  STATIC_REQUIRE(sum == 45);
}
