// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <set>
#include <string>
#include <vector>

#include <stretto/core/mesh.hpp>

#include "catch.hpp"

using namespace stretto;

TEST_CASE("a rank is the sum over axes of coordinate times stride, on every mesh of three axes up to 4 each") {
  for (int a = 1; a <= 4; ++a)
    for (int b = 1; b <= 4; ++b)
      for (int c = 1; c <= 4; ++c) {
        const mesh m{{"data", a}, {"pipeline", b}, {"tensor", c}};
        REQUIRE(m.ranks() == a * b * c);
        for (int r = 0; r < m.ranks(); ++r) {
          int sum = 0;
          for (int i = 0; i < m.axes(); ++i) sum += m.coordinate(r, m.axis(i).name.str()) * m.stride(i);
          REQUIRE(sum == r);
        }
      }
}

TEST_CASE("the lines along an axis part the ranks, and every member names the same line") {
  const mesh m{{"data", 2}, {"pipeline", 3}, {"tensor", 4}};
  for (const char* axis : {"data", "pipeline", "tensor"}) {
    std::set<int> seen;
    for (int r = 0; r < m.ranks(); ++r) {
      const mesh_line line = m.along(r, axis);
      REQUIRE(line.members == m.size(axis));
      REQUIRE(line[m.coordinate(r, axis)] == r);
      for (int i = 0; i < line.members; ++i) REQUIRE(m.along(line[i], axis) == line);
      if (line.first == r)
        for (int i = 0; i < line.members; ++i) REQUIRE(seen.insert(line[i]).second);
    }
    CHECK(static_cast<int>(seen.size()) == m.ranks());
  }
}

TEST_CASE("moving along an axis stops at its ends") {
  constexpr mesh m{{"data", 2}, {"pipeline", 3}};
  STATIC_REQUIRE(m.moved(4, "pipeline", 1) == 5);
  STATIC_REQUIRE(m.moved(5, "pipeline", 1) == -1);
  STATIC_REQUIRE(m.moved(4, "data", -1) == 1);
  STATIC_REQUIRE(m.moved(3, "pipeline", -1) == -1);
  STATIC_REQUIRE(m.coordinate(4, "pipeline") == 1);
  CHECK(m.place(4).str() == "data 1, pipeline 1");
  CHECK(m.moved(0, "pipeline", 2147483647) == -1);
}

TEST_CASE("an axis that the mesh doesn't have has one rank") {
  constexpr mesh m{{"pipeline", 3}};
  STATIC_REQUIRE(m.size("tensor") == 1);
  STATIC_REQUIRE(m.coordinate(2, "tensor") == 0);
  STATIC_REQUIRE(m.along(2, "tensor") == mesh_line{2, 1, 1});
  STATIC_REQUIRE(m.moved(2, "tensor", 1) == -1);
  STATIC_REQUIRE(m.moved(2, "tensor", 0) == 2);
}

TEST_CASE("a bad mesh is refused in a sentence") {
  CHECK_THROWS_WITH((mesh{{"pipeline", 0}}), "stretto: axis 'pipeline' of the mesh has size 0; give every axis at least one rank");
  CHECK_THROWS_WITH((mesh{{"data", 2}, {"data", 2}}), "stretto: axis 'data' stands twice in the mesh; give each axis its own name");
  CHECK_THROWS_WITH((mesh{{"data", 65536}, {"pipeline", 65536}}), "stretto: the mesh has more than 2147483647 ranks; make an axis smaller");
  CHECK_THROWS_WITH((mesh{{"a", 1}, {"b", 1}, {"c", 1}, {"d", 1}, {"e", 1}, {"f", 1}, {"g", 1}, {"h", 1}, {"i", 1}}),
                    "stretto: a mesh has at most eight axes; merge some");
  CHECK_THROWS_WITH((mesh{{"pipeline", 3}}.coordinate(3, "pipeline")), "stretto: rank 3 is not in the mesh of 3 ranks; use 0 to 2");
}
