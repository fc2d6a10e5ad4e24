// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Distances of words that are known, and when a word has no neighbour.
#include <string>

#include <stretto/train/nearest_word.hpp>

#include "catch.hpp"

using namespace stretto;

TEST_CASE("letters added, left out, changed and swapped count one each") {
  CHECK(detail::letters_apart("", "") == 0);
  CHECK(detail::letters_apart("steps", "steps") == 0);
  CHECK(detail::letters_apart("stpes", "steps") == 1);
  CHECK(detail::letters_apart("step", "steps") == 1);
  CHECK(detail::letters_apart("ssteps", "steps") == 1);
  CHECK(detail::letters_apart("stups", "steps") == 1);
  CHECK(detail::letters_apart("kitten", "sitting") == 3);
  CHECK(detail::letters_apart("", "abc") == 3);
  CHECK(detail::letters_apart(std::string(64, 'a'), std::string(64, 'b')) == 64);
}

TEST_CASE("the nearest word is found where one is near") {
  CHECK(detail::nearest_word("stpes", {"seed", "steps", "rate"}) == "steps");
  CHECK(detail::nearest_word("rates", {"seed", "steps", "rate"}) == "rate");
  CHECK(detail::nearest_word("xyz", {"seed", "steps", "rate"}).empty());
  CHECK(detail::nearest_word("", {"a"}).empty());
  CHECK(detail::nearest_word(std::string(1000, 's'), {"steps"}).empty());
  CHECK(detail::nearest_word("steps", {std::string(1000, 's')}).empty());
}
