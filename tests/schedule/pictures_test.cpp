// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The picture at the top of each schedule's header is what to_grid prints. A picture is the lines that begin with
// "//     rank ".
#include <fstream>
#include <string>

#include <stretto/stretto.hpp>

#include "catch.hpp"

using namespace stretto;

namespace {

std::string tests_folder() {
#ifdef STRETTO_TESTS_DIR
  return STRETTO_TESTS_DIR;
#else
  const std::string file = __FILE__;
  const auto slash = file.rfind('/');
  return slash == std::string::npos ? ".." : file.substr(0, slash) + "/..";
#endif
}

/// The picture of a header of include/stretto/schedule.
std::string picture_of(const std::string& header) {
  const std::string path = tests_folder() + "/../include/stretto/schedule/" + header;
  std::ifstream in(path);
  INFO(path);
  REQUIRE(in);
  const std::string margin = "//     ";
  std::string line, picture;
  while (std::getline(in, line))
    if (line.rfind(margin + "rank ", 0) == 0) picture += line.substr(margin.size()) + "\n";
  REQUIRE(picture != "");
  return picture;
}

}  // namespace

TEST_CASE("gpipe.hpp shows the grid of 3 ranks and 3 micro-batches") {
  CHECK(picture_of("gpipe.hpp") == to_grid(make_plan(gpipe{}, {.ranks = 3, .micro_batches = 3})));
}

TEST_CASE("one_f_one_b.hpp shows the grid of 3 ranks and 5 micro-batches") {
  CHECK(picture_of("one_f_one_b.hpp") == to_grid(make_plan(one_f_one_b{}, {.ranks = 3, .micro_batches = 5})));
}

TEST_CASE("interleaved_one_f_one_b.hpp shows the grid of 2 ranks with 2 chunks each and 4 micro-batches") {
  CHECK(picture_of("interleaved_one_f_one_b.hpp") ==
        to_grid(make_plan(interleaved_one_f_one_b{}, {.ranks = 2, .micro_batches = 4, .chunks = 2})));
}

TEST_CASE("forward_only.hpp shows the grid of 2 ranks and 4 micro-batches") {
  CHECK(picture_of("forward_only.hpp") == to_grid(make_plan(forward_only{}, {.ranks = 2, .micro_batches = 4})));
}

TEST_CASE("every schedule of all_schedules has its picture among these tests") {
  int schedules = 0;
  all_schedules::each([&](auto) { ++schedules; });
  CHECK(schedules == 4);  // a new one: add its picture above
}
