// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// A byte-pair tokenizer: tokens 0 to 255 are the bytes, 256 ends a text, and each further one is a pair of earlier tokens.
//
//     257 = "t" "h",  258 = 257 "e":        "the" is t h e, then 257 e, then 258
//     pair_tokenizer t = train_pairs(words, 4096);       pair_training.hpp
//     t.encode("the")                                    258
//     t.save("corpus.pairs"), pair_tokenizer::load("corpus.pairs")
// A word's pairs are joined lowest token first, as in training, until none is left; words.hpp says what a word is.
// The file is text: "stretto pairs 1", how many there are, and a line "left right" each. Reading is strict.
// Cost: encoding keeps a table of recent words, so that a text in a language takes about a look-up a word (tens of MB/s); a
// new word of n bytes takes O(n²) steps, and n is at most 256. `encode` may be called by several threads; a pair_encoder
// keeps its table from call to call, and each thread has its own.
// Source: Sennrich et al., Neural machine translation of rare words with subword units, ACL 2016.
#pragma once

#include <cstdint>
#include <cstring>
#include <string>
#include <string_view>
#include <vector>

#include <stretto/core/array.hpp>
#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/train/mapped_file.hpp>
#include <stretto/train/new_file.hpp>
#include <stretto/train/words.hpp>

namespace stretto::inline v0 {

struct token_pair {
  std::int32_t left = 0, right = 0;
  friend bool operator==(const token_pair&, const token_pair&) = default;
};

class pair_tokenizer {
 public:
  static constexpr int first_pair = 257;
  static constexpr int most = 65536;  ///< tokens: files have two bytes for each

  /// Of no pairs: bytes alone.
  pair_tokenizer() : pair_tokenizer(std::vector<token_pair>()) {}

  /// Pair i is token 257 + i. Throws where one isn't of earlier tokens, is there twice or is longer than a word can be.
  explicit pair_tokenizer(std::vector<token_pair> pairs) : pairs_(static_cast<std::vector<token_pair>&&>(pairs)) {
    const auto count = static_cast<int>(pairs_.size() < most ? pairs_.size() : most);
    if (count > most - first_pair)
      throw error(text("stretto: a pair_tokenizer is to have ", static_cast<std::int64_t>(pairs_.size()), " pairs; give at most ", most - first_pair).str());
    std::size_t slots = 64;
    while (slots < 3 * pairs_.size()) slots *= 2;
    table_.assign(slots, -1);
    begin_.reserve(pairs_.size() + first_pair + 1);
    for (int b = 0; b < 256; ++b) begin_.push_back(b), letters_ += static_cast<char>(b);
    begin_.push_back(256), begin_.push_back(256);  // the end of a text is no letters
    for (int i = 0; i < count; ++i) {
      const token_pair p = pairs_[static_cast<std::size_t>(i)];
      const int token = first_pair + i;
      const auto earlier = [&](std::int32_t t) { return t >= 0 && t < token && t != 256; };
      if (!earlier(p.left) || !earlier(p.right))
        throw error(text("stretto: token ", token, " is a pair of ", p.left, " and ", p.right, ", which aren't both earlier tokens with letters; correct the pair").str());
      if (joined(p.left, p.right) >= 0)
        throw error(text("stretto: token ", token, " is the pair of ", p.left, " and ", p.right, ", as is token ", joined(p.left, p.right), "; take one out").str());
      if (letters_of(p.left).size() + letters_of(p.right).size() > longest_word)
        throw error(text("stretto: token ", token, " stands for more than ", longest_word, " bytes, and no word is as long; take it out").str());
      const std::string both = std::string(letters_of(p.left)).append(letters_of(p.right));
      letters_ += both;
      begin_.push_back(static_cast<std::int32_t>(letters_.size()));
      std::size_t at = slot(p.left, p.right);
      while (table_[at] >= 0) at = (at + 1) & (slots - 1);
      table_[at] = i;
    }
  }

  int vocabulary() const { return first_pair + static_cast<int>(pairs_.size()); }
  std::int32_t end_of_text() const { return 256; }
  view<const token_pair> pairs() const { return {pairs_.data(), static_cast<std::int64_t>(pairs_.size())}; }

  /// The bytes that a token stands for.
  std::string_view letters_of(std::int32_t token) const {
    const auto t = static_cast<std::size_t>(token);
    return std::string_view(letters_).substr(static_cast<std::size_t>(begin_[t]), static_cast<std::size_t>(begin_[t + 1] - begin_[t]));
  }

  /// The token that joins two, or -1.
  std::int32_t joined(std::int32_t left, std::int32_t right) const {
    for (std::size_t at = slot(left, right);; at = (at + 1) & (table_.size() - 1)) {
      const std::int32_t i = table_[at];
      if (i < 0) return -1;
      if (pairs_[static_cast<std::size_t>(i)] == token_pair{left, right}) return first_pair + i;
    }
  }

  void encode(std::string_view letters, std::vector<std::int32_t>& to) const;  // below
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
      letters += letters_of(t);
    }
    return letters;
  }

  std::string to_text() const {
    std::string s = "stretto pairs 1\n" + std::to_string(pairs_.size()) + "\n";
    for (const token_pair& p : pairs_) s += std::to_string(p.left) + " " + std::to_string(p.right) + "\n";
    return s;
  }

  /// Reads what to_text() writes. Throws with the line where it is anything else; `name` says whose text it is.
  static pair_tokenizer from_text(std::string_view source, const std::string& name) {
    int line = 1;
    const auto refuse = [&](const char* what) {
      throw error(text("stretto: file '", detail::shown_path(name), "' of pairs has in line ", line, " ", what, "; make it anew").str(), {.line = line});
    };
    std::size_t at = 0;
    const auto number = [&](char behind) {
      std::int32_t n = 0;
      const std::size_t from = at;
      while (at < source.size() && at < from + 6 && source[at] >= '0' && source[at] <= '9') n = 10 * n + (source[at++] - '0');
      if (at == from || at >= source.size() || source[at] != behind || (source[from] == '0' && at > from + 1)) refuse(behind == ' ' ? "no token and a blank" : "no number of up to six digits at its end");
      ++at;
      return n;
    };
    constexpr std::string_view head = "stretto pairs 1\n";
    if (!source.starts_with(head)) refuse("something else than 'stretto pairs 1'");
    at = head.size(), line = 2;
    const std::int32_t count = number('\n');
    if (count > most - first_pair) refuse("more pairs than 65279");
    std::vector<token_pair> pairs;
    for (std::int32_t i = 0; i < count; ++i) {  // no room is made for what a number promises
      line = 3 + i;
      const std::int32_t left = number(' ');
      pairs.push_back({left, number('\n')});
    }
    line = 3 + count;
    if (at != source.size()) refuse("more than the pairs that line 2 promises");
    try {
      return pair_tokenizer(static_cast<std::vector<token_pair>&&>(pairs));
    } catch (const error& e) {
      const std::string_view why = e.what();
      throw error(text("stretto: file '", detail::shown_path(name), "' of pairs can't be used: ", why.substr(std::string_view("stretto: ").size())).str());
    }
  }

  static pair_tokenizer load(const std::string& path) {
    const mapped_file f(path);
    return from_text(f.letters(), path);
  }

  /// Puts the file in its place whole or not at all.
  void save(const std::string& path) const {
    const std::string letters = to_text();
    new_file f(path);
    f.put(letters.data(), static_cast<std::int64_t>(letters.size()));
    f.finish();
  }

 private:
  std::size_t slot(std::int32_t left, std::int32_t right) const {
    const std::uint64_t key = static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32 | static_cast<std::uint32_t>(right);
    return static_cast<std::size_t>(key * 0x9E3779B97F4A7C15u >> 32) & (table_.size() - 1);
  }

  std::vector<token_pair> pairs_;
  std::vector<std::int32_t> table_;  // pairs by hash, -1 where there is none
  std::string letters_;              // of all tokens
  std::vector<std::int32_t> begin_;  // where in letters_ each begins
};

/// Encodes text after text, and remembers words. One thread at a time.
class pair_encoder {
 public:
  /// The tokenizer must outlive it.
  explicit pair_encoder(const pair_tokenizer& t) : tokenizer_(&t) {}

  void encode(std::string_view letters, std::vector<std::int32_t>& to) {
    if (letters.size() > 2048 && seen_.empty()) seen_.resize(kept_words);
    while (!letters.empty()) {
      const std::string_view word = letters.substr(0, static_cast<std::size_t>(first_word(letters)));
      letters.remove_prefix(word.size());
      if (word.size() > kept_letters || seen_.empty()) {
        join(word);
        to.insert(to.end(), tokens_, tokens_ + count_);
        continue;
      }
      std::uint64_t hash = 0;
      for (const char c : word) hash = (hash ^ static_cast<unsigned char>(c)) * 0x9E3779B97F4A7C15u, hash ^= hash >> 29;
      known& k = seen_[static_cast<std::size_t>(hash >> 40) % kept_words];
      if (k.size != word.size() || std::memcmp(k.letters, word.data(), word.size()) != 0) {
        join(word);
        k.size = static_cast<std::uint8_t>(word.size());
        k.count = static_cast<std::uint8_t>(count_);
        std::memcpy(k.letters, word.data(), word.size());
        for (int i = 0; i < count_; ++i) k.tokens[i] = static_cast<std::uint16_t>(tokens_[i]);
      }
      for (int i = 0; i < k.count; ++i) to.push_back(k.tokens[i]);
    }
  }

 private:
  static constexpr std::size_t kept_words = 16384, kept_letters = 22;
  struct known {
    std::uint8_t size = 0, count = 0;
    char letters[kept_letters];
    std::uint16_t tokens[kept_letters];
  };

  /// A word's tokens go to tokens_.
  void join(std::string_view word) {
    std::int32_t with[longest_word];  // the token that joins this one to the next
    count_ = 0;
    for (const char c : word) tokens_[count_++] = static_cast<unsigned char>(c);
    for (int i = 0; i + 1 < count_; ++i) with[i] = tokenizer_->joined(tokens_[i], tokens_[i + 1]);
    while (true) {
      int at = -1;
      for (int i = 0; i + 1 < count_; ++i)
        if (with[i] >= 0 && (at < 0 || with[i] < with[at])) at = i;
      if (at < 0) return;
      tokens_[at] = with[at];
      --count_;
      for (int i = at + 1; i < count_; ++i) {
        tokens_[i] = tokens_[i + 1];
        if (i + 1 < count_) with[i] = with[i + 1];
      }
      for (const int i : {at - 1, at})
        if (i >= 0 && i + 1 < count_) with[i] = tokenizer_->joined(tokens_[i], tokens_[i + 1]);
    }
  }

  const pair_tokenizer* tokenizer_;
  std::vector<known> seen_;
  std::int32_t tokens_[longest_word];
  int count_ = 0;
};

inline void pair_tokenizer::encode(std::string_view letters, std::vector<std::int32_t>& to) const { pair_encoder(*this).encode(letters, to); }

}  // namespace stretto::inline v0
