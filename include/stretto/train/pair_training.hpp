// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Finds the pairs of a pair_tokenizer: time after time the pair of tokens that stands side by side most often becomes one.
//
//     word_counts words;
//     words.add(letters);                        as many texts as you like
//     pair_tokenizer t = train_pairs(words, 4096);
// Of pairs that are as frequent, the one of the lower left token goes first, then of the lower right one, so the result is a
// function of how often each word occurs. It ends early where no pair occurs twice. Cost: a pass over the text and a table of its different words; then
// each new token touches the words that hold its pair: about a second for 4,096 tokens of 10 MB.
// Source: Sennrich et al., Neural machine translation of rare words with subword units, ACL 2016.
#pragma once

#include <algorithm>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>
#include <vector>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/train/pair_tokenizer.hpp>
#include <stretto/train/words.hpp>

namespace stretto::inline v0 {

/// How often each word occurs.
class word_counts {
 public:
  void add(std::string_view letters) {
    while (!letters.empty()) {
      const std::string_view word = letters.substr(0, static_cast<std::size_t>(first_word(letters)));
      letters.remove_prefix(word.size());
      if (const auto found = counts_.find(word); found != counts_.end())
        ++found->second;
      else
        counts_.emplace(word, 1);
    }
  }
  std::int64_t size() const { return static_cast<std::int64_t>(counts_.size()); }  ///< different words

  /// All of them, in the order of their bytes.
  std::vector<std::pair<std::string_view, std::int64_t>> sorted() const {
    std::vector<std::pair<std::string_view, std::int64_t>> all(counts_.begin(), counts_.end());
    std::sort(all.begin(), all.end());
    return all;
  }

 private:
  struct hash {
    using is_transparent = void;
    std::size_t operator()(std::string_view s) const { return std::hash<std::string_view>()(s); }
  };
  std::unordered_map<std::string, std::int64_t, hash, std::equal_to<>> counts_;
};

namespace detail {

class pair_finder {
 public:
  explicit pair_finder(const word_counts& words) {
    for (const auto& [word, count] : words.sorted()) {
      words_.push_back({{}, count});
      for (const char c : word) words_.back().tokens.push_back(static_cast<unsigned char>(c));
      count_pairs(static_cast<int>(words_.size()) - 1, count, [](std::int32_t, std::int32_t) { return true; });
    }
    for (const auto& [key, entry] : pairs_) heap_.push_back({entry.count, key});
    std::make_heap(heap_.begin(), heap_.end());
  }

  /// The most frequent pair becomes `token`. False where none occurs twice.
  bool join(std::int32_t token, token_pair& joined) {
    while (!heap_.empty()) {
      std::pop_heap(heap_.begin(), heap_.end());
      const ranked top = heap_.back();
      heap_.pop_back();
      const auto found = pairs_.find(top.key);
      const std::int64_t count = found == pairs_.end() ? 0 : found->second.count;
      if (count != top.count) {  // counts fall once a pair is known, so a number that is too high is put back lower
        if (count > 0) push({count, top.key});
        continue;
      }
      if (count < 2) return false;
      joined = {static_cast<std::int32_t>(top.key >> 32), static_cast<std::int32_t>(top.key & 0xffffffffu)};
      const std::vector<int> where = std::move(found->second.words);
      pairs_.erase(found);
      for (const int w : where) replace(w, joined, token);
      pairs_.erase(top.key);
      for (const std::uint64_t key : fresh_) push({pairs_[key].count, key});
      fresh_.clear();
      return true;
    }
    return false;
  }

 private:
  struct counted_word {
    std::vector<std::int32_t> tokens;
    std::int64_t count;
  };
  struct pair_entry {
    std::int64_t count = 0;
    std::vector<int> words;  // that hold it, or did
  };
  struct ranked {
    std::int64_t count;
    std::uint64_t key;
    friend bool operator<(const ranked& a, const ranked& b) { return a.count != b.count ? a.count < b.count : a.key > b.key; }
  };

  void push(const ranked& r) {
    heap_.push_back(r);
    std::push_heap(heap_.begin(), heap_.end());
  }

  /// Adds `by` to each pair of a word. Where is_fresh says so, the pair gets to know the word.
  template <class F>
  void count_pairs(int w, std::int64_t by, F is_fresh) {
    const std::vector<std::int32_t>& t = words_[static_cast<std::size_t>(w)].tokens;
    for (std::size_t i = 0; i + 1 < t.size(); ++i) {
      const std::uint64_t key = static_cast<std::uint64_t>(static_cast<std::uint32_t>(t[i])) << 32 | static_cast<std::uint32_t>(t[i + 1]);
      pair_entry& p = pairs_[key];
      p.count += by;
      if (is_fresh(t[i], t[i + 1]) && (p.words.empty() || p.words.back() != w)) {
        if (p.words.empty()) fresh_.push_back(key);
        p.words.push_back(w);
      }
    }
  }

  void replace(int w, const token_pair& pair, std::int32_t token) {
    counted_word& word = words_[static_cast<std::size_t>(w)];
    std::vector<std::int32_t>& t = word.tokens;
    count_pairs(w, -word.count, [](std::int32_t, std::int32_t) { return false; });
    std::size_t to = 0;
    for (std::size_t i = 0; i < t.size(); ++i)
      if (i + 1 < t.size() && t[i] == pair.left && t[i + 1] == pair.right)
        t[to++] = token, ++i;
      else
        t[to++] = t[i];
    t.resize(to);
    count_pairs(w, word.count, [token](std::int32_t l, std::int32_t r) { return l == token || r == token; });
  }

  std::vector<counted_word> words_;
  std::unordered_map<std::uint64_t, pair_entry> pairs_;
  std::vector<ranked> heap_;
  std::vector<std::uint64_t> fresh_;  // pairs that came to be in this round
};

}  // namespace detail

/// A tokenizer of up to `vocabulary` tokens, 257 at least. `progress(done, wanted)` is called behind each new token.
template <class Progress>
pair_tokenizer train_pairs(const word_counts& words, int vocabulary, Progress&& progress) {
  if (vocabulary < pair_tokenizer::first_pair || vocabulary > pair_tokenizer::most)
    throw error(text("stretto: a pair_tokenizer of ", vocabulary, " tokens is asked for; choose from ", pair_tokenizer::first_pair, " to ", pair_tokenizer::most).str());
  std::vector<token_pair> pairs;
  detail::pair_finder finder(words);
  for (int token = pair_tokenizer::first_pair; token < vocabulary; ++token) {
    token_pair joined;
    if (!finder.join(token, joined)) break;
    pairs.push_back(joined);
    progress(token + 1 - pair_tokenizer::first_pair, vocabulary - pair_tokenizer::first_pair);
  }
  return pair_tokenizer(std::move(pairs));
}
inline pair_tokenizer train_pairs(const word_counts& words, int vocabulary) {
  return train_pairs(words, vocabulary, [](int, int) {});
}
inline pair_tokenizer train_pairs(std::string_view letters, int vocabulary) {
  word_counts words;
  words.add(letters);
  return train_pairs(words, vocabulary);
}

}  // namespace stretto::inline v0
