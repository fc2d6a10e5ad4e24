// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <stretto/plan/assign_slots.hpp>
#include <stretto/plan/lower.hpp>
#include <stretto/plan/make_plan.hpp>
#include <stretto/schedule/one_f_one_b.hpp>
#include <stretto/tensor/arena.hpp>
#include <stretto/tensor/tensor.hpp>

#include <type_traits>

#include "catch.hpp"

using namespace stretto;

namespace {

struct elsewhere {
  static constexpr const char* name = "elsewhere";
  static constexpr bool reachable = false;
};

}  // namespace

TEST_CASE("a view knows its shape, its rows and its parts, and shares the numbers") {
  float numbers[24];
  for (int i = 0; i < 24; ++i) numbers[i] = static_cast<float>(i);
  const tensor_view<float, 3> t(numbers, {2, 3, 4});
  CHECK(t.size() == 24);
  CHECK(t.packed());
  CHECK(t(1, 2, 3) == 23);
  CHECK(t[1](0, 1) == 13);
  const tensor_view<float, 2> m = t.matrix();
  CHECK(m.rows() == 6);
  CHECK(m.columns() == 4);
  const auto middle = m.columns(1, 2);
  CHECK(middle(5, 1) == 22);
  CHECK(!middle.packed());
  CHECK(middle.stride(0) == 4);
  CHECK(m.rows(2, 3)(0, 0) == 8);
  CHECK(m.part(0, 6, 0).empty());
  middle(0, 0) = 100;
  CHECK(numbers[1] == 100);
  CHECK(m.shaped<1>({24})[23] == 23);
  CHECK(m.row(3) == numbers + 12);
  CHECK(middle.rows(1, 1).packed());  // one row has no gaps
}

TEST_CASE("what may be written is read by those who ask for const, and not the other way round") {
  using writable = tensor_view<float, 2>;
  using readable = tensor_view<const float, 2>;
  CHECK(std::is_convertible_v<writable, readable>);
  CHECK(!std::is_convertible_v<readable, writable>);
  CHECK(std::is_convertible_v<tensor<float, 2>, readable>);
  CHECK(!std::is_convertible_v<tensor_view<double, 2>, readable>);
  CHECK(!std::is_convertible_v<tensor_view<float, 2, elsewhere>, readable>);
  CHECK(std::is_convertible_v<view<float>, tensor_view<float, 1>>);
}

TEST_CASE("a tensor begins as zeros at a cache line, changes shape within its room, and copies and moves its numbers") {
  tensor<float, 2> a({3, 5});
  CHECK(reinterpret_cast<std::uintptr_t>(a.data()) % 64 == 0);
  for (float v : a) CHECK(v == 0);
  a(2, 4) = 7;
  tensor<float, 2> b = a;
  b(2, 4) = 8;
  CHECK(a(2, 4) == 7);
  const float* const where = a.data();
  tensor<float, 2> c = static_cast<tensor<float, 2>&&>(a);
  CHECK(c.data() == where);
  CHECK(a.size() == 0);
  a = c;
  CHECK(a(2, 4) == 7);
  c.reshape({1, 15});
  CHECK(c(0, 14) == 7);
  c.reshape({2, 2});
  CHECK(c.room() == 15);
  CHECK(c.data() == where);
  CHECK_THROWS_WITH(c.reshape({4, 4}), "stretto: shape (4, 4) doesn't fit a tensor with room for 15 elements; make it in the largest shape");
  const tensor<double, 1> none({0});
  CHECK(none.empty());
  CHECK(none.begin() == none.end());
}

TEST_CASE("an arena holds what a plan's slots ask for, at their offsets") {
  const plan p = make_plan(one_f_one_b{}, {.ranks = 2, .micro_batches = 4});
  const slot_table slots = assign_slots(lower(p), {.activation = 6 * 4 * 4, .boundary = 64});
  const arena<> memory(slots.arena[0]);
  CHECK(memory.bytes() == slots.arena[0]);
  int held = 0;
  for (const slot_use& u : slots.of(0)) {
    if (u.kind != slot_kind::activation) continue;
    const tensor_view<float, 2> t = memory.at<float>(u.offset, shape<2>{{6, 4}});
    t(5, 3) = static_cast<float>(u.micro_batch);
    CHECK(t(5, 3) == static_cast<float>(u.micro_batch));
    ++held;
  }
  CHECK(held == 4);
  CHECK_THROWS_WITH(arena<>(100).at<float>(40, shape<1>{{16}}), "stretto: 64 bytes at offset 40 don't fit an arena of 100 bytes; give assign_slots the size of what its slots hold");
  CHECK_THROWS(arena<>(100).at<float>(2, shape<1>{{1}}));
  CHECK_THROWS(arena<>(100).at<float>(-4, shape<1>{{1}}));
  CHECK_THROWS_WITH(arena<>(100).at<float>(0, shape<2>{{std::int64_t{1} << 32, std::int64_t{1} << 32}}),
                    "stretto: a tensor of shape (4294967296, 4294967296) has more elements than there are addresses; correct its extents");
  CHECK_THROWS_WITH(arena<>(-5), "stretto: an arena can't have -5 bytes; give 0 or more");
}

TEST_CASE("an arena that is moved keeps its memory, into itself too") {
  arena<> memory(64), other(128);
  memory.at<float>(0, shape<1>{{1}})[0] = 7;
  arena<>& same = memory;
  memory = static_cast<arena<>&&>(same);
  CHECK(memory.bytes() == 64);
  CHECK(memory.at<float>(0, shape<1>{{1}})[0] == 7);
  other = static_cast<arena<>&&>(memory);
  CHECK(memory.bytes() == 0);
  CHECK(other.bytes() == 64);
  CHECK(other.at<float>(0, shape<1>{{1}})[0] == 7);
}

TEST_CASE("shapes that can't be are refused in a sentence") {
  float numbers[24] = {};
  const tensor_view<float, 2> m(numbers, {4, 6});
  const tensor_view<float, 3> t(numbers, {2, 3, 4});
  CHECK_THROWS_WITH((tensor_view<float, 2>(numbers, {4, -1})), "stretto: a tensor of shape (4, -1) has fewer than no elements; give extents of 0 or more");
  CHECK_THROWS_WITH((tensor<float, 2>({std::int64_t{1} << 33, std::int64_t{1} << 31})),
                    "stretto: a tensor of shape (8589934592, 2147483648) has more elements than there are addresses; correct its extents");
  CHECK((tensor<float, 3>({4, 0, 5})).packed());
  constexpr std::int64_t huge = std::int64_t{1} << 33;
  tensor<float, 3> room({2, 3, 4});
  CHECK_THROWS_WITH(room.reshape({huge, huge, 1}), "stretto: a tensor of shape (8589934592, 8589934592, 1) has more elements than there are addresses; correct its extents");
  CHECK_THROWS_WITH(room.shaped<2>({huge, huge}), "stretto: a tensor of shape (8589934592, 8589934592) has more elements than there are addresses; correct its extents");
  CHECK_THROWS_WITH((shape<3>{{huge, 0, huge}}.count()), "stretto: a tensor of shape (8589934592, 0, 8589934592) has more elements than there are addresses; correct its extents");
  const std::int64_t apart[2] = {12, 2};
  CHECK_THROWS_WITH((tensor_view<float, 2>(numbers, {2, 6}, apart)), "stretto: the last dimension of a tensor is contiguous; give it a stride of 1, or copy");
  CHECK_THROWS_WITH(m.columns(4, 3), "stretto: 3 from 4 on aren't in dimension 1 of a tensor of shape (4, 6); stay within it");
  CHECK_THROWS_WITH(m.rows(5, 0), "stretto: 0 from 5 on aren't in dimension 0 of a tensor of shape (4, 6); stay within it");
  CHECK_THROWS_WITH(t.part(1, 0, 2).matrix(), "stretto: the rows of a tensor of shape (2, 2, 4) aren't equally far apart; copy it first");
  CHECK_THROWS_WITH(m.columns(0, 3).shaped<1>({12}), "stretto: a tensor of shape (4, 3) with gaps can't be seen as (12); copy it, or correct the shape");
  CHECK_THROWS_WITH(m.shaped<1>({23}), "stretto: a tensor of shape (4, 6) can't be seen as (23); copy it, or correct the shape");
}
