// SPDX-License-Identifier: Apache-2.0 WITH LLVM-exception
//
// The command that judges: check.
#pragma once

#include <cstdio>
#include <string>

#include "choose.hpp"

namespace explore {

inline int check(arguments& a) {
  std::string path = a.word(), word;
  stretto::link_model links{};
  if (a.value("--links", word)) links = model(word);
  const stretto::csv_dialect dialect = dialect_by("--dialect", a);
  lowering lower;
  lower.read(a, false);
  if (path.empty()) path = a.word();
  if (path.empty() && a.empty()) refuse("check needs a file; stretto-explore check FILE.csv, or - for standard input");
  a.finish("check", std::string("a file, --links MODEL, --dialect D, --lowered, ") + lowering::flags);
  const bool about_messages = links.which != stretto::link_model::kind::by_plan && links.which != stretto::link_model::kind::buffered;
  lower.asked = lower.asked || about_messages;
  lower.how.links = links;  // so that receives which are placed here are placed for it
  lower.need_asked();
  stretto::plan p = plan_of_file(path, dialect);
  stretto::verdict v = stretto::check(p, p.lowered ? links : stretto::links::buffered);
  const bool placed = v.ok() && !p.lowered && lower.asked;
  if (placed) {
    p = stretto::lower(p, lower.how);  // throws the sentence of a fault, too
    v = stretto::check(p, links);
  }
  if (!v.ok()) {
    std::fprintf(stderr, "%s\n", v.words.c_str());
    return 1;
  }
  const std::string how = lower.how.receives == stretto::receives::eager ? " (placed eagerly)" : " (placed, receives later)";
  put("valid: " + std::to_string(p.ranks) + " ranks, " + std::to_string(p.stages) + " stages, " + std::to_string(p.micro_batches) +
      " micro-batches" + (p.slices > 1 ? ", " + std::to_string(p.slices) + " slices" : "") + ", " +
      std::to_string(p.actions.size()) + (p.lowered ? " entries with messages" : " actions") + (placed ? how : "") + "\n");
  return 0;
}

}  // namespace explore
