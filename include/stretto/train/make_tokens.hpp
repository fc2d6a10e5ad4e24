// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// From text files to files of tokens: what the tool stretto-tokens does.
//
//     make_tokens({.sources = {"docs", "notes.txt"}, .output = "out/docs", .vocabulary = 4096, .validation = 0.05});
//     out/docs.pairs                    the tokenizer, where it isn't bytes
//     out/docs_train.bin, out/docs_val.bin
// Each file is a text of its own and ends with the token that ends a text; text_files.hpp finds them. The validation is the last share of all bytes, cut behind a line. Pairs are learned from the rest.
// Cost: two passes over the mapped text, one without training; a file at a time, a MiB at a time.
#pragma once

#include <cmath>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/train/mapped_file.hpp>
#include <stretto/train/text_files.hpp>
#include <stretto/train/token_file_writer.hpp>
#include <stretto/train/tokens.hpp>

namespace stretto::inline v0 {

struct make_tokens_options {
  std::vector<std::string> sources = {};        ///< files and folders
  std::string output = "tokens";                ///< what the names of all that is written begin with
  int vocabulary = 257;                         ///< tokens at most; 257: bytes and the end of a text
  std::string pairs = "";                       ///< a file of pairs to use, instead of learning some
  double validation = 0;                        ///< share of the bytes, at the end, that goes to another file
  token_format format = token_format::llmc;
};

struct made_tokens {
  std::int64_t files = 0, left_out = 0, bytes = 0;
  std::int64_t training = 0, validation = 0;    ///< tokens
  int vocabulary = 0;
  std::vector<std::string> written;
};

namespace detail {

/// How much of a text to encode at once: about a MiB, cut where a word ends whatever follows.
inline std::int64_t slab_of(std::string_view letters) {
  constexpr std::size_t most = std::size_t{1} << 20;
  if (letters.size() <= most) return static_cast<std::int64_t>(letters.size());
  for (std::size_t n = most; n > 1; --n)
    if (letters[n - 1] == '\n' && kind_of(letters[n]) != letter_kind::blank) return static_cast<std::int64_t>(n);
  return most;
}

}  // namespace detail

/// `progress(what, done, all)` is called now and then: "reading" and "writing" in bytes, "learning" in tokens.
template <class Progress>
made_tokens make_tokens(const make_tokens_options& how, Progress&& progress) {
  if (how.sources.empty()) throw error("stretto: there is no text to make tokens of; name files or folders");
  if (!(how.validation >= 0 && how.validation < 1)) throw error("stretto: make_tokens_options::validation isn't from 0 to below 1; give the share that goes to another file");
  if (how.vocabulary < pair_tokenizer::first_pair || how.vocabulary > pair_tokenizer::most)
    throw error(text("stretto: a vocabulary of ", how.vocabulary, " tokens is asked for; choose from ", pair_tokenizer::first_pair, " (bytes) to ", pair_tokenizer::most).str());
  made_tokens made;
  const bool learn = how.pairs.empty() && how.vocabulary > pair_tokenizer::first_pair;
  pair_tokenizer tokenizer = how.pairs.empty() ? pair_tokenizer() : pair_tokenizer::load(how.pairs);
  const text_files found = text_files_in(how.sources, how.output + ".pairs");
  const std::vector<text_file>& texts = found.all;
  made.left_out = found.left_out;
  for (const auto& [path, size] : texts) made.bytes += size;
  made.files = static_cast<std::int64_t>(texts.size());
  if (texts.empty()) throw error(text("stretto: '", detail::shown_path(how.sources[0]), "' and what else was named have no text files; name others").str());

  // The first byte of the validation, over all texts: behind the line in which the training has its share.
  std::int64_t cut = made.bytes;
  if (how.validation > 0) {
    cut -= static_cast<std::int64_t>(std::ceil(how.validation * static_cast<double>(made.bytes)));
    std::int64_t begin = 0;
    for (const auto& [path, size] : texts) {
      if (cut > begin && cut < begin + size) {
        const mapped_file f(path);
        const std::size_t line = f.letters().find('\n', static_cast<std::size_t>(cut - begin - 1));
        cut = line == std::string_view::npos ? begin + size : begin + static_cast<std::int64_t>(line) + 1;
        break;
      }
      begin += size;
    }
    if (cut <= 0 || cut >= made.bytes)
      throw error(text("stretto: ", made.bytes, " bytes of text can't be cut behind a line into a training and a validation of that share; give more text, or another share").str());
  }

  // Calls f(letters, whether a text ends here, done) slab by slab of [from, to).
  const auto each_slab = [&](std::int64_t from, std::int64_t to, auto&& f) {
    std::int64_t begin = 0;
    for (const auto& [path, size] : texts) {
      const std::int64_t first = from > begin ? from - begin : 0, last = to < begin + size ? to - begin : size;
      if (first < last) {
        const mapped_file file(path);
        if (file.bytes().count != size) throw error(text("stretto: file '", detail::shown_path(path), "' changed while it was read; wait until it is written").str());
        for (std::string_view rest = file.letters().substr(static_cast<std::size_t>(first), static_cast<std::size_t>(last - first)); !rest.empty();) {
          const std::int64_t n = detail::slab_of(rest);
          const std::string_view slab = rest.substr(0, static_cast<std::size_t>(n));
          rest.remove_prefix(static_cast<std::size_t>(n));
          f(slab, rest.empty() && last == size, begin + last - static_cast<std::int64_t>(rest.size()));
        }
      }
      begin += size;
    }
  };

  if (learn) {
    word_counts words;
    each_slab(0, cut, [&](std::string_view letters, bool, std::int64_t done) {
      words.add(letters);
      progress("reading", done, cut);
    });
    tokenizer = train_pairs(words, how.vocabulary, [&](int done, int all) { progress("learning", done, all); });
    tokenizer.save(how.output + ".pairs");
    made.written.push_back(how.output + ".pairs");
  }
  made.vocabulary = tokenizer.vocabulary();

  pair_encoder encoder(tokenizer);
  std::vector<std::int32_t> tokens;
  const auto write = [&](const std::string& path, std::int64_t from, std::int64_t to) {
    token_file_writer out(path, how.format);
    each_slab(from, to, [&](std::string_view letters, bool ends, std::int64_t done) {
      tokens.clear();
      encoder.encode(letters, tokens);
      if (ends) tokens.push_back(tokenizer.end_of_text());
      out.add({tokens.data(), static_cast<std::int64_t>(tokens.size())});
      progress("writing", done, made.bytes);
    });
    out.finish();
    made.written.push_back(path);
    return out.size();
  };
  made.training = write(how.output + "_train.bin", 0, cut);
  if (how.validation > 0) made.validation = write(how.output + "_val.bin", cut, made.bytes);
  return made;
}

inline made_tokens make_tokens(const make_tokens_options& how) {
  return make_tokens(how, [](const char*, std::int64_t, std::int64_t) {});
}

}  // namespace stretto::inline v0
