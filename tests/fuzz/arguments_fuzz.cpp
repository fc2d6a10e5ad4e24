// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Any bytes at all go into the reader of option files, and, cut at zeros, into that of command lines. A refusal must be a
// sentence; what is read must keep its ranges and read the same after it was written.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string>
#include <string_view>
#include <vector>

#include <stretto/train/arguments.hpp>

namespace {

void require_that(bool holds) {
  if (!holds) std::abort();
}

void require_sentence(std::string_view s) {
  require_that(s.substr(0, 9) == "stretto: ");
  require_that(s.size() > 20 && s.size() < 1000);
  for (char c : s) require_that(c >= ' ' && c <= '~');
}

struct all_kinds {
  int a = 1;
  std::int64_t b = 2;
  double c = 0.5;
  std::string d = "word", e = "one";
  bool f = false;
  stretto::arguments args{"program", "does something"};
  all_kinds() {
    args.add("a", a, "a count", {.least = -5, .most = 100}).add("bb", b, "a size").add("ccc", c, "a number", {.least = 0, .most = 1e300});
    args.add("d", d, "a word").add("e", e, "a choice", {.choices = {"one", "two"}}).add("f", f, "a flag");
  }
  void require_ranges() const {
    require_that(a >= -5 && a <= 100 && c >= 0 && c <= 1e300 && (e == "one" || e == "two"));
    all_kinds again;
    again.args.read_config(args.config(), "again");
    require_that(again.args.config() == args.config());
    require_that(!args.help().empty() && !args.table().empty());
  }
};

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const std::string_view source(reinterpret_cast<const char*>(data), size);
  try {
    all_kinds all;
    all.args.read_config(source, "file");
    all.require_ranges();
  } catch (const stretto::error& e) {
    require_sentence(e.what());
    require_that(e.place().line >= 1 || size > 1'000'000);
  }
  const std::string copy(source);
  std::vector<const char*> words{"program"};
  for (std::size_t at = 0; at < copy.size() && words.size() < 50; at += std::string_view(copy.c_str() + at).size() + 1) {
    if (std::string_view(copy.c_str() + at).substr(0, 8) == "--config") return 0;  // would open files
    words.push_back(copy.c_str() + at);
  }
  try {
    all_kinds all;
    if (all.args.read(static_cast<int>(words.size()), words.data())) all.require_ranges();
  } catch (const stretto::error& e) {
    require_sentence(e.what());
  }
  return 0;
}
