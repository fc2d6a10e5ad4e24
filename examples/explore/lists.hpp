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

inline int header(arguments& a) {
  output out;
  std::string id;
  const chosen c = choose(a, {"header", ", --name ID, -o FILE", [&](arguments& more) {
                                out.read(more);
                                if (more.value("--name", id) && !stretto::detail::is_identifier(id))
                                  refuse("--name takes a name that a variable can have in C++, not '" + id + "'");
                              }});
  if (const stretto::verdict v = stretto::check(c.plan); !v.ok()) throw stretto::error(v.sentence());
  if (id.empty()) {
    id = "plan_" + (is_file(c.name) ? "of_file" : c.name);
    for (char& letter : id)
      if (!stretto::detail::is_identifier(std::string("a") + letter)) letter = '_';
  }
  out.write(stretto::to_table(c.plan, id));
  return 0;
}

}  // namespace explore
