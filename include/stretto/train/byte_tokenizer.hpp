// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The simplest tokenizer: every byte is a token, 0 to 255, and 256 ends a text.
//
//     const byte_tokenizer t;
//     t.encode("Hi")                    72, 105
//     t.decode(tokens)                  "Hi"; the end of a text is no letters
// Cost: a token a byte. It needs no training and takes any bytes, so it is what tests and first models use.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <stretto/core/array.hpp>
#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>

namespace stretto::inline v0 {

struct byte_tokenizer {
  bool with_end = true;  ///< whether there is a token that ends a text

  int vocabulary() const { return with_end ? 257 : 256; }
  std::int32_t end_of_text() const {
    if (!with_end) throw error("stretto: this byte_tokenizer has no token that ends a text; make it with with_end");
    return 256;
  }

  void encode(std::string_view letters, std::vector<std::int32_t>& to) const {
    to.reserve(to.size() + letters.size());
    for (const char c : letters) to.push_back(static_cast<unsigned char>(c));
  }
  std::vector<std::int32_t> encode(std::string_view letters) const {
    std::vector<std::int32_t> tokens;
    encode(letters, tokens);
    return tokens;
  }

  std::string decode(view<const std::int32_t> tokens) const {
    std::string letters;
    for (const std::int32_t t : tokens) {
      if (t < 0 || t >= vocabulary())
        throw error(text("stretto: token ", t, " is to be decoded by a tokenizer that has 0 to ", vocabulary() - 1, "; use the tokenizer that made it").str());
      if (t < 256) letters += static_cast<char>(t);
    }
    return letters;
  }
};

}  // namespace stretto::inline v0
