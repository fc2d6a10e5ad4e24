// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Any bytes at all as a file of tokens. A refusal must be a sentence; what is opened must give every token it promises, or
// say of one that it is none; documents must rise and stay within the file. The first byte says which format is asked for
// and the second how much is the index, so that pairs are tried too.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>
#include <vector>

#include <stretto/train/token_file.hpp>

namespace {

void require_that(bool holds) {
  if (!holds) std::abort();
}

void require_sentence(std::string_view s) {
  require_that(s.substr(0, 9) == "stretto: ");
  require_that(s.size() > 20 && s.size() < 4000);
  for (char c : s) require_that(c >= ' ' && c <= '~');
}

void look_at(const stretto::token_file& f) {
  using namespace stretto;
  require_that(f.size() >= 0 && f.size() <= f.bytes().count);
  std::vector<std::int32_t> all(static_cast<std::size_t>(f.size()));
  try {
    f.read(0, f.size(), all.data());
    std::int64_t largest = -1;
    for (const std::int32_t t : all) {
      require_that(t >= 0);
      largest = t > largest ? t : largest;
    }
    require_that(f.vocabulary_needed() == largest + 1);
  } catch (const error& e) {
    require_sentence(e.what());
  }
  std::int32_t one = 0;
  for (const std::int64_t at : {f.size(), std::int64_t{-1}, std::int64_t{INT64_MAX}}) try {
      f.read(at, 1, &one);
      std::abort();
    } catch (const error& e) {
      require_sentence(e.what());
    }
  std::int64_t before = 0;
  for (std::int64_t d = 0; d <= f.documents(); ++d) {
    require_that(f.document(d) >= before && f.document(d) <= f.size());
    before = f.document(d);
  }
  require_that(before == (f.documents() > 0 ? f.size() : before));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stretto;
  if (size < 2) return 0;
  const std::int64_t count = static_cast<std::int64_t>(size) - 2;
  const view<const std::byte> all{reinterpret_cast<const std::byte*>(data) + 2, count};
  const std::int64_t index = data[1] < count ? data[1] : count;
  const view<const std::byte> first{all.first, index}, rest{all.first + index, count - index};
  try {
    switch (data[0] % 5) {
      case 0: look_at(token_file(all, {}, "x")); break;
      case 1: look_at(token_file(all, {}, "x", token_format::llmc)); break;
      case 2: look_at(token_file(all, {}, "x", token_format::raw16)); break;
      case 3: look_at(token_file(rest, first, "x", token_format::megatron)); break;
      default: look_at(token_file(rest, first, "x")); break;
    }
  } catch (const error& e) {
    require_sentence(e.what());
  }
  return 0;
}
