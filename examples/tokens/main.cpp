// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// stretto-tokens: makes files of tokens of text, for token_loader and for other tools that read llm.c's format.
// make_tokens.hpp does the work, make_tokens_words.hpp knows the command line.
#include <cstdint>
#include <cstdio>
#include <exception>
#include <new>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include <stretto/train/make_tokens_words.hpp>
#include <stretto/train/progress.hpp>

namespace {

int fail(const char* sentence) {
  std::fprintf(stderr, "%s\n", sentence);
  return 1;
}

int run(const std::vector<std::string>& words) {
  const stretto::make_tokens_command c = stretto::make_tokens_words(words);
  std::string said;
  if (c.help) {
    said = stretto::make_tokens_help();
  } else {
    std::optional<stretto::progress> bar;
    std::string_view at;
    const auto watch = [&](std::string_view what, std::int64_t done, std::int64_t all) {
      if (what != at) bar.reset(), bar.emplace(all, stretto::progress_options{.name = std::string(what)});
      at = what;
      bar->update(done);
    };
    const bool terminal = stretto::detail::terminal_width(stderr) > 0;
    const stretto::made_tokens made = c.quiet || !terminal ? stretto::make_tokens(c.options) : stretto::make_tokens(c.options, watch);
    bar.reset();
    if (!c.quiet) said = stretto::words_of(made);
  }
  if (std::fwrite(said.data(), 1, said.size(), stdout) != said.size() || std::fflush(stdout) != 0) return fail("stretto: the output can't be written");
  return 0;
}

}  // namespace

int main(int count, char** words) {
  try {
    return run(std::vector<std::string>(words + (count > 0 ? 1 : 0), words + count));
  } catch (const stretto::error& e) {
    return fail(e.what());
  } catch (const std::bad_alloc&) {
    return fail("stretto: there is too little memory; give fewer or smaller files");
  } catch (const std::exception& e) {
    return fail((std::string("stretto: something went wrong (") + e.what() + "); check the files").c_str());
  }
}
