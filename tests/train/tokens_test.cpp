// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Tokenizers: decode gives back what was encoded, training is held to a slow truth, reading of pairs is strict.
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>
#include <string_view>
#include <system_error>
#include <utility>
#include <vector>

#include <stretto/core/random.hpp>
#include <stretto/train/tokens.hpp>

#include "catch.hpp"

using namespace stretto;

namespace {

using ids = std::vector<std::int32_t>;

template <class T>
std::string decoded(const T& t, const ids& tokens) {
  return t.decode({tokens.data(), static_cast<std::int64_t>(tokens.size())});
}

std::vector<std::string> words_in(std::string_view s) {
  std::vector<std::string> all;
  while (!s.empty()) {
    const auto n = static_cast<std::size_t>(first_word(s));
    REQUIRE((n >= 1 && n <= s.size() && n <= longest_word));
    all.emplace_back(s.substr(0, n));
    s.remove_prefix(n);
  }
  return all;
}

/// Letters of a few words, drawn by number.
std::string drawn_text(std::uint32_t seed, int words) {
  const random_stream r{seed, 0, 0, 0};
  std::string s;
  for (int w = 0; w < words; ++w) {
    const std::uint32_t which = r.bits(w) % 60 * (r.bits(w) >> 16 & 1);
    const random_stream letters{which, 1, 0, 0};
    for (std::uint32_t i = 0; i <= letters.bits(0) % 9; ++i) s += static_cast<char>('a' + letters.bits(i + 1) % 6);
    s += w % 13 == 12 ? ".\n" : " ";
  }
  return s;
}

/// Training as it is told: count all pairs, join the first of the most frequent, start over.
std::vector<token_pair> slow_training(const std::string& letters, int vocabulary) {
  std::vector<ids> words;
  for (const std::string& w : words_in(letters)) {
    words.emplace_back();
    for (const char c : w) words.back().push_back(static_cast<unsigned char>(c));
  }
  std::vector<token_pair> pairs;
  for (int token = 257; token < vocabulary; ++token) {
    std::map<std::pair<int, int>, int> counts;
    for (const ids& w : words)
      for (std::size_t i = 0; i + 1 < w.size(); ++i) ++counts[{w[i], w[i + 1]}];
    std::pair<int, int> best;
    int most = 1;
    for (const auto& [pair, n] : counts)
      if (n > most) most = n, best = pair;
    if (most < 2) break;
    pairs.push_back({best.first, best.second});
    for (ids& w : words)
      for (std::size_t i = 0; i + 1 < w.size(); ++i)
        if (w[i] == best.first && w[i + 1] == best.second) w[i] = token, w.erase(w.begin() + static_cast<std::ptrdiff_t>(i) + 1);
  }
  return pairs;
}

/// Encoding as it is told: in each word all places of the lowest pair, pair by pair.
ids slow_encoding(const pair_tokenizer& t, const std::string& letters) {
  ids all;
  for (const std::string& word : words_in(letters)) {
    ids w;
    for (const char c : word) w.push_back(static_cast<unsigned char>(c));
    for (int p = 0; p < t.pairs().count; ++p)
      for (std::size_t i = 0; i + 1 < w.size(); ++i)
        if (token_pair{w[i], w[i + 1]} == t.pairs()[p]) w[i] = 257 + p, w.erase(w.begin() + static_cast<std::ptrdiff_t>(i) + 1);
    all.insert(all.end(), w.begin(), w.end());
  }
  return all;
}

}  // namespace

TEST_CASE("bytes are tokens and tokens are bytes") {
  const byte_tokenizer t;
  CHECK(t.encode("Hi\xff") == ids{72, 105, 255});
  CHECK(decoded(t, {72, 256, 105, 255}) == "Hi\xff");
  CHECK((t.vocabulary() == 257 && t.end_of_text() == 256));
  CHECK(t.encode("").empty());
  CHECK_THROWS_WITH(decoded(t, {72, 257}), "stretto: token 257 is to be decoded by a tokenizer that has 0 to 256; use the tokenizer that made it");
  CHECK_THROWS_AS(decoded(t, {-1}), error);
  const byte_tokenizer bare{.with_end = false};
  CHECK(bare.vocabulary() == 256);
  CHECK_THROWS_AS(decoded(bare, {256}), error);
  CHECK_THROWS_WITH(bare.end_of_text(), "stretto: this byte_tokenizer has no token that ends a text; make it with with_end");
}

TEST_CASE("a text is cut into words") {
  using all = std::vector<std::string>;
  CHECK(words_in("It's 12 o'clock.\n") == all{"It", "'", "s", " 12", " o", "'", "clock", ".", "\n"});
  CHECK(words_in("  a\n\n b \t") == all{" ", " a", "\n\n", " b", " \t"});
  CHECK(words_in("caf\xc3\xa9 x1") == all{"caf\xc3\xa9", " x", "1"});
  CHECK(words_in(" ") == all{" "});
  CHECK(words_in("").empty());
  CHECK(words_in(std::string(600, 'x')).size() == 3);
  CHECK(words_in(" " + std::string(600, ' ') + "x").back() == " x");
}

TEST_CASE("the most frequent pair becomes a token and of equal ones the lower") {
  const pair_tokenizer t = train_pairs("low low low lower lower newest newest", 262);
  REQUIRE(t.vocabulary() == 262);
  CHECK(t.letters_of(257) == "lo");    // 5 times, before the equal "ow"
  CHECK(t.letters_of(258) == "low");
  CHECK(t.letters_of(259) == " low");  // 4 times
  CHECK(t.letters_of(260) == " n");    // twice, like many: a blank is the lowest token
  CHECK(t.letters_of(261) == "er");
  CHECK(t.encode("low") == ids{258});
  CHECK(t.encode(" lower") == ids{259, 261});
  CHECK(train_pairs("abc", 300).vocabulary() == 257);  // nothing occurs twice
  CHECK(train_pairs("", 300).vocabulary() == 257);
  CHECK_THROWS_WITH(train_pairs("abc", 256), "stretto: a pair_tokenizer of 256 tokens is asked for; choose from 257 to 65536");
  CHECK_THROWS_AS(train_pairs("abc", 65537), error);
}

TEST_CASE("training and encoding are what their definitions say") {
  for (std::uint32_t seed = 0; seed < 12; ++seed) {
    const std::string letters = drawn_text(seed, 300) + (seed % 3 == 0 ? "aaaaaaa aaaa aaaaaaaaaaa aaa" : "");
    const pair_tokenizer t = train_pairs(letters, 330);
    const std::vector<token_pair> truth = slow_training(letters, 330);
    REQUIRE(std::vector<token_pair>(t.pairs().begin(), t.pairs().end()) == truth);
    const std::string other = drawn_text(seed + 100, 500) + letters;
    REQUIRE(t.encode(other) == slow_encoding(t, other));
    REQUIRE(t.encode(other.substr(0, 90)) == slow_encoding(t, other.substr(0, 90)));  // without a table of words
  }
}

TEST_CASE("decode gives back what was encoded whatever the bytes are") {
  const pair_tokenizer t = train_pairs(drawn_text(1, 2000), 400);
  REQUIRE(t.vocabulary() == 400);
  pair_encoder encoder(t);
  const random_stream r{3, 0, 0, 0};
  for (int round = 0; round < 200; ++round) {
    std::string s;
    const std::uint32_t n = r.bits(round) % 4000;
    for (std::uint32_t i = 0; i < n; ++i) s += static_cast<char>(round % 2 == 0 ? r.bits(round * 5000 + i) : 'a' + r.bits(round * 5000 + i) % 6);
    ids tokens;
    encoder.encode(s, tokens);
    REQUIRE(decoded(t, tokens) == s);
    REQUIRE(tokens == t.encode(s));
  }
  const std::string run(100000, 'a');
  CHECK(decoded(t, t.encode(run)) == run);
  CHECK_THROWS_WITH(decoded(t, {400}), "stretto: token 400 is to be decoded by a tokenizer that has 0 to 399; use the tokenizer that made it");
  CHECK(decoded(t, {256}).empty());
}

TEST_CASE("pairs are saved and loaded") {
  const std::filesystem::path dir = std::filesystem::temp_directory_path() / ("stretto_pairs_" + std::to_string(::getpid()));
  std::filesystem::create_directories(dir);
  const pair_tokenizer t = train_pairs(drawn_text(2, 1000), 400);
  t.save((dir / "p").string());
  const pair_tokenizer u = pair_tokenizer::load((dir / "p").string());
  CHECK(u.to_text() == t.to_text());
  CHECK(u.encode(drawn_text(9, 50)) == t.encode(drawn_text(9, 50)));
  CHECK(pair_tokenizer().to_text() == "stretto pairs 1\n0\n");
  CHECK_THROWS_WITH(t.save((dir / "no" / "p").string()), "stretto: file '" + (dir / "no" / "p").string() + "' can't be written (No such file or directory); check the folder, and the room on its disk");
  CHECK_THROWS_WITH(pair_tokenizer::load((dir / "none").string()), "stretto: file '" + (dir / "none").string() + "' can't be opened (No such file or directory); check its name and who may read it");
  std::error_code ignored;
  std::filesystem::remove_all(dir, ignored);
}

TEST_CASE("a file of pairs is read strictly") {
  const auto refused = [](const std::string& source, const std::string& words) {
    CHECK_THROWS_WITH(pair_tokenizer::from_text(source, "p"), "stretto: file 'p' of pairs " + words);
  };
  const std::string head = "stretto pairs 1\n";
  CHECK(pair_tokenizer::from_text(head + "2\n97 98\n257 99\n", "p").letters_of(258) == "abc");
  refused("", "has in line 1 something else than 'stretto pairs 1'; make it anew");
  refused("stretto pairs 2\n0\n", "has in line 1 something else than 'stretto pairs 1'; make it anew");
  for (const char* count : {"", "\n", "x\n", "1", "-1\n", "1 \n", "01\n", "1234567\n", "99999999999999999999\n"})
    refused(head + count, "has in line 2 no number of up to six digits at its end; make it anew");
  refused(head + "65280\n", "has in line 2 more pairs than 65279; make it anew");
  refused(head + "2\n97 98\n", "has in line 4 no token and a blank; make it anew");
  refused(head + "1\n97\t98\n", "has in line 3 no token and a blank; make it anew");
  refused(head + "1\n97 98", "has in line 3 no number of up to six digits at its end; make it anew");
  refused(head + "1\n97 98\n\n", "has in line 4 more than the pairs that line 2 promises; make it anew");
  refused(head + "1\n97 257\n", "can't be used: token 257 is a pair of 97 and 257, which aren't both earlier tokens with letters; correct the pair");
  refused(head + "1\n97 256\n", "can't be used: token 257 is a pair of 97 and 256, which aren't both earlier tokens with letters; correct the pair");
  refused(head + "2\n97 98\n97 98\n", "can't be used: token 258 is the pair of 97 and 98, as is token 257; take one out");
  std::string doubling = head + "20\n97 97\n";
  for (int i = 257; i < 276; ++i) doubling += std::to_string(i) + " " + std::to_string(i) + "\n";
  refused(doubling, "can't be used: token 265 stands for more than 256 bytes, and no word is as long; take it out");
  CHECK_THROWS_WITH(pair_tokenizer(std::vector<token_pair>(70000)), "stretto: a pair_tokenizer is to have 70000 pairs; give at most 65279");
  try {
    pair_tokenizer::from_text(head + "2\n97 98\nx", "p");
    FAIL("it was read");
  } catch (const error& e) {
    CHECK(e.place().line == 4);
  }
}
