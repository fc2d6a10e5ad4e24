// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Collectives of groups that don't hold all ranks and overlap, to the bit, beside sums made by hand; and what a group refuses.
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <stretto/core/random.hpp>
#include <stretto/transport/group.hpp>
#include <stretto/transport/seeded.hpp>
#include <stretto/transport/threads.hpp>

#include "catch.hpp"
#include "schedule/sweep.hpp"
#include "transport/crowd.hpp"

using namespace stretto;
using crowd::on_all;
using crowd::together;
using sweep::thrown;

namespace {

/// A number of a rank. In floats and doubles, sums of these depend on their order.
template <class T>
T number(int rank, std::int64_t i) {
  const random_stream r{3, 1, 0, static_cast<std::uint32_t>(rank)};
  if constexpr (std::is_integral_v<T>) return static_cast<T>(r.bits(i) % 1000003);
  else return static_cast<T>(r.uniform(i) - 0.4f) * static_cast<T>(1 << (i % 9)) / static_cast<T>(3);
}

template <class T>
T sum(const std::vector<int>& members, std::int64_t i) {
  T total = number<T>(members[0], i);
  for (std::size_t k = 1; k < members.size(); ++k) total += number<T>(members[k], i);
  return total;
}

template <class T>
view<T> over(std::vector<T>& v) {
  return {v.data(), static_cast<std::int64_t>(v.size())};
}
template <class T>
view<const T> of(const std::vector<T>& v) {
  return {v.data(), static_cast<std::int64_t>(v.size())};
}

/// All collectives of one group with runs of n numbers; gives what was wrong, or "".
template <class T, class G>
std::string all_of(G& g, const std::vector<int>& members, int rank, std::int64_t n) {
  const std::int64_t size = g.size();
  std::string wrong;
  const auto expect = [&](bool holds, const char* what) {
    if (!holds) wrong += std::string(what) + " of " + std::to_string(n) + " is wrong; ";
  };
  std::vector<T> mine, sums;
  for (std::int64_t i = 0; i < n; ++i) mine.push_back(number<T>(rank, i)), sums.push_back(sum<T>(members, i));

  std::vector<T> x = mine;
  g.all_reduce(over(x));
  expect(x == sums, "all_reduce");

  std::vector<T> gathered(static_cast<std::size_t>(n * size)), expected;
  g.all_gather(of(mine), over(gathered));
  for (int m : members)
    for (std::int64_t i = 0; i < n; ++i) expected.push_back(number<T>(m, i));
  expect(gathered == expected, "all_gather");

  std::vector<T> shares, out(static_cast<std::size_t>(n)), own_sums;
  for (std::int64_t i = 0; i < n * size; ++i) shares.push_back(number<T>(rank, 1000 + i));
  g.reduce_scatter(of(shares), over(out));
  for (std::int64_t i = 0; i < n; ++i) own_sums.push_back(sum<T>(members, 1000 + g.index() * n + i));
  expect(out == own_sums, "reduce_scatter");

  std::vector<T> swapped(static_cast<std::size_t>(n * size)), theirs;
  g.all_to_all(of(shares), over(swapped));
  for (int m : members)
    for (std::int64_t i = 0; i < n; ++i) theirs.push_back(number<T>(m, 1000 + g.index() * n + i));
  expect(swapped == theirs, "all_to_all");

  const auto many = [&](int from, int to) { return (n * (from + 1) + 3 * to) % (n + 5); };  // 0 for some
  std::vector<std::int64_t> counts;
  std::vector<T> sent, got, right;
  for (std::size_t to = 0; to < members.size(); ++to) {
    counts.push_back(many(rank, members[to]));
    for (std::int64_t i = 0; i < counts.back(); ++i) sent.push_back(number<T>(rank, 100 * members[to] + i));
  }
  const auto came = g.all_to_all_v(of(sent), counts, got);
  for (std::size_t k = 0; k < members.size(); ++k) {
    expect(came[k] == many(members[k], rank), "the count of all_to_all_v");
    for (std::int64_t i = 0; i < came[k]; ++i) right.push_back(number<T>(members[k], 100 * rank + i));
  }
  expect(got == right, "all_to_all_v");

  for (int root = 0; root < size; ++root) {
    std::vector<T> y = mine;
    g.broadcast(over(y), root);
    for (std::int64_t i = 0; i < n; ++i) expect(y[static_cast<std::size_t>(i)] == number<T>(members[static_cast<std::size_t>(root)], i), "broadcast");
  }
  g.barrier();
  return wrong;
}

/// Five ranks in four groups; each rank goes through its own in the order of the list.
template <class T>
void overlapping(T& t, std::vector<std::int64_t> runs) {
  const std::vector<std::vector<int>> groups = {{0, 2, 4}, {3, 1}, {0, 1, 2, 3, 4}, {2, 3, 4}, {4, 0}, {1}};
  std::vector<std::string> wrong(5);
  const std::string words = together(on_all(t, 5, [&](int r) {
    for (std::size_t k = 0; k < groups.size(); ++k) {
      bool member = false;
      for (int m : groups[k]) member = member || m == r;
      if (!member) continue;
      group g(t, r, label(text("group ", static_cast<int>(k)).str()), groups[k], 48);
      for (std::int64_t n : runs) {
        wrong[static_cast<std::size_t>(r)] += all_of<float>(g, groups[k], r, n);
        wrong[static_cast<std::size_t>(r)] += all_of<double>(g, groups[k], r, n);
        wrong[static_cast<std::size_t>(r)] += all_of<int>(g, groups[k], r, n);
      }
    }
  }));
  CHECK(words == "");
  CHECK(together(wrong) == "");
}

}  // namespace

TEST_CASE("groups of some ranks that overlap give the sums and runs that one can make by hand") {
  threads t(5, {.deadline = 20});
  overlapping(t, {0, 1, 2, 11, 12, 13, 37});
}

TEST_CASE("collectives have the same bits in whatever order the ranks come") {
  for (unsigned seed = 0; seed < 6; ++seed) {
    seeded t(5, {.seed = seed, .deadline = 20});
    INFO("seed " << seed);
    overlapping(t, {seed, 13});
  }
}

TEST_CASE("a sum goes in the order of the members as they are named") {
  threads t(3, {.deadline = 20});
  std::vector<float> sums(3);
  const float values[] = {1e8f, 1.0f, -1e8f};
  CHECK(together(on_all(t, 3, [&](int r) {
    group g(t, r, "backwards", {2, 0, 1});
    float x = values[r];
    g.all_reduce(view<float>{&x, 1});
    sums[static_cast<std::size_t>(r)] = x;
  })) == "");
  CHECK(sums == std::vector<float>(3, 1.0f));  // (-1e8 + 1e8) + 1; from rank 0 on it would be 0
  CHECK((values[0] + values[1]) + values[2] == 0.0f);
}

TEST_CASE("a group may be made again by the same name at once") {
  constexpr int times = sweep::thin > 1 ? 50 : 300;
  threads t(3, {.deadline = 20});
  std::vector<long> sums(3);
  CHECK(together(on_all(t, 3, [&](int r) {
    for (int i = 0; i < times; ++i) {
      group g(t, r, "again", {}, 16 + 16 * (i % 2));  // the second one may be of another size
      int x = r + i;
      g.all_reduce(view<int>{&x, 1});
      sums[static_cast<std::size_t>(r)] += x;
    }
  })) == "");
  CHECK(sums == std::vector<long>(3, 3L * times + 3L * times * (times - 1) / 2));
}

TEST_CASE("what a group can't be is refused in a sentence") {
  threads t(3);
  CHECK(thrown([&] { group(t, 0, "data", {0, 1, 0}); }) == "stretto: rank 0 stands twice in group 'data'; name each member once");
  CHECK(thrown([&] { group(t, 2, "data", {0, 1}); }) == "stretto: rank 2 is no member of group 'data'; let only members make it");
  CHECK(thrown([&] { group(t, 3, "data"); }) == "stretto: rank 3 is no member of group 'data'; let only members make it");
  CHECK(thrown([&] { group(t, 0, "data", {}, 15); }) == "stretto: group 'data' has room for 15 bytes; give it at least 16");
  CHECK(thrown([&] { group(t, 0, "data", {0, 3}); }) == "stretto: rank 3 is a member of gathering 'data', and there are 3 ranks; name members from 0");
  CHECK(thrown([&] { group(t, 0, "data", {0, -1}); }) == "stretto: rank -1 is a member of gathering 'data', and there are 3 ranks; name members from 0");
  group g(t, 0, "data", {0, 1});
  const std::string other = "stretto: gathering 'data' was opened with other members, bytes or depth; give each gathering its own name";
  CHECK(thrown([&] { group(t, 1, "data", {1, 0}); }) == other);
  CHECK(thrown([&] { group(t, 1, "data", {0, 1}, 128); }) == other);
  CHECK(thrown([&] { group(t, 1, "data"); }) == other);
  CHECK(thrown([&] { t.open_gathering("data", {65536, 2, {}}); }) == other);  // of all ranks
  CHECK(thrown([&] { t.open_gathering("none", {8, 0, {}}); }) == "stretto: gathering 'none' has less than one step or byte; give it both");
  CHECK(thrown([&] { t.open_gathering("none", {-1, 2, {}}); }) == "stretto: gathering 'none' has less than one step or byte; give it both");
}

TEST_CASE("runs that don't fit are refused before anything is sent") {
  threads t(2);
  group g(t, 0, "data");
  std::vector<float> two(2), three(3);
  const std::string end = ", which don't fit as shares; give every member a share of one size";
  CHECK(thrown([&] { g.reduce_scatter(of(three), over(two)); }) == "stretto: group 'data' of 2 ranks is given runs of 3 and 2" + end);
  CHECK(thrown([&] { g.all_gather(of(two), over(three)); }) == "stretto: group 'data' of 2 ranks is given runs of 3 and 2" + end);
  CHECK(thrown([&] { g.all_to_all(of(three), over(three)); }) == "stretto: group 'data' of 2 ranks is given runs of 3 and 3" + end);
  CHECK(thrown([&] { g.all_to_all(of(two), over(three)); }) == "stretto: group 'data' of 2 ranks is given runs of 2 and 3" + end);
  const std::string counts = ", which don't fit as counts; give a count of at least 0 for each member, which add up to the run";
  CHECK(thrown([&] { g.all_to_all_v(of(three), {1, 1}, two); }) == "stretto: group 'data' of 2 ranks is given runs of 2 and 3" + counts);
  CHECK(thrown([&] { g.all_to_all_v(of(three), {3}, two); }) == "stretto: group 'data' of 2 ranks is given runs of 3 and 3" + counts);
  CHECK(thrown([&] { g.all_to_all_v(of(three), {4, -1}, two); }).find("as counts") != std::string::npos);
  CHECK(thrown([&] { g.broadcast(over(two), 2); }) == "stretto: group 'data' of 2 ranks is given runs of 2 and 2, which don't fit as the root and members; name a member from 0");
  CHECK(thrown([&] { g.broadcast(over(two), -1); }).find("as the root and members") != std::string::npos);
  struct wide {
    char bytes[40];
  };
  group narrow(t, 0, "narrow", {}, 32);
  wide one{};
  CHECK(thrown([&] { narrow.broadcast(view<wide>{&one, 1}, 0); }) == "stretto: group 'narrow' has room for 32 bytes, and one number of these takes 40; give it more room");
}

TEST_CASE("a member that stays away is named by the group at the deadline") {
  threads t(3, {.deadline = 0.1});
  const auto words = on_all(t, 3, [&](int r) {
    if (r == 1) return;
    group g(t, r, "data", {0, 1});
    g.barrier();
  });
  CHECK(words[0] == "stretto: rank 0 waited 100 ms for the other members of group 'data'; see what the others do, as stretto-explain reads it off their logs, or raise the deadline");
  CHECK(words[2] == "stretto: rank 2 is no member of group 'data'; let only members make it");
}

TEST_CASE("members that call other functions, or for runs of another size or type, are told of two ranks") {
  const auto said = [](auto&& first, auto&& second) {
    threads t(2, {.deadline = 20});
    const auto thrown_by = on_all(t, 2, [&](int r) {
      group g(t, r, "data");
      if (r == 0) first(g);
      else second(g);
    });
    CHECK(thrown_by[1] != "");
    return thrown_by[0];
  };
  float x[2] = {1, 2};
  double y[2] = {1, 2};
  const auto sum_of_two = [&](auto& g) { g.all_reduce(view<float>{x, 2}); };
  const std::string mine = "stretto: in group 'data' rank 0 calls all_reduce for 2 numbers of 4 bytes and rank 1 calls ";
  const std::string end = "; let all members call the same function, for runs of one size and type";
  CHECK(said(sum_of_two, [&](auto& g) { g.all_reduce(view<float>{x, 1}); }) == mine + "all_reduce for 1 numbers of 4 bytes" + end);
  CHECK(said(sum_of_two, [&](auto& g) { g.all_reduce(view<double>{y, 2}); }) == mine + "all_reduce for 2 numbers of 8 bytes" + end);
  CHECK(said(sum_of_two, [&](auto& g) { g.broadcast(view<float>{x, 2}, 1); }) == mine + "broadcast for 2 numbers of 4 bytes" + end);
  CHECK(said(sum_of_two, [&](auto& g) { g.barrier(); }) == mine + "barrier for 0 numbers of 1 bytes" + end);
}
