// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// SHA-256 against the published examples, and piece by piece.
#include <string>
#include <vector>

#include <stretto/train/digest.hpp>

#include "catch.hpp"

using namespace stretto;

namespace {

std::string digest_of(const std::string& s) {
  sha256 d;
  d.add(s.data(), static_cast<std::int64_t>(s.size()));
  return d.hex();
}

}  // namespace

TEST_CASE("SHA-256 gives the digests of its examples") {
  CHECK(digest_of("abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  CHECK(digest_of("abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq") == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1");
  CHECK(digest_of("") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  CHECK(digest_of(std::string(1000000, 'a')) == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
  CHECK(digest_of("abcdefghbcdefghicdefghijdefghijkefghijklfghijklmghijklmnhijklmnoijklmnopjklmnopqklmnopqrlmnopqrsmnopqrstnopqrstu") ==
        "cf5b16a778af8380036ce59e7b0492370b249b11e8f07a51afac45037afee9d1");
}

TEST_CASE("SHA-256 doesn't hang on how bytes come") {
  std::string all;
  for (int i = 0; i < 400; ++i) all += static_cast<char>(i * 7);
  const std::string whole = digest_of(all);
  for (int piece = 1; piece < 200; ++piece) {
    sha256 d;
    for (int at = 0; at < 400; at += piece) d.add(all.data() + at, at + piece < 400 ? piece : 400 - at);
    REQUIRE(d.hex() == whole);
    REQUIRE(d.hex() == whole);  // asking changes nothing
  }
  CHECK(digest_of(all.substr(0, 399)) != whole);
}
