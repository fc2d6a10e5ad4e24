// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The picture at the top of each schedule's header is what to_grid prints for the sizes that the schedule's member
// `picture` names. A header is called as its type; its picture is the lines that begin with "//     rank ".
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

/// The name of a schedule's type: "one_f_one_b".
template <class S>
std::string type_name() {
  std::string name = __PRETTY_FUNCTION__;  // … [with S = stretto::v0::one_f_one_b; …]
  name.erase(0, name.find("S = ") + 4);
  name.erase(name.find_first_of(";]"));
  return name.substr(name.rfind(':') + 1);
}

}  // namespace

TEST_CASE("every schedule's header shows the grid of the sizes that its picture names, more than one rank and micro-batch") {
  int schedules = 0;
  all_schedules::each([&](auto s) {
    using S = decltype(s);
    ++schedules;
    INFO(type_name<S>());
    CHECK(S::picture.ranks > 1);
    CHECK(S::picture.micro_batches > 1);
    CHECK((S::picture.chunks > 1) <= takes_chunks<S>());
    CHECK(picture_of(type_name<S>() + ".hpp") == to_grid(make_plan(s, S::picture)));
  });
  CHECK(schedules > 3);
}

TEST_CASE("the name of a schedule's type is read as its header is called") {
  CHECK(type_name<one_f_one_b>() == "one_f_one_b");
  CHECK(type_name<zb_h1>() == "zb_h1");
}
