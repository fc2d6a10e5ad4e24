// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The command line of stretto-tokens, and what it says at the end.
//
//     make_tokens_words({"docs", "--vocabulary", "4096", "--validation", "0.05"})
#pragma once

#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <stretto/core/error.hpp>
#include <stretto/core/text.hpp>
#include <stretto/train/make_tokens.hpp>

namespace stretto::inline v0 {

struct make_tokens_command {
  make_tokens_options options;
  bool help = false, quiet = false;
};

constexpr std::string_view make_tokens_help() {
  constexpr std::string_view help_text = R"(stretto-tokens: makes files of tokens of text

  stretto-tokens [OPTIONS] FILE-OR-FOLDER...

Each file is a text; of a folder all that aren't hidden, by name. Written are
  NAME_train.bin        its tokens
  NAME_val.bin          those held out, with --validation
  NAME.pairs            the tokenizer, unless it is bytes

  -o, --output NAME     what the names of all that is written begin with (default tokens)
  --tokenizer KIND      bytes, or pairs: frequent pairs of bytes become one token (default bytes, or pairs where one of
                        the next two is given)
  --vocabulary N        tokens to learn in all, 258 to 65536 (default 4096)
  --pairs FILE          uses the pairs of an earlier run instead
  --validation X        holds out a share of the text, from its end: 0.05, or 5% (default 0)
  --format F            llmc, with a header, or raw16, nothing but uint16 (default llmc)
  -q, --quiet           says nothing but what is wrong
  -h, --help            this text

Exit status: 0 fine, 1 not.
)";
  return help_text;
}

namespace detail {

inline double share_in_words(const std::string& word) {
  char* end = nullptr;
  const bool plain = !word.empty() && word.find_first_not_of("0123456789.%") == std::string::npos;
  double value = plain ? std::strtod(word.c_str(), &end) : -1;
  if (plain && *end == '%') value /= 100, ++end;
  if (!plain || *end != 0 || !(value >= 0 && value < 1))
    throw error(text("stretto: '", shown_path(word), "' is no share for --validation; give a number from 0 to below 1, or a percentage").str());
  return value;
}

}  // namespace detail

/// Throws stretto::error where they aren't a command line.
inline make_tokens_command make_tokens_words(const std::vector<std::string>& words) {
  make_tokens_command c;
  std::string tokenizer, vocabulary;
  bool options = true;
  for (std::size_t i = 0; i < words.size(); ++i) {
    const std::string& word = words[i];
    const std::size_t sign = word.starts_with("--") ? word.find('=') : std::string::npos;
    const std::string flag = word.substr(0, sign);
    const auto value = [&] {
      if (sign != std::string::npos) return word.substr(sign + 1);
      if (i + 1 == words.size()) throw error(text("stretto: ", flag, " is the last word and needs another behind it; stretto-tokens --help says which").str());
      return words[++i];
    };
    if (!options || word.size() < 2 || word[0] != '-') c.options.sources.push_back(word);
    else if (word == "--") options = false;
    else if (word == "-h" || word == "--help") c.help = true;
    else if (word == "-q" || word == "--quiet") c.quiet = true;
    else if (flag == "-o" || flag == "--output") c.options.output = value();
    else if (flag == "--tokenizer") tokenizer = value();
    else if (flag == "--vocabulary") vocabulary = value();
    else if (flag == "--pairs") c.options.pairs = value();
    else if (flag == "--validation") c.options.validation = detail::share_in_words(value());
    else if (flag == "--format") {
      const std::string name = value();
      if (name != "llmc" && name != "raw16") throw error(text("stretto: there is no format '", detail::shown_path(name), "' to write; choose llmc or raw16").str());
      c.options.format = name == "llmc" ? token_format::llmc : token_format::raw16;
    } else
      throw error(text("stretto: there is no option '", detail::shown_path(flag), "'; stretto-tokens --help lists them").str());
  }
  if (c.help) return c;
  if (tokenizer.empty()) tokenizer = vocabulary.empty() && c.options.pairs.empty() ? "bytes" : "pairs";
  if (tokenizer != "bytes" && tokenizer != "pairs") throw error(text("stretto: there is no tokenizer '", detail::shown_path(tokenizer), "'; choose bytes or pairs").str());
  if ((tokenizer == "bytes" && !(vocabulary.empty() && c.options.pairs.empty())) || !(vocabulary.empty() || c.options.pairs.empty()))
    throw error("stretto: of --tokenizer bytes, --vocabulary and --pairs only one may be given; leave the others out");
  if (tokenizer == "pairs" && c.options.pairs.empty()) {
    const bool number = vocabulary.empty() || (vocabulary.size() <= 5 && vocabulary.find_first_not_of("0123456789") == std::string::npos);
    c.options.vocabulary = !number ? 0 : vocabulary.empty() ? 4096 : std::atoi(vocabulary.c_str());
    if (c.options.vocabulary < 258 || c.options.vocabulary > pair_tokenizer::most)
      throw error(text("stretto: '", detail::shown_path(vocabulary), "' is no number for --vocabulary; give one from 258 to 65536").str());
  }
  if (c.options.output.empty()) throw error("stretto: --output is empty; give what the names of the files begin with");
  if (c.options.sources.empty()) throw error("stretto: there is no text to make tokens of; name files or folders");
  return c;
}

/// "12 files, 345,678 bytes: …" as lines.
inline std::string words_of(const made_tokens& m) {
  text t(m.files, m.files == 1 ? " file of " : " files of ", m.bytes, " bytes");
  if (m.left_out > 0) t.add(", ", m.left_out, " that are no text left out");
  t.add("\n", m.training, " tokens to train on, ", m.validation, " held out, a vocabulary of ", m.vocabulary, "\n");
  for (const std::string& w : m.written) t.add("wrote ", std::string_view(w), "\n");
  return std::string(t.str());
}

}  // namespace stretto::inline v0
