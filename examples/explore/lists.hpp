// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// Commands that write a plan's lists: csv, lower, and header, which writes them as a constant.
#pragma once

#include <sstream>
#include <string>

#include <stretto/plan/table.hpp>

#include "choose.hpp"

namespace explore {

inline int write_lists(arguments& a, const char* command, bool lowered) {
  output out;
  stretto::csv_dialect to{};
  const chosen c = choose(a, {command, ", --to D, -o FILE",
                              [&](arguments& more) {
                                out.read(more);
                                to = dialect_by("--to", more);
                              },
                              lowered});
  out.write(stretto::to_csv(c.plan, to));
  return 0;
}
inline int csv(arguments& a) { return write_lists(a, "csv", false); }
inline int lower(arguments& a) { return write_lists(a, "lower", true); }

/// Whether a word can name a variable; keywords can't.
inline bool is_identifier(const std::string& word) {
  std::istringstream keywords(
      R"( alignas alignof and and_eq asm auto bitand bitor bool break case catch char char8_t char16_t char32_t class
 compl concept const consteval constexpr constinit const_cast continue co_await co_return co_yield decltype
 default delete do double dynamic_cast else enum explicit export extern false float for friend goto if inline
 int long mutable namespace new noexcept not not_eq nullptr operator or or_eq private protected public register
 reinterpret_cast requires return short signed sizeof static static_assert static_cast struct switch template
 this thread_local throw true try typedef typeid typename union unsigned using virtual void volatile wchar_t
 while xor xor_eq )");
  for (std::string keyword; keywords >> keyword;)
    if (keyword == word) return false;
  const char* const letters = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ";
  return word.find_first_of(letters) == 0 && word.find_first_not_of(letters + std::string("0123456789_")) == std::string::npos &&
         word.find("__") == std::string::npos;
}

inline int header(arguments& a) {
  output out;
  std::string id;
  const chosen c = choose(a, {"header", ", --name ID, -o FILE", [&](arguments& more) {
                                out.read(more);
                                if (more.value("--name", id) && !is_identifier(id))
                                  refuse("--name takes a name that a variable can have in C++, not '" + id + "'");
                              }});
  if (const stretto::verdict v = stretto::check(c.plan); !v.ok()) throw stretto::error(v.sentence());
  if (id.empty()) {
    id = "plan_" + (is_file(c.name) ? "of_file" : c.name);
    for (char& letter : id)
      if (!is_identifier(std::string("a") + letter)) letter = '_';
  }
  out.write(stretto::to_table(c.plan, id));
  return 0;
}

}  // namespace explore
