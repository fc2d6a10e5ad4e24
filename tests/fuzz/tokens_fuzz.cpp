// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Any bytes at all as a file of pairs. A refusal must be a sentence; what is read must be written as it was, and must decode
// what it encodes. The same bytes are a text to learn pairs from, and the state of a loader.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <stretto/train/loader_state.hpp>
#include <stretto/train/tokens.hpp>

namespace {

void require_that(bool holds) {
  if (!holds) std::abort();
}

void require_sentence(std::string_view s) {
  require_that(s.substr(0, 9) == "stretto: ");
  require_that(s.size() > 20 && s.size() < 4000);
  for (char c : s) require_that(c >= ' ' && c <= '~');
}

void require_round_trip(const stretto::pair_tokenizer& t, std::string_view letters) {
  const std::vector<std::int32_t> tokens = t.encode(letters);
  require_that(tokens.size() <= letters.size());
  for (const std::int32_t k : tokens) require_that(k >= 0 && k < t.vocabulary() && k != t.end_of_text());
  require_that(t.decode({tokens.data(), static_cast<std::int64_t>(tokens.size())}) == letters);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  using namespace stretto;
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  try {
    const pair_tokenizer t = pair_tokenizer::from_text(source, "x");
    require_that(t.to_text() == source);
    require_round_trip(t, source);
    require_round_trip(t, "abc abcabc aaaaaaaaaaaaaaaaaaaaaaaaaaaa 0123 \n\n the end");
  } catch (const error& e) {
    require_sentence(e.what());
  }
  try {
    require_that(loader_state::from_text(loader_state::from_text(source).to_text()).to_text() == loader_state::from_text(source).to_text());
  } catch (const error& e) {
    require_sentence(e.what());
  }
  const pair_tokenizer learned = train_pairs(source, 300);
  require_that(pair_tokenizer::from_text(learned.to_text(), "x").to_text() == learned.to_text());
  require_round_trip(learned, source);
  return 0;
}
