// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
#include <cstdint>
#include <limits>
#include <string>

#include <stretto/core/text.hpp>
#include <stretto/core/version.hpp>

#include "catch.hpp"

using namespace stretto;

TEST_CASE("a text takes words, labels, letters and numbers") {
  CHECK(text("rank ", 3, " waits for ", label("F"), ';', -12).str() == "rank 3 waits for F;-12");
  CHECK(text(std::numeric_limits<std::int64_t>::min()).str() == "-9223372036854775808");
  CHECK(text(std::numeric_limits<std::int64_t>::max()).str() == "9223372036854775807");
  CHECK(text(0).str() == "0");
  CHECK(text().empty());
}

TEST_CASE("a label holds 31 characters and compares by them") {
  CHECK(label("REDUCE_GRAD").str() == "REDUCE_GRAD");
  CHECK(label("0123456789abcdefghijklmnopqrstuvwxyz").str() == "0123456789abcdefghijklmnopqrstu");
  CHECK(label("").empty());
  CHECK(label("F") == label("F"));
  CHECK_FALSE(label("F") == label("FF"));
}

TEST_CASE("texts work in constant expressions") {
  STATIC_REQUIRE(text("a", 1, label("b")).str() == "a1b");
}

TEST_CASE("the version of the preprocessor and of the program agree") {
  STATIC_REQUIRE(version == version_number{STRETTO_VERSION_MAJOR, STRETTO_VERSION_MINOR, STRETTO_VERSION_PATCH});
}
